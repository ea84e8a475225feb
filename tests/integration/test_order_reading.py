"""What does each person see of the demo company's orders?"""

from __future__ import annotations

from tests.api import Api

_MIXED = """
query ($first: Int!, $sort: [OrderOrder!]) {
  orders(first: $first, orderBy: $sort) { totalCount nodes { number amount hiddenFields project { code } } }
}
"""


async def test_project_manager_sees_amounts_in_his_project_and_none_where_he_is_engineer(api: Api) -> None:
    nodes = (await api.ask(_MIXED, "pm", first=100)).data["orders"]["nodes"]
    nodes += (await api.ask(_MIXED, "pm", first=100, sort=[{"field": "NUMBER", "direction": "ASC"}])).data[
        "orders"
    ]["nodes"]
    hidden = {node["project"]["code"]: set(node["hiddenFields"]) for node in nodes}
    assert hidden == {"P-001": set(), "P-002": {"amount"}}
    assert all(node["amount"] is None for node in nodes if node["project"]["code"] == "P-002")
