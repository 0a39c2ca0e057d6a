"""The arithmetic and the reports of the bench."""
