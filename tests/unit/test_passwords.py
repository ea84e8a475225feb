"""How are passwords kept and checked?"""

import asyncio
import threading
from typing import Any, Literal

import pytest
from argon2 import PasswordHasher, extract_parameters
from structlog.testing import capture_logs

from domain.errors import InvalidInput, Unavailable
from policies.passwords import CHEAP_COST, PasswordCost, Passwords, checked_password

PASSWORD = "correct-horse 正确"


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(CHEAP_COST)


async def test_hash_is_argon2id_and_matches_only_its_password(passwords: Passwords) -> None:
    stored = await passwords.hash(PASSWORD)
    assert stored.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert PASSWORD not in stored
    assert await passwords.matches(PASSWORD, stored)
    assert not await passwords.matches(PASSWORD + " ", stored)
    assert not await passwords.matches("", stored)


async def test_same_password_hashes_differently_each_time(passwords: Passwords) -> None:
    assert await passwords.hash(PASSWORD) != await passwords.hash(PASSWORD)


async def test_composed_and_decomposed_letters_are_the_same_password(passwords: Passwords) -> None:
    stored = await passwords.hash("caf\u00e9-au-lait")
    assert await passwords.matches("cafe\u0301-au-lait", stored)


@pytest.mark.parametrize("password", [PASSWORD, "", "x" * 201, "\ud800" * 8])
async def test_nothing_matches_an_unknown_user(passwords: Passwords, password: str) -> None:
    assert not await passwords.matches(password, None)


async def test_impossible_password_matches_nobody(passwords: Passwords) -> None:
    stored = await passwords.hash("x" * 200)
    assert not await passwords.matches("x" * 201, stored)
    assert not await passwords.matches("\udfff" * 8, stored)


async def test_unknown_user_costs_as_much_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords(PasswordCost(passes=2, memory_kib=16_384, lanes=1))
    stored = await passwords.hash(PASSWORD)
    verified: list[str] = []

    class Watched(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002  # argon2's name
            verified.append(str(hash))
            return super().verify(hash, password)

    monkeypatch.setattr(passwords, "_hasher", Watched())
    for target in (stored, None):
        assert not await passwords.matches("wrong-password", target)
    assert [extract_parameters(each) for each in verified] == [extract_parameters(stored)] * 2


async def test_damaged_hash_matches_nothing_and_is_not_quoted(passwords: Passwords) -> None:
    for damaged in ("", "plain-text-password", "$argon2id$v=19$m=8,t=1,p=1$AAAA"):
        with capture_logs() as logs:
            assert not await passwords.matches(PASSWORD, damaged)
        assert [entry["log_level"] for entry in logs] == ["warning"]
        assert "plain-text-password" not in str(logs)


async def test_hash_of_another_cost_needs_rehash(passwords: Passwords) -> None:
    dearer = Passwords(PasswordCost(passes=2, memory_kib=8, lanes=1))
    stored = await passwords.hash(PASSWORD)
    assert not passwords.needs_rehash(stored)
    assert dearer.needs_rehash(stored)
    assert await dearer.matches(PASSWORD, stored)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("", "TOO_SHORT"),
        ("1234567", "TOO_SHORT"),
        ("x" * 201, "TOO_LONG"),
        ("password\n", "CONTROL_CHARACTER"),
        ("pass\x00word", "CONTROL_CHARACTER"),
        ("password\ud800", "CONTROL_CHARACTER"),
    ],
)
def test_unfit_password_is_refused(password: str, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked_password(password)
    assert (caught.value.code, caught.value.path) == (code, ("password",))
    assert not password or password not in caught.value.message


@pytest.mark.parametrize("password", ["12345678", "x" * 200, "正确的密码一二三"])
def test_fit_password_is_taken_as_it_is(password: str) -> None:
    assert checked_password(password) == password


class SlowHasher:
    """Counts how many hash at once, and waits until it may go on."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.may_go_on = threading.Event()
        self._lock = threading.Lock()

    def hash(self, _password: str) -> str:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        assert self.may_go_on.wait(10)
        with self._lock:
            self.running -= 1
        return "hash"


async def until_running(hasher: SlowHasher, count: int) -> None:
    async with asyncio.timeout(10):
        while hasher.running != count:
            await asyncio.sleep(0.001)


def slowed(monkeypatch: pytest.MonkeyPatch, **limits: Any) -> tuple[Passwords, SlowHasher]:
    passwords, hasher = Passwords(CHEAP_COST, **limits), SlowHasher()
    monkeypatch.setattr(passwords, "_hasher", hasher)
    return passwords, hasher


async def test_only_a_few_hash_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords, hasher = slowed(monkeypatch, concurrency=2)
    tasks = [asyncio.create_task(passwords.hash(PASSWORD)) for _ in range(6)]
    await until_running(hasher, 2)
    hasher.may_go_on.set()
    assert await asyncio.gather(*tasks) == ["hash"] * 6
    assert hasher.most == 2


async def test_caller_who_gives_up_keeps_his_turn_until_the_thread_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passwords, hasher = slowed(monkeypatch, concurrency=1)
    first = asyncio.create_task(passwords.hash(PASSWORD))
    await until_running(hasher, 1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    second = asyncio.create_task(passwords.hash(PASSWORD))
    await asyncio.sleep(0.05)
    assert hasher.running == 1
    hasher.may_go_on.set()
    assert await second == "hash"
    assert hasher.most == 1


async def test_crowd_past_the_queue_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords, hasher = slowed(monkeypatch, concurrency=1, waiting_limit=2)
    tasks = [asyncio.create_task(passwords.hash(PASSWORD)) for _ in range(3)]
    await until_running(hasher, 1)
    with pytest.raises(Unavailable) as caught:
        await passwords.hash(PASSWORD)
    assert caught.value.code == "UNAVAILABLE"
    hasher.may_go_on.set()
    assert await asyncio.gather(*tasks) == ["hash"] * 3
