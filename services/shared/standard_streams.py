"""Standard input, output and error where nobody is at the other end."""

import os
import sys
from typing import Final

# As a shell reports a program that SIGPIPE ended, which Python turns into an error.
READER_GONE: Final = 141


def replace_closed_streams() -> None:
    """Has those lead nowhere that were closed before the start (`>&-`); to be called at once.

    Their numbers would go to the first files that are opened: whatever writes to standard error
    would then write into one of them, and uvloop ends the process where it is to close it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open to the end


def leave_standard_output() -> None:
    """What is left to do when nobody reads any more (`| head`): nothing, quietly.

    Sends what comes yet to nowhere: Python flushes once more at its end, and complains.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
