"""Who and what is in the demo company?

Organizations, people, projects, work breakdown and cost codes, as plain data. Every name is
invented. Who does what when is told by `server.demo.orders`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from domain.parties import CostType, OrganizationKind
from policies.roles import Role
from server.demo.fixed import fixed_id

FOUNDED = datetime(2025, 1, 6, 1, 0, tzinfo=UTC)
"""When the company's master data was entered; everything of it has its id from this moment."""

PASSWORD = "demo-eoms"  # noqa: S105  (the demo's password is printed at every start)
CURRENCY = "CNY"


@dataclass(frozen=True, slots=True)
class Organization:
    """A company, with the account it is paid to."""

    code: str
    name: str
    kind: OrganizationKind
    bank_name: str
    bank_account: str

    @property
    def id(self) -> UUID:
        """Return the same id on every machine."""
        return fixed_id(FOUNDED, f"organization.{self.code}")


@dataclass(frozen=True, slots=True)
class Person:
    """A user; `roles` are (role, project code), the code null for a role held globally."""

    username: str
    name: str
    organization: str
    phone: str
    roles: tuple[tuple[Role, str | None], ...]

    @property
    def id(self) -> UUID:
        """Return the same id on every machine."""
        return fixed_id(FOUNDED, f"user.{self.username}")

    @property
    def email(self) -> str:
        """Return an address that can never receive mail (RFC 2606)."""
        return f"{self.username}@eoms.example"


@dataclass(frozen=True, slots=True)
class Project:
    """A project: `wbs` is (code, name), parents first; a parent's code lacks its child's last part."""

    code: str
    name: str
    location: str
    manager: str
    starts_on: date
    ends_on: date
    approval_limit: Decimal
    wbs: tuple[tuple[str, str], ...]

    @property
    def id(self) -> UUID:
        """Return the same id on every machine."""
        return fixed_id(FOUNDED, f"project.{self.code}")

    def wbs_id(self, code: str) -> UUID:
        """Return the id of the node with this code."""
        return fixed_id(FOUNDED, f"wbs.{self.code}.{code}")


@dataclass(frozen=True, slots=True)
class CostCode:
    """A cost code 费用科目."""

    code: str
    name: str
    cost_type: CostType

    @property
    def id(self) -> UUID:
        """Return the same id on every machine."""
        return fixed_id(FOUNDED, f"cost_code.{self.code}")


OWN = "HC"
_WATER, _PORT, _PANSHI, _REDFERN, _HONGTAI = "C-001", "C-002", "K-001", "K-002", "V-001"
_ANY = None

ORGANIZATIONS = (
    Organization(
        OWN,
        "衡川工程有限公司 Hengchuan Engineering",
        OrganizationKind.OWN,
        "江湾示范银行",
        "9550 0000 0000 0017",
    ),
    Organization(
        _WATER,
        "临江水务集团 Linjiang Water Group",
        OrganizationKind.CUSTOMER,
        "临江示范银行",
        "9550 0000 0000 0025",
    ),
    Organization(
        _PORT,
        "Northgate Port Authority 北门港务局",
        OrganizationKind.CUSTOMER,
        "Northgate Bank",
        "9550 0000 0000 0033",
    ),
    Organization(
        _PANSHI,
        "磐石建设工程队 Panshi Construction",
        OrganizationKind.CONTRACTOR,
        "江湾示范银行",
        "9550 0000 0000 0041",
    ),
    Organization(
        _REDFERN,
        "Redfern Steelworks 雷德芬钢构",
        OrganizationKind.CONTRACTOR,
        "Northgate Bank",
        "9550 0000 0000 0058",
    ),
    Organization(
        _HONGTAI,
        "宏泰建材 Hongtai Building Materials",
        OrganizationKind.SUPPLIER,
        "临江示范银行",
        "9550 0000 0000 0066",
    ),
)

PEOPLE = (
    Person("admin", "管思远 Guan Siyuan", OWN, "+86 000 0100 0001", ((Role.ADMIN, _ANY),)),
    Person("director", "Helen Marsh 马海伦", OWN, "+86 000 0100 0002", ((Role.DIRECTOR, _ANY),)),
    Person("finance", "钱慧敏 Qian Huimin", OWN, "+86 000 0100 0003", ((Role.FINANCE, _ANY),)),
    Person("auditor", "Oscar Lindqvist", OWN, "+86 000 0100 0004", ((Role.AUDITOR, _ANY),)),
    Person(
        "pm",
        "李建国 Li Jianguo",
        OWN,
        "+86 000 0100 0005",
        ((Role.PROJECT_MANAGER, "P-001"), (Role.ENGINEER, "P-002")),
    ),
    Person("engineer", "陈雨桐 Chen Yutong", OWN, "+86 000 0100 0006", ((Role.ENGINEER, "P-001"),)),
    Person("buyer", "Priya Raman 拉曼", OWN, "+86 000 0100 0007", ((Role.BUYER, "P-001"),)),
    Person("foreman", "王大勇 Wang Dayong", OWN, "+86 000 0100 0008", ((Role.FOREMAN, "P-001"),)),
    Person("worker", "赵小山 Zhao Xiaoshan", OWN, "+86 000 0100 0009", ((Role.WORKER, _ANY),)),
    Person("contractor", "石磊 Shi Lei", _PANSHI, "+86 000 0300 0001", ((Role.CONTRACTOR, _ANY),)),
    Person("contractor2", "Tom Redfern", _REDFERN, "+86 000 0400 0001", ((Role.CONTRACTOR, _ANY),)),
    Person("customer", "江一帆 Jiang Yifan", _WATER, "+86 000 0200 0001", ((Role.CUSTOMER, _ANY),)),
    # Not personas: the people without whom the other two projects could not go on.
    Person(
        "pm2",
        "Elena Petrova 彼得罗娃",
        OWN,
        "+86 000 0100 0010",
        ((Role.PROJECT_MANAGER, "P-002"), (Role.PROJECT_MANAGER, "P-003")),
    ),
    Person(
        "engineer2",
        "周文博 Zhou Wenbo",
        OWN,
        "+86 000 0100 0011",
        ((Role.ENGINEER, "P-002"), (Role.ENGINEER, "P-003")),
    ),
    Person(
        "buyer2",
        "Daniel Osei",
        OWN,
        "+86 000 0100 0012",
        ((Role.BUYER, "P-002"), (Role.BUYER, "P-003")),
    ),
    Person(
        "foreman2",
        "孙铁柱 Sun Tiezhu",
        OWN,
        "+86 000 0100 0013",
        ((Role.FOREMAN, "P-002"), (Role.FOREMAN, "P-003")),
    ),
    Person("worker2", "吴海生 Wu Haisheng", OWN, "+86 000 0100 0014", ((Role.WORKER, _ANY),)),
    Person("customer2", "Margaret Holt", _PORT, "+86 000 0500 0001", ((Role.CUSTOMER, _ANY),)),
)

PROJECTS = (
    Project(
        "P-001",
        "江湾泵站扩建 Jiangwan Pumping Station Extension",
        "江湾市临河区 Linhe District, Jiangwan",
        "pm",
        date(2025, 2, 1),
        date(2026, 12, 31),
        Decimal("500000.00"),
        (
            ("1", "土建工程 Civil works"),
            ("1.1", "基坑与围护 Excavation and shoring"),
            ("1.2", "泵房结构 Pump house structure"),
            ("1.2.1", "底板 Base slab"),
            ("1.2.2", "墙与顶板 Walls and roof"),
            ("2", "机电安装 Mechanical and electrical"),
            ("2.1", "水泵机组 Pump sets"),
            ("2.2", "配电与控制 Power and control"),
            ("3", "厂区工程 Site works"),
            ("3.1", "道路与绿化 Roads and planting"),
        ),
    ),
    Project(
        "P-002",
        "Redcliff Steel Bridge 赤崖钢桥",
        "Redcliff Harbour 赤崖港",
        "pm2",
        date(2025, 3, 1),
        date(2027, 3, 31),
        Decimal("800000.00"),
        (
            ("1", "Foundations 基础"),
            ("1.1", "Bored piles 钻孔灌注桩"),
            ("1.2", "Pile caps 承台"),
            ("2", "Superstructure 上部结构"),
            ("2.1", "Steel girders 钢箱梁"),
            ("2.2", "Deck 桥面"),
            ("3", "Finishing 附属工程"),
            ("3.1", "Corrosion protection 防腐涂装"),
            ("3.2", "Railings and lighting 护栏与照明"),
        ),
    ),
    Project(
        "P-003",
        "老城区管网改造 Old Town Pipe Renewal",
        "临江市老城区 Old Town, Linjiang",
        "pm2",
        date(2025, 2, 15),
        date(2026, 11, 30),
        Decimal("150000.00"),
        (
            ("1", "排水管道 Sewers"),
            ("1.1", "主管 Trunk sewers"),
            ("1.2", "检查井 Manholes"),
            ("2", "给水管道 Water mains"),
            ("2.1", "球墨铸铁管 Ductile iron mains"),
            ("2.2", "入户支管 House connections"),
            ("3", "路面恢复 Reinstatement"),
        ),
    ),
)

COST_CODES = (
    CostCode("5101", "人工费 Labor", CostType.LABOR),
    CostCode("5201", "主要材料费 Main materials", CostType.MATERIAL),
    CostCode("5202", "辅助材料费 Sundry materials", CostType.MATERIAL),
    CostCode("5301", "机械使用费 Plant and machinery", CostType.EQUIPMENT),
    CostCode("5401", "专业分包费 Specialist subcontract", CostType.SUBCONTRACT),
    CostCode("5402", "劳务分包费 Labor subcontract", CostType.SUBCONTRACT),
    CostCode("5901", "措施费 Preliminaries", CostType.OTHER),
)

ORGANIZATION_BY_CODE = {organization.code: organization for organization in ORGANIZATIONS}
PERSON_BY_USERNAME = {person.username: person for person in PEOPLE}
PROJECT_BY_CODE = {project.code: project for project in PROJECTS}
COST_CODE_BY_CODE = {code.code: code for code in COST_CODES}
