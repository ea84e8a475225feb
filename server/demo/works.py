"""What is ordered in the demo company?

The works of each project with their lines, units and prices, as plain data.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from domain.order import OrderKind


@dataclass(frozen=True, slots=True)
class Material:
    """One line of a work: usual quantity in `uom` and usual price in CNY per unit."""

    item: str | None
    description: str
    uom: str
    quantity: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of work that is ordered again and again, each time at another of the project's places.

    `bom` is what is made for it and how much of it, by the codes of `server.demo.boms`; null where nothing is.
    """

    title: str
    kind: OrderKind
    wbs: str
    cost_code: str
    materials: tuple[Material, ...]
    bom: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Programme:
    """All that one project orders, and where."""

    places: tuple[str, ...]
    works: tuple[Work, ...]


COUNTED = frozenset(("台", "套", "樘", "根", "座", "个", "pcs", "set", "户"))
"""Units that only come whole."""


def _line(item: str | None, description: str, uom: str, quantity: int, price: str) -> Material:
    return Material(item, description, uom, quantity, Decimal(price))


_PUMPING_STATION = Programme(
    (
        "1# 泵房",
        "2# 泵房",
        "进水前池 Forebay",
        "出水池 Outlet basin",
        "Valve chamber 阀门井",
        "变配电间",
        "North yard",
    ),
    (
        Work(
            "基坑开挖与支护 Excavation and shoring",
            OrderKind.CONSTRUCTION,
            "1.1",
            "5401",
            (
                _line("CW-1010", "土方开挖外运，运距 8 km Excavation and haulage", "m³", 1850, "38.50"),
                _line("CW-1031", "拉森钢板桩 Ⅳ 型打拔 Sheet piles, drive and extract", "t", 46, "1680.00"),
                _line("CW-1040", "轻型井点降水 Well-point dewatering", "台班", 90, "310.00"),
            ),
        ),
        Work(
            "底板钢筋混凝土 Base slab",
            OrderKind.CONSTRUCTION,
            "1.2.1",
            "5402",
            (
                _line("CW-2011", "C35 P8 抗渗混凝土 Watertight concrete", "m³", 260, "585.00"),
                _line("CW-2020", "HRB400E 钢筋制作安装 Reinforcement", "t", 34, "5260.00"),
                _line("CW-2033", "钢边橡胶止水带 Waterstop", "m", 148, "96.00"),
                _line(None, "大体积混凝土测温 Temperature monitoring", "项", 1, "6800.00"),
            ),
        ),
        Work(
            "池壁与顶板 Walls and roof slab",
            OrderKind.CONSTRUCTION,
            "1.2.2",
            "5402",
            (
                _line("CW-2012", "C30 商品混凝土 Ready-mixed concrete", "m³", 195, "548.00"),
                _line("CW-2020", "HRB400E 钢筋制作安装 Reinforcement", "t", 27, "5260.00"),
                _line("CW-2050", "清水模板 Fair-faced formwork", "m²", 920, "78.00"),
            ),
        ),
        Work(
            "Axial-flow pump sets 轴流泵机组安装",
            OrderKind.INSTALLATION,
            "2.1",
            "5401",
            (
                _line("ME-3001", "Submersible axial-flow pump 1400ZQB-100 潜水轴流泵", "台", 2, "386000.00"),
                _line("ME-3010", "Flap valve DN1400 拍门", "套", 2, "42800.00"),
                _line("ME-3022", "Rail, guide and lifting gear 导轨与起吊装置", "set", 2, "18500.00"),
                _line(None, "Alignment and trial run 找正与试运行", "项", 1, "26000.00"),
            ),
            ("PS-100", "2"),
        ),
        Work(
            "高低压配电安装 Switchgear and cabling",
            OrderKind.INSTALLATION,
            "2.2",
            "5401",
            (
                _line("EL-4003", "10 kV 中置柜 KYN28A Switchgear panel", "台", 3, "68500.00"),
                _line("EL-4015", "YJV22-8.7/15 3×120 电缆 Cable", "m", 420, "326.00"),
                _line("EL-4021", "热镀锌电缆桥架 400×150 Cable tray", "m", 180, "142.00"),
                _line("EL-4030", "PLC 控制柜 S7-1500 Control cabinet", "台", 1, "93600.00"),
            ),
        ),
        Work(
            "格栅与清污机检修 Screen overhaul",
            OrderKind.MAINTENANCE,
            "2.1",
            "5101",
            (
                _line(None, "回转式清污机检修 Rotary rake overhaul", "台", 2, "7600.00"),
                _line("ME-3105", "不锈钢栅条更换 Stainless bars", "kg", 640, "38.00"),
            ),
        ),
        Work(
            "厂区道路与铺装 Roads and paving",
            OrderKind.CONSTRUCTION,
            "3.1",
            "5402",
            (
                _line("SW-5002", "级配碎石基层 300 mm Crushed-stone base", "m²", 1100, "46.00"),
                _line("SW-5007", "C30 混凝土面层 220 mm Concrete surface", "m²", 1100, "128.00"),
                _line("SW-5020", "花岗岩路缘石 Granite kerb", "m", 360, "86.00"),
            ),
        ),
        Work(
            "Settlement survey 沉降观测",
            OrderKind.SERVICE,
            "1",
            "5901",
            (
                _line(None, "Precise levelling, per round 精密水准测量", "次", 12, "2400.00"),
                _line(None, "Monthly report 月度监测报告", "份", 3, "3500.00"),
            ),
        ),
    ),
)

_STEEL_BRIDGE = Programme(
    ("Pier P1", "Pier P2", "Pier P3", "East abutment 东桥台", "Span 2–3", "West approach 西引桥"),
    (
        Work(
            "Bored piles 钻孔灌注桩",
            OrderKind.CONSTRUCTION,
            "1.1",
            "5401",
            (
                _line("BR-1005", "Bored pile ⌀1500, C35 underwater concrete", "m", 320, "1860.00"),
                _line("BR-1012", "Reinforcement cage 钢筋笼", "t", 28, "5480.00"),
                _line("BR-1020", "Cross-hole sonic logging 声测", "根", 8, "1900.00"),
            ),
        ),
        Work(
            "Pile cap and pier 承台与墩身",
            OrderKind.CONSTRUCTION,
            "1.2",
            "5402",
            (
                _line("BR-1101", "C40 concrete 承台混凝土", "m³", 310, "612.00"),
                _line("BR-1110", "Reinforcement HRB400E", "t", 41, "5310.00"),
                _line("BR-1122", "Steel cofferdam, hire 钢围堰租赁", "台班", 45, "1250.00"),
            ),
        ),
        Work(
            "Steel box girder fabrication 钢箱梁制作",
            OrderKind.FABRICATION,
            "2.1",
            "5201",
            (
                _line("ST-2001", "Q345qD plate, cut and welded 板单元制作", "t", 62, "9850.00"),
                _line("ST-2014", "Shear studs ⌀22×200 剪力钉", "pcs", 4200, "6.80"),
                _line("ST-2020", "Ultrasonic and X-ray testing 无损检测", "m", 260, "88.00"),
            ),
            ("SB-100", "1"),
        ),
        Work(
            "Girder erection 钢梁架设",
            OrderKind.INSTALLATION,
            "2.1",
            "5301",
            (
                _line("ST-2101", "Floating crane 500 t, shift 浮吊", "台班", 6, "46000.00"),
                _line("ST-2110", "High-strength bolts M24 10.9S 高强螺栓", "套", 3800, "14.50"),
                _line(None, "Site welding 现场焊接", "m", 190, "260.00"),
            ),
        ),
        Work(
            "Deck slab and asphalt 桥面铺装",
            OrderKind.CONSTRUCTION,
            "2.2",
            "5402",
            (
                _line("DK-3001", "C50 fibre concrete deck 纤维混凝土", "m³", 145, "780.00"),
                _line("DK-3010", "SMA-13 asphalt 40 mm 沥青玛蹄脂", "m²", 1650, "92.00"),
                _line("DK-3021", "Modular expansion joint 伸缩缝", "m", 24, "4600.00"),
            ),
        ),
        Work(
            "Corrosion protection 防腐涂装",
            OrderKind.SERVICE,
            "3.1",
            "5401",
            (
                _line("CP-4001", "Blasting Sa 2½ and zinc-rich primer 喷砂与富锌底漆", "m²", 1380, "74.00"),
                _line("CP-4005", "Fluorocarbon top coat 氟碳面漆", "m²", 1380, "58.00"),
            ),
        ),
        Work(
            "Railings and lighting 护栏与照明",
            OrderKind.INSTALLATION,
            "3.2",
            "5401",
            (
                _line("FN-5001", "Stainless railing 不锈钢护栏", "m", 240, "860.00"),
                _line("FN-5010", "LED street lamp 150 W 路灯", "套", 16, "3950.00"),
                _line("FN-5015", "Cable YJV 5×16", "m", 520, "78.00"),
            ),
        ),
    ),
)

_PIPE_WORKS = Programme(
    ("人民路", "学宫巷", "Canal Street 运河街", "南门大街", "Lantern Lane 灯笼巷"),
    (
        Work(
            "污水主管更换 Trunk sewer renewal",
            OrderKind.CONSTRUCTION,
            "1.1",
            "5402",
            (
                _line("PW-1001", "沟槽开挖与支护 Trench and shoring", "m³", 780, "62.00"),
                _line("PW-1010", "HDPE 双壁波纹管 DN600 Corrugated pipe", "m", 210, "345.00"),
                _line("PW-1021", "中粗砂回填 Sand backfill", "m³", 460, "118.00"),
            ),
        ),
        Work(
            "非开挖修复 CIPP lining",
            OrderKind.SERVICE,
            "1.1",
            "5401",
            (
                _line("PW-1101", "紫外光固化内衬 DN500 UV-cured liner", "m", 165, "980.00"),
                _line("PW-1105", "CCTV 管道检测 CCTV inspection", "m", 330, "18.00"),
            ),
        ),
        Work(
            "检查井砌筑 Manholes",
            OrderKind.CONSTRUCTION,
            "1.2",
            "5402",
            (
                _line("PW-1201", "预制混凝土检查井 ⌀1000 Precast manhole", "座", 9, "4850.00"),
                _line("PW-1206", "五防球墨铸铁井盖 Cover and frame", "套", 9, "860.00"),
            ),
        ),
        Work(
            "Ductile iron main 球墨铸铁给水管",
            OrderKind.INSTALLATION,
            "2.1",
            "5401",
            (
                _line("WM-2001", "DN300 K9 ductile iron pipe 球墨铸铁管", "m", 380, "312.00"),
                _line("WM-2012", "Gate valve DN300 闸阀", "个", 4, "3680.00"),
                _line("WM-2020", "Pressure test and disinfection 试压与消毒", "m", 380, "9.50"),
            ),
        ),
        Work(
            "入户支管改造 House connections",
            OrderKind.INSTALLATION,
            "2.2",
            "5101",
            (
                _line("WM-2101", "PE100 DN32 入户管 Service pipe", "m", 540, "28.00"),
                _line("WM-2110", "远传水表 Smart meter", "户", 46, "268.00"),
            ),
        ),
        Work(
            "路面恢复 Road reinstatement",
            OrderKind.CONSTRUCTION,
            "3",
            "5402",
            (
                _line("RE-3001", "水泥稳定碎石基层 Cement-stabilised base", "m²", 860, "64.00"),
                _line("RE-3005", "AC-13 沥青面层 Asphalt surface", "m²", 860, "78.00"),
                _line("RE-3010", "标线恢复 Road marking", "m²", 95, "42.00"),
            ),
        ),
        Work(
            "水泵抢修 Emergency pumping",
            OrderKind.MAINTENANCE,
            "1.1",
            "5301",
            (
                _line(None, "移动泵车 500 m³/h Mobile pump, shift", "台班", 14, "1850.00"),
                _line(None, "抢修人工 Emergency crew", "工日", 36, "420.00"),
            ),
        ),
    ),
)

PROGRAMMES = {"P-001": _PUMPING_STATION, "P-002": _STEEL_BRIDGE, "P-003": _PIPE_WORKS}
