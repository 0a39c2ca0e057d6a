"""SQLite: one file per task hub, one writer, groups of commits."""
