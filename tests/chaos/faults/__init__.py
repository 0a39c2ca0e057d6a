"""The kinds of faults, each with how it is injected and how it is taken back."""
