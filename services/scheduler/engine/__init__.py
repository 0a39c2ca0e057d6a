"""The protocol's rules: history events in, decisions out. No clock, no ids of its own, no IO."""
