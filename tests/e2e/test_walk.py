"""Does the walk of an order hold against a real server?"""

from __future__ import annotations

import subprocess
import sys

from tests.e2e.server import ROOT, demo_data, environment, serving


def test_order_walks_from_create_to_settle_with_the_right_person_at_each_step() -> None:
    with demo_data() as data_dir, serving(data_dir) as server:
        walked = subprocess.run(
            [sys.executable, "-m", "tests.e2e.walk", server.url],
            check=False,
            cwd=ROOT,
            env=environment(data_dir),
            capture_output=True,
            text=True,
            timeout=150,
        )
        assert server.stop() == 0
    assert (walked.returncode, walked.stderr) == (0, ""), walked.stdout
    assert walked.stdout.count("all as they should be.") == 2
    assert "OrderSettled" in walked.stdout
