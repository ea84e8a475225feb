"""Items and bills of materials: units, items, revisions with lines, substitutes, operations and co-products."""

from uuid import UUID, uuid5

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_MOMENT = sa.DateTime(timezone=True)
_RATE = sa.Numeric(18, 4)
_FACTOR = sa.Numeric(30, 12)

_UNITS = UUID("3c0f6b1e-6a0b-5a7e-9d5e-0d8f6b7c2a41")
"""The namespace of the units' ids: the same in every company."""

# Of each dimension its own unit first. Factors as in the International System of Units, 9th edition, and GB 3100-1993;
# a mu 亩 is 10,000/15 square metres, to 12 places.
_STANDARD_UNITS = [
    ("pcs", "piece 件", "count", "1"),
    ("set", "set 套", "set", "1"),
    ("roll", "roll 卷", "roll", "1"),
    ("sheet", "sheet 张", "sheet", "1"),
    ("kg", "kilogram 千克", "mass", "1"),
    ("g", "gram 克", "mass", "0.001"),
    ("t", "tonne 吨", "mass", "1000"),
    ("m", "metre 米", "length", "1"),
    ("mm", "millimetre 毫米", "length", "0.001"),
    ("cm", "centimetre 厘米", "length", "0.01"),
    ("km", "kilometre 千米", "length", "1000"),
    ("m²", "square metre 平方米", "area", "1"),
    ("mu", "mu 亩", "area", "666.666666666667"),
    ("ha", "hectare 公顷", "area", "10000"),
    ("m³", "cubic metre 立方米", "volume", "1"),
    ("L", "litre 升", "volume", "0.001"),
    ("h", "hour 小时", "time", "1"),
    ("d", "working day of eight hours 工日", "time", "8"),
    ("kWh", "kilowatt hour 千瓦时", "energy", "1"),
]


def upgrade() -> None:
    unit = op.create_table(
        "unit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("factor", _FACTOR, nullable=False),
        sa.CheckConstraint("factor > 0", name=op.f("ck_unit_factor")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit")),
        sa.UniqueConstraint("code", name=op.f("uq_unit_code")),
    )
    op.bulk_insert(
        unit,
        [
            {"id": uuid5(_UNITS, code), "code": code, "name": name, "dimension": dimension, "factor": factor}
            for code, name, dimension, factor in _STANDARD_UNITS
        ],
    )
    op.create_table(
        "item",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "MATERIAL",
                "PART",
                "ASSEMBLY",
                "PHANTOM",
                "SERVICE",
                name="itemkind",
                native_enum=False,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("standard_cost", _RATE, nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("lead_time_days", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.CheckConstraint("lead_time_days >= 0", name=op.f("ck_item_lead_time_days")),
        sa.CheckConstraint("standard_cost >= 0", name=op.f("ck_item_standard_cost")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_item_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item")),
        sa.UniqueConstraint("code", name=op.f("uq_item_code")),
    )
    op.create_table(
        "item_unit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("factor", _FACTOR, nullable=False),
        sa.CheckConstraint("factor > 0", name=op.f("ck_item_unit_factor")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_item_unit_item_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_item_unit_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item_unit")),
        sa.UniqueConstraint("item_id", "unit_id", name=op.f("uq_item_unit_item_id_unit_id")),
    )
    op.create_table(
        "bom",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_bom_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bom")),
        sa.UniqueConstraint("item_id", name=op.f("uq_bom_item_id")),
    )
    op.create_table(
        "bom_revision",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bom_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "DRAFT",
                "RELEASED",
                "SUPERSEDED",
                "OBSOLETE",
                name="revisionstate",
                native_enum=False,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("base_quantity", _RATE, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("checksum", sa.Text(), nullable=False),
        sa.Column("released_at", _MOMENT, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.CheckConstraint("base_quantity > 0", name=op.f("ck_bom_revision_base_quantity")),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_bom_revision_validity")),
        sa.ForeignKeyConstraint(["bom_id"], ["bom.id"], name=op.f("fk_bom_revision_bom_id")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_bom_revision_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bom_revision")),
        sa.UniqueConstraint("bom_id", "number", name=op.f("uq_bom_revision_bom_id_number")),
    )
    op.create_index("ix_bom_revision_item_id", "bom_revision", ["item_id", "number"], unique=False)
    op.create_table(
        "bom_line",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("revision_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", _RATE, nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("factor_numerator", sa.Numeric(), nullable=False),
        sa.Column("factor_denominator", sa.Numeric(), nullable=False),
        sa.Column("is_fixed", sa.Boolean(), nullable=False),
        sa.Column("scrap_percent", sa.Numeric(precision=5, scale=2), nullable=False),
        sa.Column(
            "scrap_rule",
            sa.Enum("ADD", "YIELD", name="scraprule", native_enum=False, length=20),
            nullable=False,
        ),
        sa.Column("setup_quantity", _RATE, nullable=False),
        sa.Column("order_multiple", _RATE, nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("is_consumable", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "factor_numerator > 0 AND factor_denominator > 0", name=op.f("ck_bom_line_factor")
        ),
        sa.CheckConstraint("order_multiple > 0", name=op.f("ck_bom_line_order_multiple")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_bom_line_quantity")),
        sa.CheckConstraint(
            "scrap_percent >= 0 AND scrap_percent < 100", name=op.f("ck_bom_line_scrap_percent")
        ),
        sa.CheckConstraint("setup_quantity >= 0", name=op.f("ck_bom_line_setup_quantity")),
        sa.CheckConstraint("valid_to > valid_from", name=op.f("ck_bom_line_validity")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_bom_line_item_id")),
        sa.ForeignKeyConstraint(["revision_id"], ["bom_revision.id"], name=op.f("fk_bom_line_revision_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_bom_line_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bom_line")),
    )
    op.create_index("ix_bom_line_item_id", "bom_line", ["item_id", "revision_id"], unique=False)
    op.create_index("ix_bom_line_revision_id_position", "bom_line", ["revision_id", "position"], unique=False)
    op.create_table(
        "bom_substitute",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("revision_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("factor", _FACTOR, nullable=False),
        sa.CheckConstraint("factor > 0", name=op.f("ck_bom_substitute_factor")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_bom_substitute_item_id")),
        sa.ForeignKeyConstraint(
            ["line_id"], ["bom_line.id"], name=op.f("fk_bom_substitute_line_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["bom_revision.id"], name=op.f("fk_bom_substitute_revision_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bom_substitute")),
        sa.UniqueConstraint("line_id", "priority", name=op.f("uq_bom_substitute_line_id_priority")),
    )
    op.create_index(op.f("ix_bom_substitute_item_id"), "bom_substitute", ["item_id"], unique=False)
    op.create_index(op.f("ix_bom_substitute_revision_id"), "bom_substitute", ["revision_id"])
    op.create_table(
        "bom_operation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("revision_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("minutes", _RATE, nullable=False),
        sa.Column("hourly_rate", _RATE, nullable=False),
        sa.CheckConstraint("hourly_rate >= 0", name=op.f("ck_bom_operation_hourly_rate")),
        sa.CheckConstraint("minutes >= 0", name=op.f("ck_bom_operation_minutes")),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["bom_revision.id"], name=op.f("fk_bom_operation_revision_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bom_operation")),
        sa.UniqueConstraint("revision_id", "position", name=op.f("uq_bom_operation_revision_id_position")),
    )
    op.create_table(
        "bom_co_product",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("revision_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", _RATE, nullable=False),
        sa.Column("cost_share_percent", sa.Numeric(precision=5, scale=2), nullable=False),
        sa.CheckConstraint(
            "cost_share_percent BETWEEN 0 AND 100", name=op.f("ck_bom_co_product_cost_share_percent")
        ),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_bom_co_product_quantity")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_bom_co_product_item_id")),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["bom_revision.id"], name=op.f("fk_bom_co_product_revision_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bom_co_product")),
        sa.UniqueConstraint("revision_id", "item_id", name=op.f("uq_bom_co_product_revision_id_item_id")),
    )
    op.create_index(op.f("ix_bom_co_product_item_id"), "bom_co_product", ["item_id"], unique=False)
