"""Does the environment become settings, and is a wrong one refused in words a person can act on?"""

import re
import stat
import threading
from pathlib import Path

import pytest

from server.settings import Settings, SettingsError, load_settings, settings_table, token_secret


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DATABASE_URL", "DATABASE_READ_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EOMS_DATA_DIR", str(tmp_path / "data"))


def test_defaults_need_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EOMS_DATA_DIR")
    settings = load_settings()
    assert (settings.host, settings.port, settings.demo) == ("127.0.0.1", 8000, True)
    assert settings.data_dir == Path.cwd() / ".eoms"
    assert settings.database_url is None


def test_unknown_variable_is_refused_with_the_closest_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EOMS_PROT", "9000")
    with pytest.raises(SettingsError, match=r"EOMS_PROT is not a setting\. Did you mean EOMS_PORT\?"):
        load_settings()


def test_every_value_out_of_bounds_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EOMS_PORT", "70000")
    monkeypatch.setenv("EOMS_LOG_FORMAT", "xml")
    monkeypatch.setenv("DATABASE_URL", "mysql://somewhere/eoms")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert [line.split(":")[0] for line in str(refused.value).splitlines()] == [
        "EOMS_PORT",
        "DATABASE_URL",
        "EOMS_LOG_FORMAT",
    ]


def test_price_that_nobody_could_pay_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EOMS_RATE_POINTS", "1000")
    monkeypatch.setenv("EOMS_MAX_COST", "1001")
    with pytest.raises(SettingsError, match="EOMS_MAX_COST should be no more than EOMS_RATE_POINTS"):
        load_settings()
    monkeypatch.setenv("EOMS_MAX_COST", "1000")
    assert load_settings().max_cost == 1000


def test_short_token_secret_is_refused_without_repeating_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EOMS_TOKEN_SECRET", "hunter2")
    with pytest.raises(SettingsError, match=r"EOMS_TOKEN_SECRET: .*at least 32 characters") as refused:
        load_settings()
    assert "hunter2" not in repr(refused.value) + str(refused.value.__cause__)


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://u:p%40ss@db:5432/eoms", "postgresql+asyncpg://u:p%40ss@db:5432/eoms"),
        ("postgresql://db/eoms?sslmode=require", "postgresql+asyncpg://db/eoms?ssl=require"),
        ("postgresql+asyncpg://eoms@/eoms?host=/run/x", "postgresql+asyncpg://eoms@/eoms?host=/run/x"),
        ("postgresql:///eoms?host=/run/x", "postgresql+asyncpg:///eoms?host=/run/x"),
    ],
)
def test_database_url_is_spelled_for_asyncpg(monkeypatch: pytest.MonkeyPatch, given: str, used: str) -> None:
    monkeypatch.setenv("DATABASE_URL", given)
    assert load_settings().database_url == used


def test_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "")
    assert load_settings().redis_url is None


def test_random_secret_is_kept_private_and_stays_the_same() -> None:
    settings = load_settings()
    first = token_secret(settings)
    kept = settings.data_dir / "secret"
    assert len(first) == 32
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert token_secret(settings) == first
    assert [path.name for path in settings.data_dir.iterdir()] == ["secret"]


def test_processes_starting_together_agree_on_one_secret() -> None:
    settings = load_settings()
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(token_secret(settings))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_secret_that_others_may_read_is_refused() -> None:
    settings = load_settings()
    token_secret(settings)
    (settings.data_dir / "secret").chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        token_secret(settings)


def test_damaged_secret_is_refused() -> None:
    settings = load_settings()
    token_secret(settings)
    (settings.data_dir / "secret").write_text("")
    with pytest.raises(SettingsError, match="is damaged"):
        token_secret(settings)


def test_given_secret_is_used_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EOMS_TOKEN_SECRET", "s" * 32)
    settings = load_settings()
    assert token_secret(settings) == b"s" * 32
    assert "sss" not in repr(settings)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(Settings(), "port", 1)  # noqa: B010  (the type checker refuses the plain assignment)


def test_table_lists_every_setting_with_default_bounds_and_meaning() -> None:
    lines = settings_table().splitlines()
    assert len(lines) == 2 + len(Settings.model_fields)
    assert "| `EOMS_PORT` | `8000` | ≥ 1, ≤ 65535 | Port to listen on. |" in lines
    assert all(re.search(r"\| \S.*\S \|$", line) for line in lines[2:])
