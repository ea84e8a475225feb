"""Which company do tests of a protocol share? The one of the order tests, see tests/integration/conftest.py."""

from tests.integration.conftest import company, company_settings

__all__ = ["company", "company_settings"]
