"""How does a scenario speak with the server as several people, and is every answer one that may be given?

Each answer goes through `answers.told`. What was said is kept, for a failure to show how it came about.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.e2e.personas import Personas
from tests.fuzz.answers import GRAPHQL_JSON, Told, told
from tests.fuzz.written import SCHEMA

# Any: variables and data are JSON.
Json = dict[str, Any]

_TOLD = 60
"""How many lines of a story are printed."""

_PARTY = "{ viewer { organization { id } } }"


class Voices:
    """Everybody's voice, on connections that stay open."""

    def __init__(self, url: str, personas: Personas) -> None:
        self._client = httpx.Client(base_url=url, timeout=60)
        self._personas = personas
        self._organizations: dict[str, str] = {}
        self.sent = 0
        self.story: list[str] = []

    def tell(self, who: str | None, document: str, **variables: Any) -> Told:
        """Send an operation as a persona, or as nobody; return what is told."""
        token = self._personas.token(who) if who else None
        self.story.append(f"# {who}")
        return told(self.post(token, document, **variables), GRAPHQL_JSON, document, SCHEMA)

    def ask(self, who: str, document: str, **variables: Any) -> Json:
        """Send an operation that has to be answered without an error; return its data."""
        answer = self.tell(who, document, **variables)
        assert answer.codes == [], f"{who}: {answer.codes}\n{document}\n{variables}"
        assert answer.data is not None
        return answer.data

    def post(self, bearer: str | None, document: str, **variables: Any) -> httpx.Response:
        """Send an operation with a token; return whatever comes back."""
        self.sent += 1
        self.story.append(f"{document}\n{variables}")
        headers = {"Accept": GRAPHQL_JSON} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
        response = self._client.post(
            "/graphql", json={"query": document, "variables": variables}, headers=headers
        )
        self.story.append(f"{response.status_code} {response.text[:1000]}")
        return response

    def organization(self, who: str) -> str:
        """Return the id of somebody's organization."""
        if who not in self._organizations:
            self._organizations[who] = self.ask(who, _PARTY)["viewer"]["organization"]["id"]
        return self._organizations[who]

    @contextmanager
    def telling(self) -> Generator[None]:
        """Print what was said lately where something fails."""
        try:
            yield
        except BaseException:
            sys.stdout.write("\n".join(self.story[-_TOLD:]))
            raise

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()
