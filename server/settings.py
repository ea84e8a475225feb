"""Which settings does this process run with, and what may each of them be?

Everything comes from the environment; there is no settings file. What a setting does is left to the modules
that take a `Settings`. The README's table is generated from the fields below (`settings_table`).
"""

import difflib
import os
import secrets
import stat
from pathlib import Path
from typing import Annotated, Literal, Self, get_args, get_origin

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, SettingsConfigDict

from server.setting_values import (
    SECRET_BYTES,
    absolute,
    asyncpg_url,
    known_time_zone,
    long_enough,
    networks,
    redis_server_url,
)

PREFIX = "EOMS_"


class SettingsError(Exception):
    """The environment asks for something this process can't be; the message names each variable."""


def _one_line(description: str) -> str:
    return " ".join(description.split())


DatabaseUrl = Annotated[str, AfterValidator(asyncpg_url)]


class Settings(BaseSettings):
    """What one process runs with; made by `load_settings`, or with keyword arguments in tests."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(default=8000, ge=1, le=65535, description="Port to listen on.")
    data_dir: Annotated[Path, AfterValidator(absolute)] = Field(
        default=Path(".eoms"),
        validate_default=True,
        description="Folder of the embedded stores, their logs and the token secret.",
    )
    database_url: DatabaseUrl | None = Field(
        default=None,
        validation_alias="DATABASE_URL",
        description="PostgreSQL 15 or newer; unset starts an embedded one.",
    )
    database_read_url: DatabaseUrl | None = Field(
        default=None,
        validation_alias="DATABASE_READ_URL",
        description="A replica for reads; unset reads from the primary.",
    )
    redis_url: Annotated[str, AfterValidator(redis_server_url)] | None = Field(
        default=None,
        validation_alias="REDIS_URL",
        description="Redis 7 or Valkey; unset starts an embedded Valkey.",
    )
    token_secret: Annotated[SecretStr, AfterValidator(long_enough)] | None = Field(
        default=None,
        description="Signs access tokens, at least 32 characters; unset keeps a random one there.",
    )
    demo: bool = Field(
        default=True, description="Whether `serve` loads the demo company into an empty database."
    )
    time_zone: Annotated[str, AfterValidator(known_time_zone)] = Field(
        default="Asia/Shanghai",
        description="The company's time zone: it says which day, and which year, it is.",
    )
    overdue_check_seconds: int = Field(
        default=300,
        ge=0,
        le=86_400,
        description="How often it is noted which orders have become overdue; 0 for never.",
    )
    recost_worker: bool = Field(
        default=True,
        description="Whether this process helps to keep the costs of what is made right; one at a time does.",
    )
    allowed_origins: str = Field(
        default="", description="Origins a browser may call from, separated by commas; none by default."
    )

    trusted_proxies: Annotated[str, AfterValidator(networks)] = Field(
        default="",
        description="Addresses or networks of proxies whose X-Forwarded-For is believed, separated by commas.",
    )

    access_token_minutes: int = Field(default=15, ge=1, le=1440, description="Life of an access token.")
    refresh_token_days: int = Field(default=30, ge=1, le=365, description="Life of a refresh token.")
    sign_in_attempts_per_account: int = Field(
        default=5, ge=1, le=1000, description="Failed sign-ins of one account before it must wait."
    )
    sign_in_attempts_per_address: int = Field(
        default=50, ge=1, le=100_000, description="Failed sign-ins from one address before it must wait."
    )
    sign_in_window_seconds: int = Field(
        default=900, ge=1, le=86_400, description="Time over which failed sign-ins are counted."
    )
    grants_cache_seconds: int = Field(
        default=60,
        ge=0,
        le=3600,
        description="Longest time that looked-up grants are believed without a change notice.",
    )
    grants_cache_size: int = Field(
        default=10_000, ge=1, le=1_000_000, description="Viewers whose grants are kept."
    )

    metrics_token: Annotated[SecretStr, AfterValidator(long_enough)] | None = Field(
        default=None,
        description="What Prometheus sends as bearer token, at least 32 characters; unset serves no /metrics.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe message that is logged."
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description="Log for people or for machines."
    )

    write_pool_size: int = Field(default=10, ge=1, le=200, description="Connections for commands.")
    read_pool_size: int = Field(
        default=10,
        ge=1,
        le=200,
        description="Connections for queries that are planned, and as many for those that are not.",
    )
    pool_timeout_seconds: float = Field(
        default=5, gt=0, le=60, description="Longest wait for a free connection."
    )
    statement_timeout_seconds: float = Field(default=10, gt=0, le=600, description="Longest SQL statement.")
    lock_timeout_seconds: float = Field(default=5, gt=0, le=60, description="Longest wait for a row lock.")
    connect_timeout_seconds: float = Field(
        default=3, gt=0, le=60, description="Longest wait for a store to answer."
    )

    max_body_bytes: int = Field(
        default=1_048_576, ge=1024, le=104_857_600, description="Largest request body or message."
    )
    max_page_size: int = Field(
        default=100, ge=1, le=1000, description="Most items that `first` or `last` may ask for."
    )
    max_document_characters: int = Field(
        default=65_536, ge=1024, le=1_048_576, description="Longest GraphQL document, in characters."
    )
    max_variable_values: int = Field(
        default=10_000, ge=100, le=1_000_000, description="Most values in an operation's variables."
    )
    max_document_tokens: int = Field(
        default=5000, ge=100, le=100_000, description="Longest GraphQL document, in tokens."
    )
    max_depth: int = Field(default=15, ge=1, le=100, description="Deepest nesting of a GraphQL document.")
    max_aliases: int = Field(default=100, ge=0, le=10_000, description="Most aliases in a GraphQL document.")
    max_root_fields: int = Field(
        default=20, ge=1, le=1000, description="Most fields at the root of an operation."
    )
    max_node_count: int = Field(
        default=50_000, ge=1, le=10_000_000, description="Most objects one answer may hold."
    )
    max_cost: int = Field(
        default=60_000, ge=100, le=10_000_000, description="Most points that one operation may cost."
    )
    rate_points: int = Field(
        default=100_000,
        ge=100,
        le=100_000_000,
        description="Points that a viewer or API client can spend at once.",
    )
    rate_points_per_second: int = Field(
        default=1000, ge=1, le=10_000_000, description="Points that everybody gets back in a second."
    )
    max_operation_seconds: float = Field(
        default=30, gt=0, le=600, description="Longest query or mutation, from its start to its answer."
    )
    planner: bool = Field(
        default=True,
        description="Whether a query is answered by one statement; without it every field is resolved in Python.",
    )
    slow_statement_seconds: float = Field(
        default=1,
        gt=0,
        le=600,
        description="From which time on an operation's planned statements are logged as slow.",
    )
    debug: bool = Field(
        default=False,
        description="Whether each answer tells how it was made, with SQL and times; not for production.",
    )
    max_body_seconds: float = Field(default=10, gt=0, le=600, description="Longest wait for a whole body.")
    max_streams_per_viewer: int = Field(
        default=50,
        ge=1,
        le=10_000,
        description="Most event streams (SSE) that one viewer has open in a process.",
    )
    automatic_document_hours: int = Field(
        default=24,
        ge=1,
        le=720,
        description="Life of an automatically registered document after its last use.",
    )
    max_automatic_documents: int = Field(
        default=200, ge=1, le=100_000, description="Most automatically registered documents of one person."
    )
    compress_from_bytes: int = Field(
        default=1024, ge=0, le=104_857_600, description="Smallest answer that is compressed."
    )
    max_operations_per_socket: int = Field(
        default=50, ge=1, le=10_000, description="Most operations open on one WebSocket."
    )
    max_sockets_per_viewer: int = Field(
        default=20, ge=1, le=10_000, description="Most WebSockets that one viewer has open in a process."
    )
    connection_init_seconds: float = Field(
        default=5, gt=0, le=60, description="Longest wait for a WebSocket's first message."
    )
    subscriber_queue_size: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="Messages waiting for one subscription before the newest of an order replaces those before it.",
    )
    resumable_events: int = Field(
        default=100_000,
        ge=0,
        le=100_000_000,
        description="How many events back a subscription can resume; one that was away longer has to read again.",
    )
    stream_max_entries: int = Field(
        default=100_000,
        ge=1000,
        le=10_000_000,
        description="Events kept in the stream for readers that lag behind.",
    )
    shutdown_grace_seconds: int = Field(
        default=10, ge=1, le=600, description="Time that requests under way get to finish at shutdown."
    )

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if self.max_cost > self.rate_points:
            raise ValueError(
                "EOMS_MAX_COST should be no more than EOMS_RATE_POINTS: nobody could ever pay it"
            )
        return self

    @property
    def origins(self) -> tuple[str, ...]:
        """The allowed origins in the order given."""
        return tuple(origin.strip() for origin in self.allowed_origins.split(",") if origin.strip())


def load_settings() -> Settings:
    """The settings of this process's environment.

    Raises `SettingsError` for a variable that starts with EOMS_ and is not known, and for every value that is
    out of bounds, all in one message that never repeats a value.
    """
    _refuse_unknown_variables()
    try:
        return Settings()
    except ValidationError as error:
        lines = [_told(item["loc"], item["msg"]) for item in error.errors()]
        raise SettingsError("\n".join(lines)) from error


def token_secret(settings: Settings) -> bytes:
    """The key that signs access tokens: the one given, or a random one kept in the data folder.

    Raises `SettingsError` when the kept one is damaged or readable by other users.
    """
    if settings.token_secret is not None:
        return settings.token_secret.get_secret_value().encode()
    path = settings.data_dir / "secret"
    if not path.exists():
        _keep_new_secret(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise SettingsError(f"{path} may be read by other users. Run: chmod 600 {path}")
    try:
        secret = bytes.fromhex(path.read_text().strip())
    except ValueError as error:
        raise SettingsError(f"{path} is damaged. Remove it; everyone has to sign in again.") from error
    if len(secret) != SECRET_BYTES:
        raise SettingsError(f"{path} is damaged. Remove it; everyone has to sign in again.")
    return secret


def settings_table() -> str:
    """A Markdown table of every setting: variable, default, bounds, meaning."""
    rows = ["| Variable | Default | Bounds | Meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in {None, PydanticUndefined, ""} else f"`{_spelled(field.default)}`"
        rows.append(
            f"| `{_variable(name)}` | {default} | {_bounds(field)} | {_one_line(field.description or '')} |"
        )
    return "\n".join(rows) + "\n"


def _variable(name: str) -> str:
    alias = Settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else PREFIX + name.upper()


def _told(location: tuple[int | str, ...], message: str) -> str:
    """What concerns several variables names them itself."""
    return f"{_variable_at(location)}: {message}" if location else message


def _variable_at(location: tuple[int | str, ...]) -> str:
    """pydantic names a field either by itself or by its alias, which already is the variable."""
    first = str(location[0]) if location else ""
    return _variable(first) if first in Settings.model_fields else first


def _refuse_unknown_variables() -> None:
    known = [_variable(name) for name in Settings.model_fields]
    problems: list[str] = []
    for given in sorted(os.environ):
        if given.upper().startswith(PREFIX) and given.upper() not in known:
            close = difflib.get_close_matches(given.upper(), known, n=1, cutoff=0.0)
            problems.append(f"{given} is not a setting. Did you mean {close[0]}?")
    if problems:
        raise SettingsError("\n".join(problems))


def _keep_new_secret(path: Path) -> None:
    """Two processes may start at once: both write a file of their own, and the first link wins for both."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".secret.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(SECRET_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        # The other process was first; its secret is read by both.
        pass
    finally:
        draft.unlink()


def _spelled(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def _bounds(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(field.annotation))
    found = {
        sign: getattr(item, name)
        for item in field.metadata
        for name, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"))
        if hasattr(item, name)
    }
    return ", ".join(f"{sign} {bound}" for sign, bound in found.items())
