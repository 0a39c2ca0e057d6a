"""The HTTP side: health."""
