"""Fuzzing: whatever bytes come, nothing crashes, hangs, tells a traceback or changes unasked."""
