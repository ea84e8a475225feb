"""What can happen to sessions when tokens are used, renewed, used again and given up, in any order?

The model is exact: a session lives from signing in until it is signed out or one of its spent refresh tokens comes back;
while it lives, every access token of it is good and its newest refresh token gives the next pair.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.e2e.personas import PASSWORD
from tests.fuzz.answers import GRAPHQL_JSON, codes_of, response_faults, told
from tests.fuzz.voices import Json, Voices
from tests.fuzz.written import SCHEMA

_TOKENS = "{ accessToken refreshToken expiresAt errors { code } }"
_SIGN_IN = (
    "mutation ($username: String!, $password: String!)"
    f" {{ it: sessionCreate(input: {{ username: $username, password: $password }}) {_TOKENS} }}"
)
_REFRESH = f"mutation ($token: String!) {{ it: sessionRefresh(input: {{ refreshToken: $token }}) {_TOKENS} }}"
_REVOKE = "mutation ($token: String) { it: sessionRevoke(input: { refreshToken: $token }) { revoked errors { code } } }"
_WHO = "{ viewer { user { username } } }"
_COUNT = st.integers(0, 1000)
_PEOPLE = st.sampled_from(("director", "pm", "contractor"))


@dataclass
class Session:
    """One session as it has to be."""

    username: str
    access: list[str]
    refresh: str
    spent: list[str] = field(default_factory=list[str])
    is_alive: bool = True


class SessionMachine(RuleBasedStateMachine):
    """One scenario: some people, each signed in any number of times; `voices` is set by whoever plays it."""

    voices: ClassVar[Voices]

    def __init__(self) -> None:
        super().__init__()
        self._sessions: list[Session] = []
        self.voices.story.clear()

    @initialize(username=_PEOPLE)
    def sign_in_first(self, username: str) -> None:
        """Begin with one session."""
        self._sign_in(username)

    @rule(username=_PEOPLE)
    def sign_in(self, username: str) -> None:
        """Sign in once more, elsewhere."""
        if len(self._sessions) < 3:
            self._sign_in(username)

    @rule(which=_COUNT)
    def refresh(self, which: int) -> None:
        """Take the next pair of tokens; a dead session gives none."""
        session = self._picked(which)
        answer = self._answer(None, _REFRESH, token=session.refresh)
        if session.is_alive:
            assert answer["errors"] == []
            session.spent.append(session.refresh)
            session.refresh = answer["refreshToken"]
            session.access.append(answer["accessToken"])
        else:
            _check_refused(answer)

    @rule(which=_COUNT, nth=_COUNT)
    def use_spent_token(self, which: int, nth: int) -> None:
        """Come with a refresh token that was used before: somebody has stolen it, so the session ends."""
        session = self._picked(which)
        if session.spent:
            _check_refused(self._answer(None, _REFRESH, token=session.spent[nth % len(session.spent)]))
            session.is_alive = False

    @rule(token=st.text(max_size=200))
    def use_no_token(self, token: str) -> None:
        """Come with any text in a refresh token's place."""
        _check_refused(self._answer(None, _REFRESH, token=token))

    @rule(which=_COUNT)
    def sign_out_with_refresh_token(self, which: int) -> None:
        """Sign out from anywhere; a session that has ended stays so."""
        session = self._picked(which)
        answer = self._answer(None, _REVOKE, token=session.refresh)
        assert answer["revoked"] == (answer["errors"] == [])
        assert answer["revoked"] or not session.is_alive
        session.is_alive = False

    @rule(which=_COUNT, nth=_COUNT)
    def sign_out(self, which: int, nth: int) -> None:
        """Sign out with an access token, which a dead session has none of."""
        session = self._picked(which)
        access = session.access[nth % len(session.access)]
        if session.is_alive:
            assert self._answer(access, _REVOKE, token=None) == {"revoked": True, "errors": []}
            session.is_alive = False
        else:
            self._check_turned_away(access, _REVOKE, token=None)

    @rule(which=_COUNT, nth=_COUNT)
    def use(self, which: int, nth: int) -> None:
        """Ask who one is, with any access token that was ever given."""
        session = self._picked(which)
        access = session.access[nth % len(session.access)]
        if session.is_alive:
            response = self.voices.post(access, _WHO)
            answer = told(response, GRAPHQL_JSON, _WHO, SCHEMA)
            assert answer.data == {"viewer": {"user": {"username": session.username}}}
        else:
            self._check_turned_away(access, _WHO)

    def _sign_in(self, username: str) -> None:
        answer = self._answer(None, _SIGN_IN, username=username, password=PASSWORD)
        assert answer["errors"] == []
        self._sessions.append(Session(username, [answer["accessToken"]], answer["refreshToken"]))

    def _picked(self, which: int) -> Session:
        return self._sessions[which % len(self._sessions)]

    def _answer(self, bearer: str | None, document: str, **variables: str | None) -> Json:
        response = self.voices.post(bearer, document, **variables)
        answer = told(response, GRAPHQL_JSON, document, SCHEMA)
        assert answer.codes == [], answer
        assert answer.data is not None
        found: Json = answer.data["it"]
        return found

    def _check_turned_away(self, bearer: str, document: str, **variables: str | None) -> None:
        response = self.voices.post(bearer, document, **variables)
        content = response.json()
        assert response_faults(content, {"UNAUTHENTICATED"}) == []
        assert (response.status_code, codes_of(content)) == (401, ["UNAUTHENTICATED"])


def _check_refused(answer: Json) -> None:
    assert answer == {
        "accessToken": None,
        "refreshToken": None,
        "expiresAt": None,
        "errors": [{"code": "INVALID_CREDENTIALS"}],
    }
