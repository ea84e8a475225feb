"""Where do the rows come from that are measured? A database for each size, made once and kept between runs.

Each is a data folder of EOMS with stores of its own. It is filled by the commands that anybody would use: the demo
company, the seed, and an account that manages half of the seed's projects.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench.plan import LINES_OF_AN_ORDER
from bench.processes import ROOT, BenchError, environment
from bench.sql import fetch
from server.settings import Settings
from server.stores import running_stores

FOLDER = ROOT / ".eoms-bench"
EOMS = (sys.executable, "-c", "from server.cli import app; app()")
MANAGER = "bench"
DIRECTOR = "director"
CONTRACTOR = "contractor"
CONTRACTOR_CODE = "K-001"
MANAGED_PROJECTS = tuple(f"S-{nth:03d}" for nth in range(1, 11))
SEED_SECONDS = 4 * 3600

_MARK = "seeded.json"
_MARKED = {"version": 1, "lines": LINES_OF_AN_ORDER}
"""What a folder must have been made with; another version makes it anew."""

Report = Callable[[str], None]

# What the relay does (`subscriptions.relay`), 500 events a round, done for all events of the seed at once: its
# rounds would be work beside what is measured.
_PLACE_EVENTS = """
WITH taken AS (DELETE FROM event_outbox RETURNING event_id)
INSERT INTO event_feed (position, event_id)
SELECT (SELECT coalesce(max(position), 0) FROM event_feed) + row_number() OVER (ORDER BY event.sequence), event.id
  FROM taken JOIN event ON event.id = taken.event_id
"""


@dataclass(frozen=True, slots=True)
class Seeded:
    """A running database of so many seeded orders; `secret` signs the tokens of this run."""

    orders: int
    data_dir: Path
    database_url: str
    redis_url: str
    secret: str

    @property
    def libpq(self) -> dict[str, str]:
        """Return where the database is, in the variables that libpq, asyncpg and node-postgres read."""
        parts = urlsplit(self.database_url)
        return {
            "PGHOST": parse_qs(parts.query)["host"][0],
            "PGUSER": parts.username or "",
            "PGDATABASE": parts.path.removeprefix("/"),
        }

    @property
    def variables(self) -> dict[str, str]:
        """Return the settings that every `eoms` on this database runs with."""
        return {
            "EOMS_DATA_DIR": str(self.data_dir),
            "EOMS_TOKEN_SECRET": self.secret,
            "EOMS_ACCESS_TOKEN_MINUTES": "1440",
        }

    def eoms(self, *arguments: str, stdin: str = "", is_shown: bool = False) -> str:
        """Run one `eoms` command and return what it printed; raise `BenchError` where it fails.

        With `is_shown` its progress goes to the terminal.
        """
        ran = subprocess.run(
            [*EOMS, *arguments],
            check=False,
            cwd=ROOT,
            env=environment(self.variables),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=None if is_shown else subprocess.PIPE,
            text=True,
            timeout=SEED_SECONDS,
        )
        if ran.returncode != 0:
            raise BenchError(f"eoms {' '.join(arguments)} failed: {ran.stdout}{ran.stderr or ''}")
        return ran.stdout

    # Any: a row has whatever columns the statement names.
    def fetch(self, statement: str, *parameters: object) -> list[Any]:
        """Return the rows of a statement as the owner of the tables."""
        return fetch(self.libpq, statement, *parameters)

    def maintain(self, statement: str) -> None:
        """Run a statement that only the server's superuser may run."""
        fetch({**self.libpq, "PGUSER": "postgres"}, statement)


@contextmanager
def seeded(orders: int, report: Report) -> Generator[Seeded]:
    """The database of that size, running to the end of the block; filled first where it isn't yet."""
    data_dir = FOLDER / str(orders)
    mark = data_dir / _MARK
    if data_dir.exists() and (not mark.exists() or json.loads(mark.read_text()) != _MARKED):
        report(f"Removing {data_dir.relative_to(ROOT)}, which is half-made or of another version")
        shutil.rmtree(data_dir)
    settings = Settings(data_dir=data_dir)
    with running_stores(settings, report, _postgres_options()) as urls:
        made = Seeded(orders, data_dir, urls.database_url, urls.redis_url, secrets.token_hex(32))
        if not mark.exists():
            _fill(made, report)
            mark.write_text(json.dumps(_MARKED))
        else:
            # A newer checkout may have newer tables.
            made.eoms("migrate")
        yield made


def _fill(made: Seeded, report: Report) -> None:
    began = time.monotonic()
    report(f"Filling a database with {made.orders:,} orders of {LINES_OF_AN_ORDER} lines; done once")
    made.eoms("demo")
    made.eoms("seed", "--orders", str(made.orders), "--lines", str(LINES_OF_AN_ORDER), is_shown=True)
    roles = [word for code in MANAGED_PROJECTS for word in ("--role", f"project_manager@{code}")]
    made.eoms(
        *("user", "add", MANAGER, "--name", "Bench", "--organization", "HC", "--password-stdin", *roles),
        stdin=f"{secrets.token_urlsafe(24)}\n",
    )
    made.eoms("client", "add", "bench-board", "--name", "Bench", "--organization", "HC", "--scope", "read")
    report("Placing the events, vacuuming and analyzing")
    made.fetch(_PLACE_EVENTS)
    made.maintain("VACUUM (ANALYZE)")
    made.maintain("CHECKPOINT")
    report(f"Filled in {time.monotonic() - began:,.0f} seconds")


def _postgres_options() -> dict[str, str]:
    """Return what a machine of this size is usually given; all servers read from the same one."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return {
        "shared_buffers": f"{min(memory // 8, 2048)}MB",
        "effective_cache_size": f"{memory // 2}MB",
        "random_page_cost": "1.1",
        "max_wal_size": "8GB",
        # No checkpoint falls into one server's round and not into another's.
        "checkpoint_timeout": "1h",
    }
