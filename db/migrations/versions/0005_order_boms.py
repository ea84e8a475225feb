"""BOMs of orders: the revision frozen into an order, how much of it, and by which revisions its parts are made."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_ORDER = "engineering_order"


def upgrade() -> None:
    op.add_column(_ORDER, sa.Column("bom_revision_id", sa.Uuid(), nullable=True))
    op.add_column(_ORDER, sa.Column("bom_quantity", sa.Numeric(18, 4), nullable=True))
    op.add_column(_ORDER, sa.Column("bom_frozen_on", sa.Date(), nullable=True))
    op.create_foreign_key(
        op.f("fk_engineering_order_bom_revision_id"), _ORDER, "bom_revision", ["bom_revision_id"], ["id"]
    )
    op.create_check_constraint(op.f("ck_engineering_order_bom_quantity"), _ORDER, "bom_quantity > 0")
    op.create_check_constraint(
        op.f("ck_engineering_order_bom"),
        _ORDER,
        "num_nulls(bom_revision_id, bom_quantity, bom_frozen_on) IN (0, 3)",
    )
    op.create_index(op.f("ix_engineering_order_bom_revision_id"), _ORDER, ["bom_revision_id"])
    op.create_table(
        "order_bom_part",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("revision_id", sa.Uuid(), nullable=False),
        sa.Column("is_phantom", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"], ["engineering_order.id"], name=op.f("fk_order_bom_part_order_id")
        ),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_order_bom_part_item_id")),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["bom_revision.id"], name=op.f("fk_order_bom_part_revision_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_bom_part")),
        sa.UniqueConstraint("order_id", "item_id", name=op.f("uq_order_bom_part_order_id_item_id")),
    )
    op.create_index(op.f("ix_order_bom_part_revision_id"), "order_bom_part", ["revision_id"])
