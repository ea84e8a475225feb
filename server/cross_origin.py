"""May a page of this origin read the answer? Starlette's CORS, asked only where a browser says where a page is from."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Message, Receive, Scope, Send


class CrossOrigin(CORSMiddleware):
    """The middleware; a request without `Origin` gets what Starlette gives it, with less work."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or any(name == b"origin" for name, _value in scope["headers"]):
            await super().__call__(scope, receive, send)
            return

        async def varied(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Caches have to know that the same answer would have other headers for a page.
                headers = message.setdefault("headers", [])
                if any(name == b"vary" for name, _value in headers):
                    MutableHeaders(raw=headers).add_vary_header("Origin")
                else:
                    headers.append((b"vary", b"Origin"))
            await send(message)

        await self.app(scope, receive, varied)
