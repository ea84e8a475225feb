"""On what was it measured? The machine and the versions of everything that took part."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from bench.load import loader
from bench.node import node, package_version
from bench.processes import ROOT
from bench.seeded import Seeded

_PYTHON = (
    "strawberry-graphql",
    "SQLAlchemy",
    "asyncpg",
    "starlette",
    "uvicorn",
    "uvloop",
    "httptools",
    "orjson",
    "websockets",
    "picows",
)
_NPM = ("fastify", "mercurius", "graphql-jit", "graphql", "postgraphile", "grafast", "pg")


def machine() -> str:
    """Return processor, cores in use, memory and system, in one line."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{_processor()}, {cores} cores, {memory_gib:.0f} GiB, {platform.system()} {platform.release()}"


def versions(database: Seeded) -> Sequence[tuple[str, str]]:
    """Return (name, version) of everything that took part."""
    return (
        *our_versions(),
        ("PostgreSQL", database.fetch("SHOW server_version")[0][0]),
        ("Node", _said(str(node()), "--version").removeprefix("v")),
        *((name, package_version(name)) for name in _NPM),
        (loader(), _loader_version()),
    )


def our_versions() -> Sequence[tuple[str, str]]:
    """Return (name, version) of EOMS and what it is made of."""
    return (
        ("EOMS", _checkout()),
        ("Python", platform.python_version()),
        *((name, version(name)) for name in _PYTHON),
    )


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _checkout() -> str:
    commit = _said("git", "rev-parse", "--short=10", "HEAD")
    return (
        f"{commit} with changes" if _said("git", "status", "--porcelain", "--untracked-files=no") else commit
    )


def _loader_version() -> str:
    if loader() == "autocannon":
        return package_version("autocannon")
    # wrk prints its version above its usage and ends with 1.
    said = subprocess.run(["wrk", "--version"], check=False, capture_output=True, text=True)  # noqa: S607  (the one on PATH)
    words = (said.stdout + said.stderr).split()
    return words[1] if len(words) > 1 else "of unknown version"


def _said(*command: str) -> str:
    said = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    return said.stdout.strip()
