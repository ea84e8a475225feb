"""Which texts are ids of the API?"""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import MalformedRequest
from domain.identifiers import global_id, parse_global_id, parse_key

KEY = "0198c5f2-7a10-7000-8000-0123456789ab"


@given(st.from_regex(r"[A-Z][A-Za-z]{1,39}", fullmatch=True), st.uuids())
def test_every_global_id_is_read_as_what_it_was_made_of(type_name: str, key: UUID) -> None:
    assert parse_global_id(global_id(type_name, key)) == (type_name, key)
    assert parse_key(global_id(type_name, key), type_name) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Order",
        "Order:",
        f":{KEY}",
        KEY,
        f"order:{KEY}",
        f"Order:{KEY.upper()}",
        f"Order:{KEY} ",
        f"Order:{KEY}\n",
        f" Order:{KEY}",
        f"Order:{{{KEY}}}",
        f"Order:{KEY.replace('-', '')}",
        f"Order:{KEY[:-1]}",
        f"Order:{KEY}0",
        f"Ordér:{KEY}",
        f"{'O' * 41}:{KEY}",
        f"Order:{KEY[:-1]}\u0661",
        f"Order:{KEY[:-1]}\x00",
        f"Order:{KEY[:-1]}\ud800",
        "Order:" * 100_000,
    ],
)
def test_anything_else_is_a_malformed_id(text: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        parse_global_id(text)
    assert caught.value.code == "MALFORMED_ID"


def test_id_of_another_type_is_malformed_where_a_type_is_expected() -> None:
    with pytest.raises(MalformedRequest) as caught:
        parse_key(f"Project:{KEY}", "Order")
    assert caught.value.code == "MALFORMED_ID"
    assert KEY not in caught.value.message
