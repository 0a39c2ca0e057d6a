"""One task hub: every use case loads, decides and commits, and then signals."""
