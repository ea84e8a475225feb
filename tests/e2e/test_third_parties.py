"""Does docs/third-parties.md lead a partner from nothing to his first answer?"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.e2e.server import ROOT, Server, demo_data, environment, serving

GUIDE = (ROOT / "docs" / "third-parties.md").read_text("utf-8")


@pytest.fixture(scope="module")
def server() -> Generator[Server]:
    with demo_data() as data_dir, serving(data_dir) as running:
        yield running


def commands(part: str) -> str:
    """Return the commands of one part of the guide."""
    found = re.search(rf"<!-- {part} -->\n```sh\n(.*?)```\n<!-- /{part} -->", GUIDE, re.DOTALL)
    assert found is not None
    return found.group(1)


def typed(server: Server, folder: Path, script: str) -> str:
    """Return what commands print that somebody types in a folder with `.venv`."""
    (folder / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
    program = folder / ".venv" / "bin" / "eoms"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from server.cli import app; app()" "$@"\n')
    program.chmod(0o755)
    ran = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script.replace("localhost:8000", f"127.0.0.1:{server.port}")],
        check=False,
        cwd=folder,
        env={**environment(server.data_dir), "PYTHONPATH": os.fspath(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_guide_leads_to_a_first_answer_in_under_ten_lines(server: Server, tmp_path: Path) -> None:
    operator, partner, refused = (commands(part) for part in ("operator", "partner", "refused"))
    assert operator.count("\n") + partner.count("\n") < 10
    published = typed(server, tmp_path, operator)
    (document_id,) = re.findall(r"sha256:[0-9a-f]{64}", published)
    assert document_id == f"sha256:{hashlib.sha256((tmp_path / 'mine.graphql').read_bytes()).hexdigest()}"
    answers = typed(server, tmp_path, f"{partner}\n{refused}")
    answer, text = answers.replace("}{", "}\n{").splitlines()
    orders = json.loads(answer)["data"]["orders"]
    assert len(orders["nodes"]) == 3
    assert orders["totalCount"] > len(orders["nodes"])
    assert [order["hiddenFields"] for order in orders["nodes"]] == [["customer"]] * 3
    assert text == refused.splitlines()[1].removeprefix("# ")
