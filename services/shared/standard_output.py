"""What is left to do when nobody reads standard output any more (`| head`): nothing, quietly."""

import os
import sys
from typing import Final

# As a shell reports a program that SIGPIPE ended, which Python turns into an error.
READER_GONE: Final = 141


def leave_standard_output() -> None:
    """Sends what comes yet to nowhere: Python flushes once more at its end, and complains."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
