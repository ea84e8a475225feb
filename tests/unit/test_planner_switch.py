"""Do all servers of a run go the way that its `PLANNER` says, those in this process and those of their own?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from server.settings import Settings
from tests.e2e.server import ROOT, environment

IS_ON = os.environ.get("PLANNER", "on") != "off"
ASKING = "from server.settings import Settings; print(Settings().planner)"


def test_application_of_this_process_follows_the_run() -> None:
    assert Settings().planner is IS_ON


def test_process_of_its_own_follows_the_run_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    for variables, expected in (
        ({}, IS_ON),
        ({"EOMS_PLANNER": "true"}, True),
        ({"EOMS_PLANNER": "false"}, False),
    ):
        command = (sys.executable, "-c", ASKING)
        told = subprocess.run(
            command,
            check=True,
            cwd=ROOT,
            env=environment(tmp_path, **variables),
            capture_output=True,
            text=True,
        )
        assert told.stdout == f"{expected}\n"
