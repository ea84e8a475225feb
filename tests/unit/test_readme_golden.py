"""Does the README say what the code says? Its settings and its life cycle are generated from them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from domain.order import TRANSITIONS, OrderAction, OrderState
from resolvers.orders import mutation_name
from server.settings import settings_table

README = Path(__file__).parent.parent.parent / "README.md"


def life_cycle() -> str:
    """Return the diagram of all steps that change the state, cancelling aside, which most states know."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> DRAFT: orderCreate"]
    for (state, action), step in TRANSITIONS.items():
        if step.target is not state and action is not OrderAction.CANCEL:
            lines.append(f"    {state} --> {step.target}: {mutation_name(action)}")
    cancellable = [state for state in OrderState if (state, OrderAction.CANCEL) in TRANSITIONS]
    return "\n".join(
        [*lines, "```", "", f"`orderCancel` takes an order to CANCELLED from {', '.join(cancellable)}."]
    )


@pytest.mark.parametrize(
    ("part", "wanted"),
    [("settings", settings_table()), ("life cycle", life_cycle())],
    ids=["settings", "life_cycle"],
)
def test_readme_golden_part_is_what_the_code_says(part: str, wanted: str) -> None:
    text = README.read_text("utf-8")
    section = re.compile(rf"(<!-- {part} -->\n).*?(<!-- /{part} -->)", re.DOTALL)
    if os.environ.get("GOLDEN") == "update":
        text = section.sub(lambda found: f"{found.group(1)}{wanted.strip()}\n{found.group(2)}", text)
        README.write_text(text, "utf-8")
    found = section.search(text)
    assert found is not None
    assert found.group(0) == f"<!-- {part} -->\n{wanted.strip()}\n<!-- /{part} -->"
