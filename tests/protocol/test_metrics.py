"""Who gets the numbers, and are they right?"""

from __future__ import annotations

from pydantic import SecretStr

from server.settings import Settings
from tests.api import Api, running_api

TOKEN = "prometheus-may-read-this-and-nobody-else"


async def test_without_a_token_there_are_no_metrics(api: Api) -> None:
    assert (await api.client.get("/metrics")).status_code == 404


async def test_operations_are_counted_by_kind_and_outcome(demo_settings: Settings) -> None:
    async with running_api(demo_settings.model_copy(update={"metrics_token": SecretStr(TOKEN)})) as api:
        for document, who in (
            ("{ viewer { user { id } } }", "pm"),
            ("{ viewer { user { id } } }", None),
            ("{ orders(first: 1) { nodes { id } } }", None),
            ("{ nothing }", "pm"),
            ("{", "pm"),
            ('mutation { sessionRefresh(input: {refreshToken: "x"}) { errors { code } } }', None),
        ):
            await api.ask(document, who)
        for wrong in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
            refused = await api.client.get("/metrics", headers=wrong)
            assert (refused.status_code, refused.text) == (401, "Unauthorized")
        response = await api.client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert response.headers["content-type"].startswith("text/plain; version=")
        counted = {line for line in response.text.splitlines() if line.startswith("eoms_operations_total{")}
        assert counted == {
            'eoms_operations_total{kind="query",outcome="ok"} 2.0',
            'eoms_operations_total{kind="query",outcome="UNAUTHENTICATED"} 1.0',
            'eoms_operations_total{kind="refused",outcome="GRAPHQL_VALIDATION_FAILED"} 1.0',
            'eoms_operations_total{kind="refused",outcome="GRAPHQL_PARSE_FAILED"} 1.0',
            'eoms_operations_total{kind="mutation",outcome="ok"} 1.0',
        }
        assert 'eoms_operation_seconds_count{kind="query"} 3.0' in response.text
        for gauge in ("eoms_sockets_open 0.0", "eoms_event_streams_open 0.0", "eoms_grants_heard 1.0"):
            assert gauge in response.text.splitlines()
        assert "director" not in response.text
