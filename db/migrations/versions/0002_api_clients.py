"""API clients with their secrets and registered documents; a client that loses something is told of like a person."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "api_client",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("may_send_text", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_api_client_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_client")),
        sa.UniqueConstraint("user_id", name=op.f("uq_api_client_user_id")),
    )
    op.create_table(
        "api_client_secret",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=True),
        sa.Column("revoked_at", _MOMENT, nullable=True),
        sa.Column("last_used_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["api_client.id"], name=op.f("fk_api_client_secret_client_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_client_secret")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_api_client_secret_secret_hash")),
    )
    op.create_index(op.f("ix_api_client_secret_client_id"), "api_client_secret", ["client_id"])
    op.create_table(
        "document",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_document")),
    )
    op.create_table(
        "client_document",
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("published_at", _MOMENT, nullable=False),
        sa.Column("retired_at", _MOMENT, nullable=True),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["api_client.id"], name=op.f("fk_client_document_client_id")),
        sa.ForeignKeyConstraint(["hash"], ["document.hash"], name=op.f("fk_client_document_hash")),
        sa.PrimaryKeyConstraint("client_id", "hash", name=op.f("pk_client_document")),
    )
    op.create_index("ix_client_document_hash", "client_document", ["hash"])
    for statement in _TRIGGERS:
        op.execute(statement)


# Calls are counted by updates all day long: only what changes a right is told.
_TRIGGERS = (
    """
    CREATE TRIGGER api_client_gone_tells_grants AFTER DELETE ON api_client
        FOR EACH ROW EXECUTE FUNCTION tell_grants_changed()
    """,
    """
    CREATE TRIGGER api_client_tells_grants AFTER UPDATE ON api_client
        FOR EACH ROW WHEN (OLD.scopes <> NEW.scopes OR OLD.may_send_text <> NEW.may_send_text)
        EXECUTE FUNCTION tell_grants_changed()
    """,
    """
    CREATE FUNCTION tell_secret_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('eoms_grants', (SELECT user_id FROM api_client WHERE id = OLD.client_id)::text);
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER api_client_secret_gone_tells_grants AFTER DELETE ON api_client_secret
        FOR EACH ROW EXECUTE FUNCTION tell_secret_changed()
    """,
    """
    CREATE TRIGGER api_client_secret_tells_grants AFTER UPDATE ON api_client_secret
        FOR EACH ROW WHEN (
            OLD.revoked_at IS DISTINCT FROM NEW.revoked_at OR OLD.expires_at IS DISTINCT FROM NEW.expires_at
        ) EXECUTE FUNCTION tell_secret_changed()
    """,
    """
    CREATE FUNCTION tell_document_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('eoms_documents', encode(COALESCE(NEW.hash, OLD.hash), 'hex'));
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER client_document_comes_or_goes AFTER INSERT OR DELETE ON client_document
        FOR EACH ROW EXECUTE FUNCTION tell_document_changed()
    """,
    """
    CREATE TRIGGER client_document_tells AFTER UPDATE ON client_document
        FOR EACH ROW WHEN (OLD.retired_at IS DISTINCT FROM NEW.retired_at)
        EXECUTE FUNCTION tell_document_changed()
    """,
)
