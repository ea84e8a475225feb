"""What do the arguments that many fields share mean? Said once, with their descriptions."""

from __future__ import annotations

from typing import Annotated

import strawberry

First = Annotated[
    int | None, strawberry.argument(description="Take this many rows from the start, at most 100.")
]
After = Annotated[str | None, strawberry.argument(description="Begin behind the row with this cursor.")]
Last = Annotated[
    int | None, strawberry.argument(description="Take this many rows from the end, at most 100.")
]
Before = Annotated[str | None, strawberry.argument(description="End before the row with this cursor.")]
GlobalId = Annotated[strawberry.ID, strawberry.argument(description="A global id.")]
OptionalGlobalId = Annotated[strawberry.ID | None, strawberry.argument(description="Its global id.")]
GlobalIds = Annotated[list[strawberry.ID], strawberry.argument(description="Global ids, at most 100.")]
Search = Annotated[
    str | None, strawberry.argument(description="A text to find, at most 100 characters, in any case.")
]
