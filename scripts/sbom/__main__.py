"""`make sbom`: writes a CycloneDX document for every service, from its lock.

A lock names every package of an image with the hashes that it is installed by; what else is in
there is our own code and the base image, which has papers of its own.
"""

import argparse
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT: Final = Path(__file__).resolve().parents[2]
_SCHEMA: Final = SchemaVersion.V1_6


def main() -> int:
    """Writes the documents; 0, or 1 where one could not be made."""
    parser = argparse.ArgumentParser(prog="make sbom", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "sbom")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for lock in sorted((ROOT / "services").glob("*/requirements.txt")):
        service = lock.parent.name
        ran = subprocess.run(
            [
                sys.executable, "-m", "cyclonedx_py", "requirements", str(lock),
                "--output-reproducible", "--spec-version", _SCHEMA.to_version(), "--of", "JSON",
            ],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        if ran.returncode:
            print(f"no bill of materials of {lock}:\n{ran.stderr}", file=sys.stderr)
            return 1
        document = json.loads(ran.stdout)
        document["metadata"]["component"] = _component(service)
        text = json.dumps(document, indent=2) + "\n"
        problem = JsonStrictValidator(_SCHEMA).validate_str(text)
        if problem is not None:
            print(f"the bill of materials of {service} is not valid: {problem}", file=sys.stderr)
            return 1
        file = folder / f"{service}.json"
        file.write_text(text, encoding="utf-8")
        print(f"{file}: {len(document['components'])} packages")
    return 0


def _component(service: str) -> dict[str, Any]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "bom-ref": "root-component",
        "type": "application",
        "name": f"{project['name']}-{service}",
        "version": project["version"],
        "licenses": [{"license": {"id": project["license"]}}],
    }


if __name__ == "__main__":
    sys.exit(main())
