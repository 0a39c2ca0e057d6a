"""The errors of these scripts. A person reads their text as it stands."""


class InputError(Exception):
    """Options that cannot be used, all of them at once; nothing has been called."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class AzureError(Exception):
    """A step failed; the text says what and what to do."""


class CommandFailedError(AzureError):
    """`az` ended with an error. `said` is what it wrote, its warnings left out."""

    def __init__(self, text: str, *, said: str) -> None:
        self.said = said
        super().__init__(text)
