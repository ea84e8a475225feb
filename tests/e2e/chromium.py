"""How does a test use a browser? The system's Chromium, headless, driven by Playwright's core.

    with browsing(tmp_path) as browser:
        browser.do("goto", url=f"{server.url}/explorer")
        browser.do("click", selector="text=Sign in")
    assert browser.reached() == {...}

What a command takes stands in browser/driver.mjs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.node import installed, missing, node

FOLDER = Path(__file__).parent / "browser"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_END_SECONDS = 30


class Browser:
    """One page of one browser; commands are bounded by the driver, twenty seconds each where nothing else is said."""

    def __init__(self, process: subprocess.Popen[str], net_log: Path) -> None:
        self._process = process
        self._net_log = net_log

    # Any: an answer is whatever the page holds.
    def do(self, command: str, **given: Any) -> Any:
        """Give one command and return its answer; fail with what the browser says where it can't be done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command, **given}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the browser is gone"
        answer = json.loads(line)
        assert "error" not in answer, f"{command} {given}: {answer['error']}"
        return answer["value"]

    def reached(self) -> set[str]:
        """Return every address to which the whole browser, not only the page, opened a connection, once it has ended."""
        log = json.loads(self._net_log.read_text("utf-8"))
        kinds = log["constants"]["logEventTypes"]
        # Connecting a UDP socket sends nothing: so the browser asks its machine whether there is a way to somewhere.
        sending = {each["source"]["id"] for each in log["events"] if each["type"] == kinds["UDP_BYTES_SENT"]}
        return {
            event["params"]["address"]
            for event in log["events"]
            if "address" in event.get("params", {})
            and (
                event["type"] == kinds["TCP_CONNECT_ATTEMPT"]
                or (event["type"] == kinds["UDP_CONNECT"] and event["source"]["id"] in sending)
            )
        }


def chromium() -> str:
    """Return the path of the system's Chromium."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None) or missing("Chromium")


def browser_command(folder: Path) -> list[str]:
    """Return the command that drives a browser whose net log is kept in that folder; skip where there is none."""
    settings = {"executablePath": chromium(), "netLog": str(folder / "net-log.json")}
    return [node(), str(installed(FOLDER) / "driver.mjs"), json.dumps(settings)]


@contextmanager
def browsing(folder: Path) -> Generator[Browser]:
    """A browser with nothing in it; its net log is kept in that folder."""
    process = subprocess.Popen(
        browser_command(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        yield Browser(process, folder / "net-log.json")
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        # The end of its commands is the end of the browser, and of the net log.
        process.stdin.close()
        try:
            process.wait(_END_SECONDS)
        finally:
            process.kill()
            process.stdout.close()
