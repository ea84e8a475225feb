"""What does `bomImport` take? A file, of which the input makes the command with the lines that it says."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import strawberry

from commands.boms.importing import ImportBom, ImportedLine, Unreadable
from commands.boms.lines import LINES_LIMIT, LineDraft, SubstituteDraft
from commands.boms.vocabulary import ItemName
from domain.errors import InvalidInput
from domain.unset import UNSET
from resolvers.relations import given
from schema.bom_inputs import ItemKeyInput
from schema.enums import FileFormat
from schema.inputs import CommandInput
from sheets.bom_lines import LineCells
from sheets.files import lines_of


@strawberry.input(
    description="Lets the BOM of an item have the lines of a file, in place of those of its newest draft."
)
class BomImportInput(CommandInput):
    """Input of `bomImport`."""

    item: ItemKeyInput = strawberry.field(description="What is made by it.")
    format: FileFormat = strawberry.field(description="What the file is written in.")
    content: str = strawberry.field(
        description=(
            "The file in base64, at most 700,000 bytes and 2,000 lines. Its first row names the columns: item 物料编码 and "
            "quantity 数量, and of the others those that it has: position 位置, unit 单位, fixed 固定, scrapPercent 损耗率, "
            "scrapRule 损耗规则, setupQuantity 准备量, orderMultiple 订货倍数, validFrom 生效日期, validTo 失效日期, "
            "consumable 耗材, substitutes 替代料 (one a line of the cell: factor, blank, item)."
        )
    )
    base_quantity: Decimal | None = strawberry.field(
        default=strawberry.UNSET,
        description="For how much the lines are given; as in the revision before, or 1, where nothing is said.",
    )
    expected_version: int | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "The version that was read of the newest draft, or of the newest revision where there is none; "
            "if it has moved on since, the answer is VersionConflict."
        ),
    )

    def command(self) -> ImportBom:
        """Return the command; reading the file may block for seconds."""
        base_quantity = given(self.base_quantity)
        # Any: the fields of a command are of various types.
        meant: dict[str, Any] = {
            "item": self.item.name(),
            "base_quantity": UNSET if base_quantity is None else base_quantity,
            "expected_version": given(self.expected_version),
            **self.common(),
        }
        try:
            read = lines_of(self.format, self.content, LINES_LIMIT)
        except InvalidInput as refusal:
            # Told by the command, which first asks whether the viewer may import at all.
            return ImportBom(
                lines=(), unreadable=Unreadable(code=refusal.code, message=refusal.message), **meant
            )
        return ImportBom(lines=tuple(map(_line, read.rows)), faults=tuple(read.faults), **meant)


def _line(cells: LineCells) -> ImportedLine:
    found = cells.values
    draft = LineDraft(
        position=found.get("position", UNSET),
        item=ItemName(code=found["item"]) if "item" in found else UNSET,
        quantity=found.get("quantity", UNSET),
        unit=found.get("unit", UNSET),
        fixed=found.get("fixed", UNSET),
        scrap_percent=found.get("scrapPercent", UNSET),
        scrap_rule=found.get("scrapRule", UNSET),
        setup_quantity=found.get("setupQuantity", UNSET),
        order_multiple=found.get("orderMultiple", UNSET),
        valid_from=found.get("validFrom", UNSET),
        valid_to=found.get("validTo", UNSET),
        consumable=found.get("consumable", UNSET),
        substitutes=tuple(
            SubstituteDraft(item=ItemName(code=each.item), factor=each.factor)
            for each in found.get("substitutes", ())
        ),
    )
    return ImportedLine(row=cells.number, draft=draft)
