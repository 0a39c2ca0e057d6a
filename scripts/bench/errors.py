"""What keeps something from being measured."""


class BenchError(Exception):
    """Something could not be measured; the text says what, and why, for a person."""
