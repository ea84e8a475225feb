"""How does a test run a suite in Node, and how does a suite ask for what no client of the API can do?

    with controlled({"stop": server.stop}) as url:
        run_node({**variables, "CONTROL_URL": url}, "live/resume.test.mjs")

A suite says when the server is to be stopped or a role to be taken away, by POST to CONTROL_URL: only it knows when it
listens. The answer comes when that is done.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.golden_files import ROOT
from tests.node import node

CLIENTS = ROOT / "tests" / "clients"
SUITE_SECONDS = 60

# Any: an action's arguments and what it answers, as JSON.
Action = Callable[..., Any]


def run_node(variables: Mapping[str, str], *arguments: str, seconds: float = SUITE_SECONDS) -> None:
    """Run Node in the clients' folder, pass on what it says, and fail where it does."""
    plain = {name: value for name, value in variables.items() if name not in {"FORCE_COLOR", "NODE_OPTIONS"}}
    command = [node(), *arguments]
    try:
        ended = subprocess.run(
            command,
            check=False,
            cwd=CLIENTS,
            env=plain,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b"").decode(errors="replace")
        pytest.fail(f"not done after {seconds} s{os.linesep}{said}")
    said = ended.stdout.decode(errors="replace")
    sys.stdout.write(said)
    assert ended.returncode == 0, said


@contextmanager
def controlled(actions: Mapping[str, Action]) -> Generator[str]:
    """Carry out, one after the other, what is asked for at the address that is yielded."""

    class Control(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                status, said = 200, json.dumps(actions[self.path.removeprefix("/")](**given))
            except Exception:  # noqa: BLE001 (told to the suite, which fails by it)
                status, said = 500, traceback.format_exc()
            self.send_response(status)
            self.end_headers()
            self.wfile.write(said.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
            """Say nothing: pytest shows what the suite says."""

    with HTTPServer(("127.0.0.1", 0), Control) as listener:
        thread = Thread(target=listener.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.server_port}"
        finally:
            listener.shutdown()
            thread.join()
