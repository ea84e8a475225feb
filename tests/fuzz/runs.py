"""How large is a fuzz run, and how is it repeated?

    FUZZ_EXAMPLES=2000 FUZZ_SEED=7 pytest tests/fuzz/test_schemathesis.py -rP

Without these two every run sends the same requests. Size and seed are printed, so they stand in the report of a failure.
Nothing is shrunk: the server keeps what a request did, so what failed once need not fail in the same way again. A failure
shows the request itself instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.e2e.server import Server, demo_data, serving

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "20"))
SEED = os.environ.get("FUZZ_SEED", "1")
SECONDS = 180 + 10 * EXAMPLES
"""Time that a test may take: larger runs are started by hand and wait for longer."""

# A run spends more in a minute than a person in a day, and may outlast an access token.
_VARIABLES = {
    "EOMS_RATE_POINTS": "100000000",
    "EOMS_RATE_POINTS_PER_SECOND": "10000000",
    "EOMS_ACCESS_TOKEN_MINUTES": "1440",
}


@contextmanager
def fuzzed_server(**variables: str) -> Generator[Server]:
    """A running server with a demo company of its own, on which nobody runs out of points or of time."""
    with demo_data() as data_dir, serving(data_dir, **_VARIABLES, **variables) as server:
        yield server


def run(test: Callable[[], None], examples: int, name: str) -> None:
    """Run a test that hypothesis gives its examples; `name` makes its chance its own."""
    seed(f"{SEED}/{name}")(settings(_settings(examples))(test))()


def run_machine(machine: type[RuleBasedStateMachine], scenarios: int, steps: int) -> None:
    """Let a state machine play so many scenarios of so many steps."""
    seed(f"{SEED}/{machine.__name__}")(machine)
    run_state_machine_as_test(
        machine, settings=settings(_settings(scenarios), stateful_step_count=steps), _min_steps=steps
    )


def tell_of_run(sent: int, what: str) -> None:
    """Print how much was sent, and how to send it again."""
    sys.stdout.write(f"{sent} requests {what}; repeat with FUZZ_EXAMPLES={EXAMPLES} FUZZ_SEED={SEED}\n")


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=(
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
            HealthCheck.large_base_example,
            HealthCheck.too_slow,
        ),
    )
