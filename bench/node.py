"""Which Node runs the peers and the load? The 22 that npm brought, whatever the machine has of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.processes import ROOT, BenchError

_MODULES = ROOT / "bench" / "node_modules"


def node() -> Path:
    """Return the program; raise `BenchError` where npm's packages are not there."""
    program = _MODULES / ".bin" / "node"
    if not program.exists():
        raise BenchError("bench/node_modules has no Node. Run: make bench")
    return program


def package_version(name: str) -> str:
    """Return the version of an npm package that is installed for the benches."""
    # Any: a package.json may hold whatever its author wrote.
    described: dict[str, Any] = json.loads((_MODULES / name / "package.json").read_text())
    return str(described["version"])
