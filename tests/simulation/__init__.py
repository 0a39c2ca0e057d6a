"""The real hub on real SQLite, in virtual time, with every choice drawn from one seed."""
