"""The HTTP side: health, the emulator's ping, metrics."""
