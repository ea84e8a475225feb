"""Engineering changes: drafts of BOM revisions that are released together."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "engineering_change",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "DRAFT", "REVIEW", "RELEASED", "REJECTED", name="changestate", native_enum=False, length=20
            ),
            nullable=False,
        ),
        sa.Column("submitted_by_id", sa.Uuid(), nullable=True),
        sa.Column("released_by_id", sa.Uuid(), nullable=True),
        sa.Column("edited_by_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["submitted_by_id"], ["app_user.id"], name=op.f("fk_engineering_change_submitted_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["released_by_id"], ["app_user.id"], name=op.f("fk_engineering_change_released_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["edited_by_id"], ["app_user.id"], name=op.f("fk_engineering_change_edited_by_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_engineering_change")),
        sa.UniqueConstraint("number", name=op.f("uq_engineering_change_number")),
    )
    op.create_table(
        "engineering_change_revision",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("change_id", sa.Uuid(), nullable=False),
        sa.Column("revision_id", sa.Uuid(), nullable=False),
        sa.Column("supersedes_id", sa.Uuid(), nullable=True),
        sa.Column("is_held", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["change_id"], ["engineering_change.id"], name=op.f("fk_engineering_change_revision_change_id")
        ),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["bom_revision.id"], name=op.f("fk_engineering_change_revision_revision_id")
        ),
        sa.ForeignKeyConstraint(
            ["supersedes_id"], ["bom_revision.id"], name=op.f("fk_engineering_change_revision_supersedes_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_engineering_change_revision")),
        sa.UniqueConstraint(
            "change_id", "revision_id", name=op.f("uq_engineering_change_revision_change_id_revision_id")
        ),
    )
    op.create_index(
        "uq_engineering_change_revision_held",
        "engineering_change_revision",
        ["revision_id"],
        unique=True,
        postgresql_where=sa.text("is_held"),
    )
    op.create_table(
        "engineering_change_number",
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("year", name=op.f("pk_engineering_change_number")),
    )
