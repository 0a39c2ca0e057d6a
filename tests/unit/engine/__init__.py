"""The pure engine: given a history, when something happens, then that is decided."""
