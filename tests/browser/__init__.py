"""The dashboard in a real browser, before a real scheduler with real workers."""
