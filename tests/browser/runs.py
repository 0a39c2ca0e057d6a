"""Runs of orders, submitted as a person does."""

import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from scripts.local_stack import ROOT, LocalStack

_HEADER = "order_id,customer,sku,quantity,unit_price,currency\n"


def submit(stack: LocalStack, *, orders: int, batch_size: int, name: str = "Ada") -> str:
    """Submits so many orders to the first hub; the instance id."""
    instance_id = f"orders-{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "orders.csv"
        rows = (f'{instance_id}-{n},"{name}",book,1,{n}.25,EUR\n' for n in range(orders))
        file.write_text(_HEADER + "".join(rows))
        command = [sys.executable, "-m", "services.client", "submit", str(file), "--no-wait"]
        command += ["--batch-size", str(batch_size), "--instance-id", instance_id]
        subprocess.run(
            command, cwd=ROOT, env=stack.environment, check=True, stdout=subprocess.DEVNULL
        )
    return instance_id
