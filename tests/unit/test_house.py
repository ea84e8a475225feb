"""Does the code keep the house's rules that no linter knows: sizes, role names, commits?"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from policies.roles import Role
from policies.rules import BASE_ROLES

ROOT = Path(__file__).parent.parent.parent
FOLDERS = (
    "bench",
    "commands",
    "db",
    "domain",
    "loaders",
    "planner",
    "policies",
    "resolvers",
    "schema",
    "server",
    "sheets",
    "subscriptions",
    "tests",
)
FILE_LINES = 400
FUNCTION_LINES = 70

LONG_FILES: dict[str, str] = {}
"""Files that may be longer, each with its reason. It may only shrink."""

LONG_FUNCTIONS: dict[str, str] = {}
"""Functions that may be longer, as `file:name`, each with its reason. It may only shrink."""

ROLE_NAMES_ALLOWED = ("policies/", "tests/", "server/demo/", "server/seed", "bench/")
"""Where role names may stand: the policy itself, what tests and measures it, and made-up companies whose people hold roles."""


def modules() -> Iterator[tuple[str, str]]:
    """Yield (path, text) of every module of ours but the migrations, which are generated and then never changed."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if "migrations/versions" not in name and "node_modules" not in name:
                yield name, path.read_text("utf-8")


def test_no_file_is_longer_than_400_lines() -> None:
    long = {name for name, text in modules() if text.count("\n") > FILE_LINES}
    assert long == set(LONG_FILES)


def test_no_function_is_longer_than_70_lines() -> None:
    long = {
        f"{name}:{node.name}"
        for name, text in modules()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES
    }
    assert long == set(LONG_FUNCTIONS)


def test_role_names_stand_in_the_policy_only() -> None:
    # `contractor` and `customer` are also fields of an order.
    names = ({role.value for role in Role} | BASE_ROLES) - {"contractor", "customer"}
    found = {
        f"{name}:{node.lineno} {node.value}"
        for name, text in modules()
        if not name.startswith(ROLE_NAMES_ALLOWED)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and node.value in names
    }
    assert found == set()


def test_nothing_commits_but_the_write_session() -> None:
    committing = {
        name
        for name, text in modules()
        if not name.startswith(("tests/", "server/")) and re.search(r"\.commit\(", text)
    }
    # The session itself, what settles it, system transactions, and migrations.
    assert committing == {
        "db/sessions.py",
        "commands/execution.py",
        "commands/transactions.py",
        "db/migrate.py",
    }


def test_every_module_says_which_question_it_answers() -> None:
    silent = {
        name
        for name, text in modules()
        if text.strip()
        and not name.endswith("env.py")
        and "?" not in (ast.get_docstring(ast.parse(text)) or "")
    }
    assert silent == set()
