"""The commands of the README, block by block, and which of them a test runs."""

import re
from typing import Final

from scripts.local_stack import ROOT

README: Final = (ROOT / "README.md").read_text()

# Run by tests/e2e/test_readme.py, without Docker.
RUN_ALONE: Final = frozenset(
    {
        "make demo",
        "make demo KEEP=1",
        "make demo ORDERS=orders/sample.jsonl WORKERS=4 BATCH_SIZE=5",
        "make dev",
        "make submit LOCAL=1",
        ". .venv/bin/activate",
        "python -m services.client --help",
        "python -m services.client generate 1000 --seed 7 > my-orders.csv",
        "python -m services.client submit my-orders.csv --batch-size 50",
        "python -m services.client list",
    }
)
# Run by tests/compose/test_readme.py, on a Docker engine.
RUN_WITH_DOCKER: Final = frozenset(
    {"make up EMBEDDED=1", "make submit", "make scale N=3", "make ps", "make down"}
)
NOT_RUN: Final = {
    "make up": "pulls the emulator's image, which the machines of the tests cannot",
    "az login": "needs Azure",
    "scripts/azure-up -g orders -n my-scheduler --location westus2 --ip-allowlist 203.0.113.7"
    " --write-env": "needs Azure; tests/azure runs it against a stand-in",
    "make worker": "needs Azure here; tests/e2e/test_scripts.py runs it against a local scheduler",
    "make test": "runs this test",
    "make chaos": "tests/chaos",
    "make fuzz": "tests/fuzz/test_engines.py",
    "make sbom": "tests/e2e/test_sbom.py",
    "make check": "runs beside the tests in .ci/run",
}


def blocks() -> list[list[str]]:
    """The commands of every `bash` block, without their comments."""
    return [
        [
            command
            for line in block.splitlines()
            if (command := re.sub(r"\s+# .*", "", line).strip())
        ]
        for block in re.findall(r"^```bash\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    ]


def block_with(command: str) -> list[str]:
    """The block in which a command stands."""
    return next(block for block in blocks() if command in block)
