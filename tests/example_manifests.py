"""Which example manifests are there? Their documents must always be executable: what breaks one breaks clients."""

from __future__ import annotations

from pathlib import Path

MANIFESTS = {path.stem: path for path in (Path(__file__).parent / "manifests").glob("*.json")}
"""Their paths by name."""
