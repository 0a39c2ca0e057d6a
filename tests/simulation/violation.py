"""What a simulated run raises when a promise is broken."""


class Violation(AssertionError):  # noqa: N818 - it is what has happened to an invariant
    """An invariant does not hold."""
