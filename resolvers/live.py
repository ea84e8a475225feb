"""How are subscriptions resolved? Their arguments make a question; who asks it is told by `subscriptions.hub`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any

from loaders.followed import FollowQuestion


class Followed(AsyncIterable[Any]):
    """What a subscription asks for; whoever looks for its events here finds none, for they come by the hub."""

    def __init__(self, question: FollowQuestion) -> None:
        self.question = question

    async def __aiter__(self) -> AsyncGenerator[Any]:
        for nothing in ():
            yield nothing
