"""What is stored? Every table of EOMS.

Rows are written by commands and read through masked selects; no relationship is mapped, so nothing can load
lazily. Times are UTC. Money is numeric in the project's currency.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    Enum,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from domain.events import Changes, Scalar
from domain.notifications import NotificationKind
from domain.order import OrderKind, OrderPriority, OrderState
from domain.parties import CostType, OrganizationKind

Json = dict[str, Scalar | None]
Answer = dict[str, str | None]
Amount = Numeric(18, 2)
Rate = Numeric(18, 4)


class Row(DeclarativeBase):
    """The base of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {
        datetime: DateTime(timezone=True),
        date: Date(),
        Decimal: Amount,
        str: Text(),
        UUID: Uuid(),
        bytes: LargeBinary(),
        Changes: JSONB(),
        Json: JSONB(),
        Answer: JSONB(),
        # Declared natively, so that the database sorts them by life cycle and urgency, not by the alphabet.
        OrderState: Enum(OrderState, name="order_state"),
        OrderPriority: Enum(OrderPriority, name="order_priority"),
        OrderKind: Enum(OrderKind, native_enum=False, length=20),
        OrganizationKind: Enum(OrganizationKind, native_enum=False, length=20),
        CostType: Enum(CostType, native_enum=False, length=20),
        NotificationKind: Enum(NotificationKind, native_enum=False, length=20),
    }


class Keyed(Row):
    """A row with a UUID of its own: everything that has an identity outside."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-1)


class OrganizationRow(Keyed):
    """A company: our own, a customer, a contractor or a supplier."""

    __tablename__ = "organization"

    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    kind: Mapped[OrganizationKind]
    bank_name: Mapped[str | None]
    bank_account: Mapped[str | None]


class UserRow(Keyed):
    """A person who can sign in."""

    __tablename__ = "app_user"

    username: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organization.id"), index=True)
    password_hash: Mapped[str]
    disabled_at: Mapped[datetime | None]
    version: Mapped[int]


class ProjectRow(Keyed):
    """A project 项目: the frame of orders, with its currency and the amount its managers may approve."""

    __tablename__ = "project"

    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    location: Mapped[str | None]
    currency: Mapped[str] = mapped_column(String(3))
    manager_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    approval_limit: Mapped[Decimal | None]


class MembershipRow(Keyed):
    """A role held by a user: in one project, or globally where `project_id` is null."""

    __tablename__ = "membership"
    __table_args__ = (
        UniqueConstraint("user_id", "role", "project_id", postgresql_nulls_not_distinct=True),
        Index("ix_membership_project_id", "project_id"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"))
    role: Mapped[str]
    project_id: Mapped[UUID | None] = mapped_column(ForeignKey("project.id"))


class WbsNodeRow(Keyed):
    """A node of a project's work breakdown structure 工作分解结构."""

    __tablename__ = "wbs_node"
    __table_args__ = (UniqueConstraint("project_id", "code"),)

    project_id: Mapped[UUID] = mapped_column(ForeignKey("project.id"))
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("wbs_node.id"), index=True)
    code: Mapped[str]
    name: Mapped[str]


class CostCodeRow(Keyed):
    """A cost code 费用科目 of the company."""

    __tablename__ = "cost_code"

    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    cost_type: Mapped[CostType]


class OrderRow(Keyed):
    """An engineering order 工程订单. `amount` is the sum of its lines, null while a price is missing.

    `bom_quantity` is how many base units it makes by `bom_revision_id` and `db.bom_tables.OrderBomPartRow`, as their lines
    are on `bom_frozen_on`.
    """

    __tablename__ = "engineering_order"
    __table_args__ = (
        CheckConstraint("amount >= 0", name="amount"),
        CheckConstraint("percent_complete BETWEEN 0 AND 100", name="percent"),
        CheckConstraint("planned_end >= planned_start", name="planned_dates"),
        CheckConstraint("bom_quantity > 0", name="bom_quantity"),
        CheckConstraint("num_nulls(bom_revision_id, bom_quantity, bom_frozen_on) IN (0, 3)", name="bom"),
        Index("ix_engineering_order_project_id_state", "project_id", "state"),
        Index("ix_engineering_order_contractor_id", "contractor_id", "id"),
        Index("ix_engineering_order_customer_id", "customer_id", "id"),
        Index("ix_engineering_order_updated_at", "updated_at", "id"),
        Index("ix_engineering_order_due_on", "due_on", "id"),
        Index("ix_engineering_order_project_id_id", "project_id", "id"),
    )

    number: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    description: Mapped[str | None]
    kind: Mapped[OrderKind]
    state: Mapped[OrderState]
    priority: Mapped[OrderPriority]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("project.id"))
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("organization.id"))
    contractor_id: Mapped[UUID | None] = mapped_column(ForeignKey("organization.id"))
    wbs_node_id: Mapped[UUID | None] = mapped_column(ForeignKey("wbs_node.id"))
    cost_code_id: Mapped[UUID | None] = mapped_column(ForeignKey("cost_code.id"))
    planned_start: Mapped[date | None]
    planned_end: Mapped[date | None]
    due_on: Mapped[date | None]
    actual_start: Mapped[date | None]
    actual_end: Mapped[date | None]
    currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[Decimal | None]
    percent_complete: Mapped[Decimal] = mapped_column(Numeric(5, 2))
    revision: Mapped[int] = mapped_column(SmallInteger)
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    submitted_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    edited_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    bom_revision_id: Mapped[UUID | None] = mapped_column(ForeignKey("bom_revision.id"), index=True)
    bom_quantity: Mapped[Decimal | None] = mapped_column(Rate)
    bom_frozen_on: Mapped[date | None]


class OrderLineRow(Keyed):
    """One line of an order; `position` is its number on paper, unique in the order."""

    __tablename__ = "order_line"
    __table_args__ = (
        UniqueConstraint("order_id", "position"),
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("done_quantity >= 0", name="done_quantity"),
        CheckConstraint("unit_price >= 0", name="unit_price"),
    )

    order_id: Mapped[UUID] = mapped_column(ForeignKey("engineering_order.id"))
    position: Mapped[int]
    item: Mapped[str | None]
    description: Mapped[str]
    quantity: Mapped[Decimal] = mapped_column(Rate)
    uom: Mapped[str]
    unit_price: Mapped[Decimal | None] = mapped_column(Rate)
    amount: Mapped[Decimal | None]
    done_quantity: Mapped[Decimal] = mapped_column(Rate)
    progress_at: Mapped[datetime | None]


class AssignmentRow(Keyed):
    """A person assigned to an order, with the task he has in it."""

    __tablename__ = "assignment"
    __table_args__ = (UniqueConstraint("order_id", "user_id"),)

    order_id: Mapped[UUID] = mapped_column(ForeignKey("engineering_order.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"), index=True)
    task: Mapped[str | None]
    assigned_at: Mapped[datetime]


class EventRow(Keyed):
    """One event: history, audit trail and outbox at once. Rows are only ever added; a trigger refuses the rest."""

    __tablename__ = "event"
    __table_args__ = (
        UniqueConstraint("aggregate_id", "version"),
        Index("ix_event_project_id", "project_id", "sequence"),
        Index("ix_event_actor_id", "actor_id", "sequence"),
        CheckConstraint("octet_length(hash) = 32", name="hash"),
    )

    sequence: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    aggregate_type: Mapped[str]
    aggregate_id: Mapped[UUID]
    version: Mapped[int]
    type: Mapped[str]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    actor_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    project_id: Mapped[UUID | None] = mapped_column(ForeignKey("project.id"))
    changes: Mapped[Changes]
    note: Mapped[str | None]
    details: Mapped[Json]
    request_id: Mapped[str | None]
    address: Mapped[str | None]
    previous_hash: Mapped[bytes]
    hash: Mapped[bytes]


class NotificationRow(Keyed):
    """That a person was told of an event because it concerns him, once for each."""

    __tablename__ = "notification"
    __table_args__ = (UniqueConstraint("event_id", "user_id"), Index(None, "user_id", "id"))

    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"))
    kind: Mapped[NotificationKind]
    event_id: Mapped[UUID] = mapped_column(ForeignKey("event.id"))
    order_id: Mapped[UUID] = mapped_column(ForeignKey("engineering_order.id"), index=True)
    created_at: Mapped[datetime]
    read_at: Mapped[datetime | None]


class SessionRow(Keyed):
    """A sign-in: the family of all refresh tokens that came from it."""

    __tablename__ = "session"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    address: Mapped[str | None]


class RefreshTokenRow(Row):
    """A refresh token by its SHA-256; used once, and a second use revokes the whole session."""

    __tablename__ = "refresh_token"

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("session.id"), index=True)
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class ApiClientRow(Keyed):
    """A program that calls the API: a frontend or a third party's. It acts through an account of its own, `user_id`.

    `scopes` bound which kinds of operation it may send, `may_send_text` says whether also unregistered documents.
    """

    __tablename__ = "api_client"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"), unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    may_send_text: Mapped[bool]
    version: Mapped[int]
    created_at: Mapped[datetime]


class ApiClientSecretRow(Keyed):
    """A secret of an API client by its SHA-256; two may be good at a time, so that one can follow the other."""

    __tablename__ = "api_client_secret"

    client_id: Mapped[UUID] = mapped_column(ForeignKey("api_client.id"), index=True)
    secret_hash: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class OrderNumberRow(Row):
    """The last order number given out in a year; locked while one is taken, so that numbers have no gaps."""

    __tablename__ = "order_number"

    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last: Mapped[int]


class IdempotencyRow(Row):
    """The first answer to a command that carried an idempotency key; keys belong to the person who sent them."""

    __tablename__ = "idempotency"
    __table_args__ = (Index("ix_idempotency_created_at", "created_at"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    input_hash: Mapped[bytes]
    answer: Mapped[Answer | None]
    created_at: Mapped[datetime]


class OutboxRow(Row):
    """An event that has no place in the total order yet; the relay empties this table."""

    __tablename__ = "event_outbox"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("event.id"), primary_key=True)


class FeedRow(Row):
    """The place of a committed event in the one total order: 1, 2, 3, … without gaps."""

    __tablename__ = "event_feed"

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_id: Mapped[UUID] = mapped_column(ForeignKey("event.id"), unique=True)
