"""How is a caller told what he may still ask for? In headers, and beside the data.

The headers are those of the IETF draft "RateLimit header fields for HTTP" (draft-ietf-httpapi-ratelimit-headers-10).
"""

from __future__ import annotations

import math
from typing import Any

from policies.allowance import Taken


def rate_limit_headers(taken: Taken) -> dict[str, str]:
    """Return the bucket's size and the seconds it takes to fill, and the points and seconds that are left."""
    window_seconds = math.ceil(taken.limit / taken.points_per_second)
    full_in_seconds = math.ceil((taken.limit - taken.remaining) / taken.points_per_second)
    return {
        "RateLimit-Policy": f'"points";q={taken.limit};w={window_seconds}',
        "RateLimit": f'"points";r={max(taken.remaining, 0)};t={full_in_seconds}',
    }


def cost_extension(taken: Taken, requested: int, actual: int) -> dict[str, Any]:
    """Return `extensions.cost`: points asked for, points used, points left now, points that come back in a second."""
    return {
        "requested": requested,
        "actual": actual,
        "remaining": min(taken.limit, taken.remaining + requested - actual),
        "restoreRate": taken.points_per_second,
    }
