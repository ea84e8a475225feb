"""Which enums does the API have? The domain's own, with a sentence for each value."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import strawberry
from strawberry.types.enum import has_enum_definition

from domain.bom import ItemKind, RevisionState, ScrapRule
from domain.bom_comparison import Difference
from domain.bom_impact import DemandChange
from domain.bom_replacement import ReplacementOutcome
from domain.engineering_change import ChangeState
from domain.notifications import NotificationKind
from domain.order import OrderKind, OrderPriority, OrderState
from domain.parties import CostType, OrganizationKind
from domain.recost import Cause, RunState
from loaders.orders import OrderSortField
from loaders.totals import OrderGrouping
from policies.roles import Role
from sheets.bom_lines import FileFormat

__all__ = [
    "BomDifference",
    "BomReplacementOutcome",
    "BomRevisionState",
    "CostType",
    "DemandChange",
    "EngineeringChangeState",
    "FileFormat",
    "ItemKind",
    "NotificationKind",
    "OrderGrouping",
    "OrderKind",
    "OrderPriority",
    "OrderSortField",
    "OrderState",
    "OrganizationKind",
    "RecostCause",
    "RecostState",
    "Role",
    "ScrapRule",
    "SortDirection",
]

BomDifference = Difference
BomReplacementOutcome = ReplacementOutcome
BomRevisionState = RevisionState
EngineeringChangeState = ChangeState
RecostCause = Cause
RecostState = RunState


class SortDirection(Enum):
    """Which way a list is sorted; nulls stand last both ways."""

    ASC = "asc"
    DESC = "desc"


def _described(
    enum: type[Enum], description: str, values: Mapping[str, str], *, name: str | None = None
) -> None:
    """Make a Python enum one of the API; every value has a description."""
    made = strawberry.enum(enum, name=name, description=description)
    assert has_enum_definition(made), "Strawberry leaves its definition on the enum"
    for value in made.__strawberry_definition__.values:
        value.description = values[value.name]


_described(
    OrderState,
    "Where an order stands in its life cycle 工程订单状态.",
    {
        "DRAFT": "Being written 草稿.",
        "SUBMITTED": "Waiting for approval 待审批.",
        "APPROVED": "Approved, not released yet 已批准.",
        "REJECTED": "Rejected; it returns to draft by revision 已驳回.",
        "RELEASED": "Released for work 已下达.",
        "IN_PROGRESS": "Work is going on 施工中.",
        "ON_HOLD": "Work is stopped for a while 暂停.",
        "COMPLETED": "All work is done 完工.",
        "ACCEPTED": "Inspected and accepted 验收.",
        "SETTLED": "Accounts are settled 结算.",
        "CANCELLED": "Given up before completion 已取消.",
    },
)
_described(
    OrderPriority,
    "How urgent an order is 优先级.",
    {
        "LOW": "Can wait 低.",
        "NORMAL": "As planned 普通.",
        "HIGH": "Before others 高.",
        "RUSH": "Inserted before all others 插单.",
    },
)
_described(
    OrderKind,
    "What sort of work an order is 工程类别.",
    {
        "CONSTRUCTION": "Building on site 施工.",
        "FABRICATION": "Making parts in a workshop 加工制作.",
        "INSTALLATION": "Installing equipment 安装.",
        "SERVICE": "Service such as survey or testing 服务.",
        "MAINTENANCE": "Keeping what is built in order 维护.",
    },
)
_described(
    OrganizationKind,
    "What an organization is to us.",
    {
        "OWN": "Our own company 本公司.",
        "CUSTOMER": "Orders work from us 业主.",
        "CONTRACTOR": "Works for us 施工方.",
        "SUPPLIER": "Delivers to us 供应商.",
    },
)
_described(
    CostType,
    "The type of a cost.",
    {
        "LABOR": "Labor 人工.",
        "MATERIAL": "Material 材料.",
        "EQUIPMENT": "Equipment 机械.",
        "SUBCONTRACT": "Subcontract 分包.",
        "OTHER": "Other 其他.",
    },
)
_described(
    Role,
    "A role, held globally or in a project.",
    {
        "ADMIN": "Users and memberships 管理员.",
        "DIRECTOR": "Reads everything, approves any amount 总监.",
        "FINANCE": "Reads all money, settles 财务.",
        "AUDITOR": "Reads everything, changes nothing 审计.",
        "PROJECT_MANAGER": "Leads a project 项目经理.",
        "ENGINEER": "Plans the work of a project, without prices 工程师.",
        "BUYER": "Buys for a project 采购员.",
        "FOREMAN": "Leads crews on site 班组长.",
        "WORKER": "Works on assigned orders 工人.",
        "CONTRACTOR": "Somebody of a contractor 施工方.",
        "CUSTOMER": "Somebody of a customer 业主.",
        "PARTNER": "A client program of a third party 第三方.",
    },
)
_described(
    NotificationKind,
    "Why somebody is told of an order.",
    {
        "ASSIGNED": "He was assigned to it 被指派.",
        "ACTION_REQUIRED": "He is one of those who can take it on from where it stands 待办.",
        "REFUSED": "What he submitted or edited last was rejected 被驳回.",
        "OVERDUE": "It is past its due date, and he is one of those who can complete it 逾期.",
    },
)
_described(
    ItemKind,
    "What an item is to the company 物料类型.",
    {
        "MATERIAL": "Bought and worked on 原材料.",
        "PART": "A part, bought or made 零件.",
        "ASSEMBLY": "Made of others 组件.",
        "PHANTOM": "Stands for its parts and is never stocked 虚拟件.",
        "SERVICE": "Done by somebody 服务.",
    },
)
_described(
    RevisionState,
    "Where a revision of a BOM stands.",
    {
        "DRAFT": "Being written 草稿.",
        "RELEASED": "In force 已发布.",
        "SUPERSEDED": "Replaced by a later revision 已被替代.",
        "OBSOLETE": "Not to be used any more 作废.",
    },
    name="BomRevisionState",
)
_described(
    Difference,
    "What became of a part of a BOM on the way from the left revision to the right one.",
    {
        "ADDED": "It is only on the right 新增.",
        "REMOVED": "It is only on the left 删除.",
        "CHANGED": "It is on both sides and differs 变更.",
    },
    name="BomDifference",
)
_described(
    ReplacementOutcome,
    "What a replacement of an item did with one BOM.",
    {
        "REPLACED": "It was replaced in a draft 已替换.",
        "UNCHANGED": "There was nothing to replace 无变化.",
        "REFUSED": "It could not be replaced, and nothing was changed 被拒绝.",
    },
    name="BomReplacementOutcome",
)
_described(
    ChangeState,
    "Where an engineering change stands 工程变更状态.",
    {
        "DRAFT": "Being put together 草稿.",
        "REVIEW": "Waiting for a decision; what it holds is not edited 评审中.",
        "RELEASED": "All that it held is released 已发布.",
        "REJECTED": "Refused for good 已驳回.",
    },
    name="EngineeringChangeState",
)
_described(
    RunState,
    "Where a run stands that computes costs.",
    {
        "COLLECTING": "It finds out what is concerned.",
        "RUNNING": "It computes, lowest level first.",
        "DONE": "Everything is computed.",
        "FAILED": "It was given up; what it has left is stale until the next run, which takes it over.",
    },
    name="RecostState",
)
_described(
    Cause,
    "Why costs are computed again.",
    {
        "PRICE": "The item's own cost or currency was changed.",
        "RELEASED": "A revision of its BOM was released.",
        "SUPERSEDED": "A revision of its BOM was replaced.",
        "DAY": "A day has come on which lines or revisions begin or end.",
        "MISSING": "They had never been computed.",
    },
    name="RecostCause",
)
_described(
    ScrapRule,
    "How scrap 损耗 makes a quantity larger.",
    {
        "ADD": "It is added: quantity × (1 + scrap).",
        "YIELD": "It is lost of what is taken: quantity ÷ (1 - scrap).",
    },
)
_described(
    FileFormat,
    "What a table is written in.",
    {
        "CSV": "Comma-separated values; also with semicolons or tabs, in UTF-8, UTF-16 or GB18030.",
        "XLSX": "A workbook of Excel, WPS and others; its first visible sheet counts.",
    },
)
_described(
    DemandChange,
    "What becomes of the demand of an item when an order is built by another BOM.",
    {
        "ADDED": "It was not needed before.",
        "REMOVED": "It is not needed any more.",
        "CHANGED": "More or less of it is needed.",
    },
)
_described(
    OrderSortField,
    "What a list of orders is sorted by; ties by id.",
    {
        "NUMBER": "Order number.",
        "CREATED_AT": "Moment of creation.",
        "UPDATED_AT": "Moment of the last change.",
        "DUE_ON": "Due date.",
        "PRIORITY": "Priority, least urgent first.",
        "AMOUNT": "Amount; hidden amounts count as null.",
        "STATE": "State, in the order of the life cycle.",
    },
)
_described(
    OrderGrouping,
    "What totals of orders are grouped by.",
    {
        "STATE": "State.",
        "PROJECT": "Project.",
        "CONTRACTOR": "Contractor.",
        "CUSTOMER": "Customer.",
        "PRIORITY": "Priority.",
        "MONTH": "Month of creation, as its first day, UTC.",
    },
)
_described(
    SortDirection,
    "Which way a list is sorted; nulls stand last both ways.",
    {"ASC": "Least first.", "DESC": "Greatest first."},
)
