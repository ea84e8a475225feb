"""The first tables: parties, projects, orders, events, sessions; the log is append-only, changed grants are told at once."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "cost_code",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "cost_type",
            sa.Enum(
                "LABOR",
                "MATERIAL",
                "EQUIPMENT",
                "SUBCONTRACT",
                "OTHER",
                name="costtype",
                native_enum=False,
                length=20,
            ),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cost_code")),
        sa.UniqueConstraint("code", name=op.f("uq_cost_code_code")),
    )
    op.create_table(
        "order_number",
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("year", name=op.f("pk_order_number")),
    )
    op.create_table(
        "organization",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "OWN",
                "CUSTOMER",
                "CONTRACTOR",
                "SUPPLIER",
                name="organizationkind",
                native_enum=False,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("bank_name", sa.Text(), nullable=True),
        sa.Column("bank_account", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization")),
        sa.UniqueConstraint("code", name=op.f("uq_organization_code")),
    )
    op.create_table(
        "app_user",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_app_user_organization_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_user")),
        sa.UniqueConstraint("username", name=op.f("uq_app_user_username")),
    )
    op.create_index(op.f("ix_app_user_organization_id"), "app_user", ["organization_id"], unique=False)
    op.create_table(
        "idempotency",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("input_hash", sa.LargeBinary(), nullable=False),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_idempotency_user_id")),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_idempotency")),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"], unique=False)
    op.create_table(
        "project",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("manager_id", sa.Uuid(), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("approval_limit", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.ForeignKeyConstraint(["manager_id"], ["app_user.id"], name=op.f("fk_project_manager_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project")),
        sa.UniqueConstraint("code", name=op.f("uq_project_code")),
    )
    op.create_table(
        "session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_session_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session")),
    )
    op.create_index(op.f("ix_session_user_id"), "session", ["user_id"], unique=False)
    op.create_table(
        "event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("aggregate_type", sa.Text(), nullable=False),
        sa.Column("aggregate_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("project_id", sa.Uuid(), nullable=True),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("octet_length(hash) = 32", name=op.f("ck_event_hash")),
        sa.ForeignKeyConstraint(["actor_id"], ["app_user.id"], name=op.f("fk_event_actor_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_event_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sa.UniqueConstraint("aggregate_id", "version", name=op.f("uq_event_aggregate_id_version")),
        sa.UniqueConstraint("sequence", name=op.f("uq_event_sequence")),
    )
    op.create_index("ix_event_actor_id", "event", ["actor_id", "sequence"], unique=False)
    op.create_index("ix_event_project_id", "event", ["project_id", "sequence"], unique=False)
    op.create_table(
        "membership",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_membership_project_id")),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_membership_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership")),
        sa.UniqueConstraint(
            "user_id",
            "role",
            "project_id",
            name=op.f("uq_membership_user_id_role_project_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index("ix_membership_project_id", "membership", ["project_id"], unique=False)
    op.create_table(
        "refresh_token",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_refresh_token_session_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_refresh_token")),
    )
    op.create_index(op.f("ix_refresh_token_session_id"), "refresh_token", ["session_id"], unique=False)
    op.create_table(
        "wbs_node",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["wbs_node.id"], name=op.f("fk_wbs_node_parent_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_wbs_node_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wbs_node")),
        sa.UniqueConstraint("project_id", "code", name=op.f("uq_wbs_node_project_id_code")),
    )
    op.create_index(op.f("ix_wbs_node_parent_id"), "wbs_node", ["parent_id"], unique=False)
    op.create_table(
        "engineering_order",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column(
            "kind",
            sa.Enum(
                "CONSTRUCTION",
                "FABRICATION",
                "INSTALLATION",
                "SERVICE",
                "MAINTENANCE",
                name="orderkind",
                native_enum=False,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum(
                "DRAFT",
                "SUBMITTED",
                "APPROVED",
                "REJECTED",
                "RELEASED",
                "IN_PROGRESS",
                "ON_HOLD",
                "COMPLETED",
                "ACCEPTED",
                "SETTLED",
                "CANCELLED",
                name="order_state",
            ),
            nullable=False,
        ),
        sa.Column(
            "priority", sa.Enum("LOW", "NORMAL", "HIGH", "RUSH", name="order_priority"), nullable=False
        ),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("contractor_id", sa.Uuid(), nullable=True),
        sa.Column("wbs_node_id", sa.Uuid(), nullable=True),
        sa.Column("cost_code_id", sa.Uuid(), nullable=True),
        sa.Column("planned_start", sa.Date(), nullable=True),
        sa.Column("planned_end", sa.Date(), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("actual_start", sa.Date(), nullable=True),
        sa.Column("actual_end", sa.Date(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("percent_complete", sa.Numeric(precision=5, scale=2), nullable=False),
        sa.Column("revision", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_by_id", sa.Uuid(), nullable=True),
        sa.Column("edited_by_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_engineering_order_amount")),
        sa.CheckConstraint("percent_complete BETWEEN 0 AND 100", name=op.f("ck_engineering_order_percent")),
        sa.CheckConstraint("planned_end >= planned_start", name=op.f("ck_engineering_order_planned_dates")),
        sa.ForeignKeyConstraint(
            ["contractor_id"], ["organization.id"], name=op.f("fk_engineering_order_contractor_id")
        ),
        sa.ForeignKeyConstraint(
            ["cost_code_id"], ["cost_code.id"], name=op.f("fk_engineering_order_cost_code_id")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["organization.id"], name=op.f("fk_engineering_order_customer_id")
        ),
        sa.ForeignKeyConstraint(
            ["edited_by_id"], ["app_user.id"], name=op.f("fk_engineering_order_edited_by_id")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_engineering_order_project_id")),
        sa.ForeignKeyConstraint(
            ["submitted_by_id"], ["app_user.id"], name=op.f("fk_engineering_order_submitted_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["wbs_node_id"], ["wbs_node.id"], name=op.f("fk_engineering_order_wbs_node_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_engineering_order")),
        sa.UniqueConstraint("number", name=op.f("uq_engineering_order_number")),
    )
    op.create_index(
        "ix_engineering_order_contractor_id", "engineering_order", ["contractor_id", "id"], unique=False
    )
    op.create_index(
        "ix_engineering_order_customer_id", "engineering_order", ["customer_id", "id"], unique=False
    )
    op.create_index("ix_engineering_order_due_on", "engineering_order", ["due_on", "id"], unique=False)
    op.create_index(
        "ix_engineering_order_project_id_id", "engineering_order", ["project_id", "id"], unique=False
    )
    op.create_index(
        "ix_engineering_order_project_id_state", "engineering_order", ["project_id", "state"], unique=False
    )
    op.create_index(
        "ix_engineering_order_updated_at", "engineering_order", ["updated_at", "id"], unique=False
    )
    op.create_table(
        "event_feed",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_event_feed_event_id")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_event_feed")),
        sa.UniqueConstraint("event_id", name=op.f("uq_event_feed_event_id")),
    )
    op.create_table(
        "event_outbox",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_event_outbox_event_id")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_event_outbox")),
    )
    op.create_table(
        "assignment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("task", sa.Text(), nullable=True),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["engineering_order.id"], name=op.f("fk_assignment_order_id")),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_assignment_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment")),
        sa.UniqueConstraint("order_id", "user_id", name=op.f("uq_assignment_order_id_user_id")),
    )
    op.create_index(op.f("ix_assignment_user_id"), "assignment", ["user_id"], unique=False)
    op.create_table(
        "order_line",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("item", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("uom", sa.Text(), nullable=False),
        sa.Column("unit_price", sa.Numeric(precision=18, scale=4), nullable=True),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("done_quantity", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("progress_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("done_quantity >= 0", name=op.f("ck_order_line_done_quantity")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_order_line_quantity")),
        sa.CheckConstraint("unit_price >= 0", name=op.f("ck_order_line_unit_price")),
        sa.ForeignKeyConstraint(["order_id"], ["engineering_order.id"], name=op.f("fk_order_line_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_line")),
        sa.UniqueConstraint("order_id", "position", name=op.f("uq_order_line_order_id_position")),
    )
    for statement in _TRIGGERS:
        op.execute(statement)


_TRIGGERS = (
    # The log is evidence: not even a mistake of ours may change or remove what has happened.
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END $$
    """,
    """
    CREATE TRIGGER event_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON event
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    # Every process drops what it remembers of a user when this reaches it, which is when the change commits.
    """
    CREATE FUNCTION tell_grants_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        changed jsonb := to_jsonb(COALESCE(NEW, OLD));
    BEGIN
        PERFORM pg_notify('eoms_grants', COALESCE(changed->>'user_id', changed->>'id'));
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER app_user_gone_tells_grants AFTER DELETE ON app_user
        FOR EACH ROW EXECUTE FUNCTION tell_grants_changed()
    """,
    """
    CREATE TRIGGER session_gone_tells_grants AFTER DELETE ON session
        FOR EACH ROW EXECUTE FUNCTION tell_grants_changed()
    """,
    """
    CREATE TRIGGER membership_tells_grants AFTER INSERT OR UPDATE OR DELETE ON membership
        FOR EACH ROW EXECUTE FUNCTION tell_grants_changed()
    """,
    """
    CREATE TRIGGER app_user_tells_grants AFTER UPDATE ON app_user
        FOR EACH ROW WHEN (
            OLD.disabled_at IS DISTINCT FROM NEW.disabled_at OR OLD.organization_id <> NEW.organization_id
        ) EXECUTE FUNCTION tell_grants_changed()
    """,
    """
    CREATE TRIGGER session_tells_grants AFTER UPDATE ON session
        FOR EACH ROW WHEN (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at)
        EXECUTE FUNCTION tell_grants_changed()
    """,
)
