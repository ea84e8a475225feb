"""Is a generated text still what the repository says it is?

`make golden` sets GOLDEN=update and runs the tests with "golden" in their names: they write instead of comparing.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parent.parent


def assert_golden(place: str, text: str) -> None:
    """Compare `text` with the file at `place`, counted from the repository's root; write it when told to."""
    file = ROOT / place
    if os.environ.get("GOLDEN") == "update":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    known = file.read_text("utf-8") if file.exists() else ""
    assert text == known, f"{place} differs; `make golden` rewrites it, then read what changed"
