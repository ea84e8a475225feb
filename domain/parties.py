"""Who takes part, and how is cost sorted? The words for organizations and cost types."""

from __future__ import annotations

from enum import StrEnum


class OrganizationKind(StrEnum):
    """What an organization is to us."""

    OWN = "OWN"
    CUSTOMER = "CUSTOMER"
    CONTRACTOR = "CONTRACTOR"
    SUPPLIER = "SUPPLIER"


class CostType(StrEnum):
    """The five types that cost is planned and controlled by."""

    LABOR = "LABOR"
    MATERIAL = "MATERIAL"
    EQUIPMENT = "EQUIPMENT"
    SUBCONTRACT = "SUBCONTRACT"
    OTHER = "OTHER"
