"""How does a company enter the lamp of DOMAIN.md (SAS/OR documentation, ABC Lamp)?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.api import Api
from tests.integration.bom_world import Json, bom, item, line, released

REPLACED_ON = "2001-04-08"
LEAF_COSTS: Mapping[str, str] = {
    "1200": "9.25",
    "1300": "5.00",
    "1400": "0.20",
    "1600": "3.50",
    "2100": "0.05",
    "2200": "0.35",
    "2210": "0.40",
    "2300": "0.50",
    "S100": "4.10",
}
# What is made, after all that it is made of; 1400 stands twice under B100, and counts twice.
_PARTS: Mapping[str, Sequence[tuple[str, str, Json]]] = {
    "1100": (("2100", "26", {}),),
    "B100": (
        ("1100", "1", {}),
        ("1200", "1", {}),
        ("1300", "1", {}),
        ("1400", "3", {}),
        ("1400", "1", {}),
    ),
    "1500": (("1400", "2", {}),),
    "1700": (
        ("2200", "12", {"position": 10, "validTo": REPLACED_ON}),
        ("2210", "12", {"position": 10, "validFrom": REPLACED_ON}),
        ("2300", "1", {"position": 20}),
    ),
    "A100": (("1500", "1", {}), ("1600", "1", {}), ("1700", "1", {})),
    "LA01": (("B100", "1", {}), ("S100", "1", {}), ("A100", "1", {})),
}


async def lamp(api: Api, prefix: str, scrap: Mapping[str, str]) -> str:
    """Enter and release a lamp whose codes begin with `prefix`, with scrap by item; return the id of its revision."""
    for code, cost in LEAF_COSTS.items():
        await item(api, prefix + code, "pm", standardCost=cost)
    made: Json = {}
    for code, parts in _PARTS.items():
        await item(api, prefix + code, kind="ASSEMBLY")
        lines = [
            line(prefix + part, quantity, scrapPercent=scrap.get(part, "0"), **more)
            for part, quantity, more in parts
        ]
        made = await released(api, await bom(api, prefix + code, *lines))
    revision_id: str = made["id"]
    return revision_id
