"""How does a browser get the explorer, and what may the page do there?

The files are built by `make explorer` from explorer/; docs/explorer.md says how, and why the policy below has the
exceptions that it has. Who signs in is the API's affair: nothing here is secret, and nothing here takes a token.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from db.engine import Database
from domain.errors import Unavailable
from server.demo import PASSWORD
from server.demo.company import PERSON_BY_USERNAME
from server.demo.offers import offered_personas

BUILT = Path(__file__).parents[1] / "explorer" / "dist"
"""Where `make explorer` puts the page."""

NOT_BUILT = (
    "The explorer is not built on this server; the API at /graphql works without it.\n"
    "To build it, run this in the folder of EOMS: make explorer\n"
)

_NONCE = "{{nonce}}"
_NONCE_BYTES = 16

_ASSET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""A file's name and nothing else: no folder, nothing hidden."""

_FOR_EVER = "public, max-age=31536000, immutable"

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), clipboard-write=(self)",
}

_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_PAGE = (
    f"{_NOTHING}; script-src 'self'; worker-src 'self'; connect-src 'self'; font-src 'self'; img-src 'self' data:; "
    "style-src-elem 'self' 'nonce-{nonce}'; style-src-attr 'unsafe-inline'"
)


class Explorer:
    """`/explorer`: the page, its files, and what the page has to know before anybody is signed in."""

    def __init__(self, database: Database, *, is_demo: bool, built: Path = BUILT) -> None:
        self._database = database
        self._is_demo = is_demo
        self._built = built

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes to it."""
        return (
            Route("/explorer", self.page, methods=["GET"]),
            Route("/explorer/", self.page, methods=["GET"]),
            Route("/explorer/session.json", self.session, methods=["GET"]),
            Route("/explorer/assets/{name}", self.asset, methods=["GET"]),
        )

    def page(self, _request: Request) -> Response:
        """Answer with the page, each time with another nonce; 503 where it isn't built."""
        try:
            page = (self._built / "index.html").read_text("utf-8")
        except FileNotFoundError:
            return PlainTextResponse(NOT_BUILT, 503, headers=_headers("no-store", _NOTHING))
        nonce = secrets.token_urlsafe(_NONCE_BYTES)
        return HTMLResponse(
            page.replace(_NONCE, nonce), headers=_headers("no-cache", _PAGE.format(nonce=nonce))
        )

    def asset(self, request: Request) -> Response:
        """Answer with a file that may be kept for ever, for its name says what is in it."""
        name: str = request.path_params["name"]
        path = self._built / "assets" / name
        if _ASSET.fullmatch(name) is None or not path.is_file():
            raise HTTPException(404, headers=_headers("no-store", _NOTHING))
        # A worker is under the policy of its own file, not of the page's.
        return FileResponse(path, headers=_headers(_FOR_EVER, f"{_NOTHING}; script-src 'self'"))

    async def session(self, _request: Request) -> Response:
        """Answer with whom a visitor may become with one click: `demo` is null outside a demo."""
        headers = _headers("no-store", _NOTHING)
        try:
            personas = await offered_personas(self._database) if self._is_demo else ()
        except Unavailable:
            return JSONResponse({"demo": None}, 503, headers={**headers, "Retry-After": "1"})
        offered = [
            {**persona._asdict(), "name": PERSON_BY_USERNAME[persona.username].name} for persona in personas
        ]
        demo = {"password": PASSWORD, "personas": offered} if offered else None
        return JSONResponse({"demo": demo}, headers=headers)


def _headers(cache_control: str, policy: str) -> dict[str, str]:
    return {**_HEADERS, "Cache-Control": cache_control, "Content-Security-Policy": policy}
