"""What does the demo company build, and of what? A pump station of five levels and a steel bridge, with what they share.

Prices are rounded figures of the kind that Chinese trade lists show; weights per metre and per square metre are those of
GB/T 706 (channel [10: 10.007 kg/m) and of steel's density of 7,850 kg/m³ (a plate of 12 mm: 94.2 kg/m²).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from domain.bom import ItemKind, ScrapRule

_M, _P, _A, _V, _S = ItemKind.MATERIAL, ItemKind.PART, ItemKind.ASSEMBLY, ItemKind.PHANTOM, ItemKind.SERVICE


@dataclass(frozen=True, slots=True)
class DemoItem:
    """An item; `units` are others in which it is measured, each with how many base units it is."""

    code: str
    name: str
    kind: ItemKind
    unit: str
    cost: str | None = None
    lead_time_days: int | None = None
    units: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class DemoLine:
    """A line of a revision; `unit` is the item's base unit where none is given."""

    item: str
    quantity: str
    unit: str | None = None
    position: int | None = None
    is_fixed: bool = False
    scrap_percent: str = "0"
    scrap_rule: ScrapRule = ScrapRule.ADD
    setup_quantity: str = "0"
    order_multiple: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    is_consumable: bool = False
    substitutes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class DemoRevision:
    """A released revision of an item's BOM; `operations` are (name, minutes, rate of an hour)."""

    item: str
    lines: tuple[DemoLine, ...]
    operations: tuple[tuple[str, str, str], ...] = ()
    co_products: tuple[tuple[str, str, str], ...] = ()
    base_quantity: str = "1"
    number: int = 1
    valid_from: date | None = None
    valid_to: date | None = None


EFFICIENT_MOTORS_FROM = date(2026, 7, 1)
"""From when on pumps get motors of the next efficiency class: a line that replaces another one."""

NEW_PANEL_FROM = date(2026, 9, 1)
"""From when on control panels are built by their second revision."""

ITEMS = (
    DemoItem("PS-100", "Pump station 一体化泵站", _A, "set", lead_time_days=10),
    DemoItem("PU-200", "Pump unit 水泵机组", _A, "set", lead_time_days=5),
    DemoItem("BF-310", "Base frame with bolts 机组底座", _A, "pcs", lead_time_days=3),
    DemoItem("WF-320", "Welded frame 焊接框架", _A, "pcs", lead_time_days=4),
    DemoItem("CH-330", "Channel, cut and drilled 槽钢下料件", _P, "pcs", lead_time_days=2),
    DemoItem("FK-300", "Fixing kit 紧固件包", _V, "set"),
    DemoItem("VC-400", "Valve chamber 阀门井", _A, "set", lead_time_days=6),
    DemoItem("CP-500", "Control panel 控制柜", _A, "set", lead_time_days=8),
    DemoItem("SB-100", "Steel bridge, span of 24 m 钢桥", _A, "set", lead_time_days=20),
    DemoItem("GD-200", "Main girder 主梁", _A, "pcs", lead_time_days=12),
    DemoItem("CB-210", "Cross beam 横梁", _A, "pcs", lead_time_days=4),
    DemoItem("WW-220", "Inspection walkway 检修走道", _A, "m", lead_time_days=3),
    DemoItem("MT-C10", "Channel steel [10 槽钢", _M, "kg", "4.35", 7, (("m", "10.007"),)),
    DemoItem("MT-P12", "Steel plate Q355B, 12 mm 钢板", _M, "kg", "4.62", 10, (("m²", "94.2"),)),
    DemoItem("MT-SCR", "Steel scrap 废钢", _M, "kg", "2.10"),
    DemoItem("MT-C30", "Concrete C30 商品混凝土", _M, "m³", "465", 1),
    DemoItem("MT-WIR", "Welding wire ER50-6 焊丝", _M, "kg", "8.90", 3),
    DemoItem("MT-PNT", "Epoxy primer 环氧底漆", _M, "kg", "26.50", 5),
    DemoItem("MT-CAB", "Cable YJV 4×25 电缆", _M, "m", "78.40", 14),
    DemoItem("MT-GRT", "Grating 钢格板", _M, "m²", "215", 9),
    DemoItem("PT-B16", "Bolt M16×60 grade 8.8 螺栓", _P, "pcs", "1.85", 3),
    DemoItem("PT-W16", "Washer 16 垫圈", _P, "pcs", "0.22", 3),
    DemoItem("PT-B24", "High-strength bolt M24 高强螺栓", _P, "pcs", "11.60", 8),
    DemoItem("PT-PMP", "Centrifugal pump, 320 m³/h 离心泵", _P, "pcs", "18600", 30),
    DemoItem("PT-M45", "Motor 45 kW, IE3 电动机", _P, "pcs", "9450", 25),
    DemoItem("PT-M46", "Motor 45 kW, IE4 电动机", _P, "pcs", "11200", 35),
    DemoItem("PT-VLV", "Gate valve DN200 闸阀", _P, "pcs", "1380", 15),
    DemoItem("PT-BFV", "Butterfly valve DN200 蝶阀", _P, "pcs", "960", 10),
    DemoItem("PT-PIP", "Steel pipe DN200 钢管", _P, "m", "168", 12),
    DemoItem("PT-PLC", "Controller 可编程控制器", _P, "pcs", "6300", 40),
    DemoItem("PT-RTU", "Telemetry unit 遥测终端", _P, "pcs", "2450", 40),
    DemoItem("PT-CAB", "Cabinet IP55 柜体", _P, "pcs", "1750", 12),
    DemoItem("SV-GAL", "Hot-dip galvanizing 热镀锌", _S, "kg", "2.80", 4),
    DemoItem("SV-TST", "Acceptance test at the works 出厂试验", _S, "h", "320", 2),
)

_WELD, _CUT, _FIT = "Weld 焊接", "Cut and drill 下料钻孔", "Fit 装配"

REVISIONS = (
    DemoRevision(
        "FK-300", (DemoLine("PT-B16", "8", scrap_percent="2"), DemoLine("PT-W16", "16", scrap_percent="2"))
    ),
    DemoRevision(
        "CH-330",
        (
            DemoLine(
                "MT-C10", "1.2", "m", scrap_percent="4", scrap_rule=ScrapRule.YIELD, setup_quantity="0.1"
            ),
        ),
        ((_CUT, "12", "65"),),
        (("MT-SCR", "0.5", "2"),),
    ),
    DemoRevision(
        "WF-320",
        (
            DemoLine("CH-330", "6"),
            DemoLine("MT-WIR", "0.8", is_consumable=True),
            DemoLine("SV-GAL", "75"),
        ),
        ((_WELD, "150", "80"),),
    ),
    DemoRevision("BF-310", (DemoLine("WF-320", "1"), DemoLine("FK-300", "2")), ((_FIT, "45", "70"),)),
    DemoRevision(
        "PU-200",
        (
            DemoLine("PT-PMP", "1"),
            DemoLine("PT-M45", "1", position=20, valid_to=EFFICIENT_MOTORS_FROM),
            DemoLine(
                "PT-M46", "1", position=20, valid_from=EFFICIENT_MOTORS_FROM, substitutes=(("PT-M45", "1"),)
            ),
            DemoLine("BF-310", "1", position=30),
            DemoLine("FK-300", "1", position=40),
        ),
        ((_FIT, "180", "70"), ("Align 对中", "60", "90")),
    ),
    DemoRevision(
        "VC-400",
        (
            DemoLine("PT-VLV", "2", substitutes=(("PT-BFV", "1"),)),
            DemoLine("PT-PIP", "7.5", scrap_percent="5"),
            DemoLine("FK-300", "4"),
            DemoLine("MT-C30", "3.2", scrap_percent="3", scrap_rule=ScrapRule.YIELD, order_multiple="0.5"),
        ),
        ((_FIT, "240", "70"),),
    ),
    DemoRevision(
        "CP-500",
        (DemoLine("PT-CAB", "1"), DemoLine("PT-PLC", "1"), DemoLine("MT-CAB", "35", order_multiple="5")),
        ((_FIT, "360", "85"),),
        valid_to=NEW_PANEL_FROM,
    ),
    DemoRevision(
        "CP-500",
        (
            DemoLine("PT-CAB", "1"),
            DemoLine("PT-PLC", "1"),
            DemoLine("MT-CAB", "32", order_multiple="5"),
            DemoLine("PT-RTU", "1"),
        ),
        ((_FIT, "390", "85"),),
        number=2,
        valid_from=NEW_PANEL_FROM,
    ),
    DemoRevision(
        "PS-100",
        (
            DemoLine("PU-200", "2"),
            DemoLine("VC-400", "1"),
            DemoLine("CP-500", "1"),
            DemoLine("SV-TST", "8", is_fixed=True),
        ),
        ((_FIT, "960", "75"),),
    ),
    DemoRevision(
        "CB-210",
        (
            DemoLine("MT-P12", "3.4", "m²", scrap_percent="8", scrap_rule=ScrapRule.YIELD),
            DemoLine("MT-WIR", "2.5", is_consumable=True),
            DemoLine("PT-B24", "16"),
        ),
        ((_CUT, "40", "65"), (_WELD, "120", "80")),
        (("MT-SCR", "25", "3"),),
    ),
    DemoRevision(
        "GD-200",
        (
            DemoLine("MT-P12", "62", "m²", scrap_percent="6", scrap_rule=ScrapRule.YIELD),
            DemoLine("MT-WIR", "38", is_consumable=True),
            DemoLine("MT-PNT", "21", scrap_percent="15"),
        ),
        ((_CUT, "420", "65"), (_WELD, "1440", "80")),
        (("MT-SCR", "350", "3"),),
    ),
    DemoRevision(
        "WW-220",
        (DemoLine("CH-330", "4"), DemoLine("MT-GRT", "1.8", scrap_percent="5"), DemoLine("FK-300", "1")),
        ((_FIT, "90", "70"),),
        base_quantity="2",
    ),
    DemoRevision(
        "SB-100",
        (
            DemoLine("GD-200", "4"),
            DemoLine("CB-210", "18"),
            DemoLine("WW-220", "48"),
            DemoLine("PT-B24", "240", scrap_percent="2", order_multiple="50"),
            DemoLine("SV-TST", "16", is_fixed=True),
        ),
        (("Assemble 拼装", "2880", "75"),),
    ),
)


def standard_cost(item: DemoItem) -> Decimal | None:
    """Return an item's standard cost, 4 places, null for what is made."""
    return None if item.cost is None else Decimal(item.cost).quantize(Decimal("0.0001"))
