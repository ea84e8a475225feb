"""On what do all benches work? The plan, the running databases, a place for logs, and where progress is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.plan import Plan
from bench.seeded import Report, Seeded


@dataclass(frozen=True, slots=True)
class Stage:
    """What a bench is given."""

    plan: Plan
    databases: Mapping[int, Seeded]
    logs: Path
    report: Report

    @property
    def home(self) -> Seeded:
        """Return the database of every bench but growth."""
        return self.databases[self.plan.home]
