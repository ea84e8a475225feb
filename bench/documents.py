"""Which GraphQL documents are sent? Files under `documents/`, and their ids as EOMS and its peers name them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bench.processes import ROOT

FOLDER = ROOT / "bench" / "documents"
POSTGRAPHILE_FOLDER = ROOT / "bench" / "peers" / "postgraphile"


@dataclass(frozen=True, slots=True)
class Document:
    """A document; its text ends with its last character that is not blank."""

    name: str
    text: str

    @property
    def hash(self) -> str:
        """Return the SHA-256 of its text, in hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def document(name: str, folder: Path = FOLDER) -> Document:
    """Return the document of that name."""
    return Document(name, (folder / f"{name}.graphql").read_text().rstrip())


def all_documents() -> list[Document]:
    """Return every document that EOMS is sent, by name."""
    return [document(path.stem) for path in sorted(FOLDER.glob("*.graphql"))]
