"""Which Redis database do a worker's tests have? One of its own, empty when it is given out.

What people have left of their points is kept there, so that tests which spend a lot leave nothing for others otherwise.
"""

from __future__ import annotations

import os

import redis

from server.stores import StoreUrls

_WORKER_VARIABLE = "PYTEST_XDIST_WORKER"


def worker_name() -> str:
    """Return what names this worker, gw0 where there is only this process."""
    return os.environ.get(_WORKER_VARIABLE, "gw0")


def emptied_redis(stores: StoreUrls) -> str:
    """Return the URL of the worker's Redis database, with nothing in it."""
    url = f"{stores.redis_url}?db={worker_name().removeprefix('gw')}"
    # redis-py leaves the types of its keyword arguments open.
    with redis.Redis.from_url(url) as client:  # pyright: ignore[reportUnknownMemberType]
        client.flushdb()  # pyright: ignore[reportUnknownMemberType]
    return url
