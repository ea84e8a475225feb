"""What may a setting of the environment look like, and how is it kept? Each raises ValueError saying what it should be."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import SecretStr

SECRET_BYTES = 32


def absolute(path: Path) -> Path:
    """Return a path from the root, with links as they are."""
    return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100  (resolve() would follow links)


def asyncpg_url(url: str) -> str:
    """The same database for SQLAlchemy with asyncpg, with libpq's `sslmode` under its name there."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql", "postgresql+asyncpg"}:
        raise ValueError("should start with postgresql://")
    query = [("ssl" if key == "sslmode" else key, value) for key, value in parse_qsl(parts.query)]
    rest = urlunsplit(("", parts.netloc, parts.path, urlencode(query, safe="/"), ""))
    # urlunsplit drops the slashes of an empty netloc, which a socket URL has.
    return f"postgresql+asyncpg:{rest if rest.startswith('//') else '//' + rest}"


def redis_server_url(url: str) -> str:
    """Return the URL of a Redis-protocol server."""
    if urlsplit(url).scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("should start with redis://, rediss:// or unix://")
    return url


def long_enough(secret: SecretStr) -> SecretStr:
    """Return a secret that has enough characters."""
    if len(secret.get_secret_value()) < SECRET_BYTES:
        raise ValueError(f"should have at least {SECRET_BYTES} characters")
    return secret


def known_time_zone(name: str) -> str:
    """Return a time zone's name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("should be a time zone's name such as Asia/Shanghai") from error
    return name


def networks(given: str) -> str:
    """Return addresses and networks, separated by commas."""
    networks = [each.strip() for each in given.split(",") if each.strip()]
    try:
        return ",".join(str(ipaddress.ip_network(each)) for each in networks)
    except ValueError as error:
        raise ValueError(
            "should be addresses such as 10.0.0.5, or networks such as 10.0.0.0/8 with nothing behind the prefix, "
            "separated by commas"
        ) from error
