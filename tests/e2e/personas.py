"""As whom can a script speak to a running server? The demo company's personas, signed in by password."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

PASSWORD = "demo-eoms"
PERSONAS = (
    "admin",
    "director",
    "finance",
    "auditor",
    "pm",
    "engineer",
    "buyer",
    "foreman",
    "worker",
    "contractor",
    "contractor2",
    "customer",
)

_SIGN_IN = """
mutation ($username: String!, $password: String!) {
  sessionCreate(input: {username: $username, password: $password}) { accessToken errors { code message } }
}
"""


class CannotSignInError(Exception):
    """The server does not know the demo company."""


@dataclass(frozen=True)
class Reply:
    """A GraphQL response: its text, its data (null where there is none), its codes, refusals among them."""

    text: str
    # Any: data holds what the document asked for.
    data: Any
    errors: Sequence[Mapping[str, Any]]

    @property
    def codes(self) -> list[str]:
        """Return the codes of the top-level errors."""
        return [error["extensions"]["code"] for error in self.errors]


class Personas:
    """Everybody's voice; `ask` speaks with one."""

    def __init__(self, url: str, *, answer_seconds: float = 30) -> None:
        self._client = httpx.Client(base_url=url, timeout=answer_seconds)
        self._tokens: dict[str, str] = {}

    def sign_in(self, *usernames: str) -> None:
        """Sign these in, all of them where none is named; raise `CannotSignInError`."""
        for username in usernames or PERSONAS:
            answer = self.ask(None, _SIGN_IN, username=username, password=PASSWORD).data["sessionCreate"]
            if answer["errors"]:
                raise CannotSignInError(f"{username} can't sign in: {answer['errors'][0]['message']}")
            self._tokens[username] = answer["accessToken"]

    def token(self, who: str) -> str:
        """Return the access token of somebody who is signed in."""
        return self._tokens[who]

    def ask(self, who: str | None, document: str, **variables: Any) -> Reply:
        """Send one operation as a persona, or as nobody."""
        headers = {"Authorization": f"Bearer {self._tokens[who]}"} if who else {}
        response = self._client.post(
            "/graphql", json={"query": document, "variables": variables}, headers=headers
        )
        content = response.json()
        return Reply(response.text, content.get("data"), content.get("errors", ()))

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()
