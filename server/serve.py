"""How does one process serve until it is told to stop?

Port, stores, schema, demo company, HTTP, and back in the opposite order. What is served is left to
`server.app`.
"""

import gc
import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from importlib import import_module
from threading import Thread
from types import FrameType, TracebackType
from typing import NoReturn, Self

import uvicorn
from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table
from starlette.types import ASGIApp

from server.settings import Settings
from server.stores import running_stores


class ServeError(Exception):
    """The server can't start; the message says what to change."""


class Steps:
    """Progress on the terminal: the step under way with a spinner, the finished ones with a tick."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._step = ""
        self._handling: BaseException | None = None

    def begin(self, step: str) -> None:
        """Tick off the step before and show this one."""
        # A step that begins in the middle of a new exception tidies up after it.
        handling = sys.exc_info()[1]
        self.finish(failed=handling is not self._handling)
        self._handling = handling
        self._step = step
        self._status = self._console.status(f"{step} …")
        self._status.start()

    def finish(self, *, failed: bool = False) -> None:
        """Tick off the step under way, if there is one."""
        if self._status is not None:
            self._status.stop()
            self._status = None
            self._console.print("[red]✗[/]" if failed else "[green]✓[/]", escape(self._step), highlight=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish(failed=error is not self._handling)


def serve(settings: Settings, console: Console) -> None:
    """Serve until SIGTERM or Ctrl-C; returns when requests under way are done and the stores have stopped.

    Raises `ServeError` when the port is taken or the application does not start, `StoreError` as
    `running_stores` and `reach_given_stores` do.
    """
    with (
        _bound_socket(settings) as listener,
        _stopping_signals(),
        suppress(KeyboardInterrupt),
        Steps(console) as steps,
    ):
        application = _importing("server.app")
        try:
            _serve_on_stores(settings, console, steps, listener, application)
        except Exception:
            # Whoever tells the error may import what it needs for that.
            application.join()
            raise


def _serve_on_stores(
    settings: Settings, console: Console, steps: Steps, listener: socket.socket, application: Thread
) -> None:
    """Serve once the stores run and the application is imported."""
    with running_stores(settings, steps.begin) as urls:
        application.join()
        # Imported late: a taken port or a wrong setting is told without waiting for them.
        from db.migrate import upgrade
        from server.app import create_app
        from server.demo import load_demo
        from server.store_probe import reach_given_stores

        reach_given_stores(settings, steps.begin)
        steps.begin("Bringing the database to the newest schema")
        upgrade(urls.database_url)
        if settings.demo:
            load_demo(urls.database_url, steps.begin)
        steps.begin("Starting the server")
        app = create_app(settings, urls)

        def announce() -> None:
            steps.finish()
            _print_welcome(settings, console)

        server = _Server(uvicorn_config(app, settings), announce, app.state.drain)
        server.run(sockets=[listener])
        if not server.started:
            raise ServeError("The server did not start; the log above says why.")


class _Server(uvicorn.Server):
    """uvicorn, saying when it is ready instead of printing its own banner."""

    def __init__(
        self, config: uvicorn.Config, on_started: Callable[[], None], drain: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(config)
        self._drain = drain
        self._on_started = on_started

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._drain()
        await super().shutdown(sockets=sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            set_aside_what_is_built()
            self._on_started()


def set_aside_what_is_built() -> None:
    """Spare the garbage collector what lives as long as the process: schema, rules and modules, some 200,000 objects.

    Looking through them again and again would take a seventh of a small request's time.
    """
    gc.collect()
    gc.freeze()


def uvicorn_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """Return how uvicorn serves the application, and whose word it takes for where a client is."""
    from server.direct_sending import DirectSocketProtocol
    from server.http_protocol import BoundedHeadProtocol

    return uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedHeadProtocol,
        ws=DirectSocketProtocol,
        ws_max_size=settings.max_body_bytes,
        # Messages are small: for each socket it would cost more memory than all else, and spare little.
        ws_per_message_deflate=False,
        # Clients are pinged by the GraphQL protocol's own message.
        ws_ping_interval=None,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # An address that a client wrote itself must not count as where the client is.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=_trusted(settings.trusted_proxies),
        timeout_graceful_shutdown=settings.shutdown_grace_seconds,
    )


def _trusted(networks: str) -> list[str]:
    """The networks, IPv4 ones also as IPv6 sockets see them (RFC 4291, section 2.5.5.2)."""
    trusted: list[str] = []
    for network in map(ipaddress.ip_network, filter(None, networks.split(","))):
        trusted.append(str(network))
        if isinstance(network, ipaddress.IPv4Network):
            trusted.append(f"::ffff:{network.network_address}/{96 + network.prefixlen}")
    return trusted


def _importing(module: str) -> Thread:
    """Import a module in a thread while the stores start: both take about a second, and they don't need each other.

    Nobody may import anything of it before the thread is joined: of modules that import each other in a circle, two
    threads can see each other's halves.
    """
    # A daemon, for a stop in the first second must not wait for an import.
    thread = Thread(target=_quietly_imported, args=(module,), name="import", daemon=True)
    thread.start()
    return thread


def _quietly_imported(module: str) -> None:
    # What can't be imported is told by whoever imports it in earnest.
    with suppress(Exception):
        import_module(module)


@contextmanager
def _bound_socket(settings: Settings) -> Generator[socket.socket]:
    """The port, taken before anything is started; nobody can connect until the server listens on it."""
    where = f"{settings.host}:{settings.port}"
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ServeError(f"EOMS_HOST {settings.host} is not an address of this machine: {error}") from error
    family, kind, protocol, _name, address = found[0]
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise ServeError(
                f"{where} can't be listened on: {os.strerror(error.errno or 0)}. "
                "Another EOMS may be running there. Choose another port with EOMS_PORT."
            ) from error
        yield listener


@contextmanager
def _stopping_signals() -> Generator[None]:
    """Turn the first SIGTERM, Ctrl-C or closed terminal into KeyboardInterrupt and ignore later ones.

    uvicorn puts its own handlers in place of these while it serves, and raises what it caught once more when
    it has finished what was under way.
    """
    stopping = (signal.SIGINT, signal.SIGTERM)

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        for kind in stopping:
            signal.signal(kind, signal.SIG_IGN)
        raise KeyboardInterrupt

    def hang_up(_number: int, _frame: FrameType | None) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    before = {kind: signal.signal(kind, stop) for kind in stopping}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, hang_up)
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _print_welcome(settings: Settings, console: Console) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    console.print()
    console.print("EOMS is ready at", f"http://{host}:{settings.port}/", style="bold", markup=False)
    if settings.demo:
        from server.demo import PASSWORD, PERSONAS

        table = Table()
        table.add_column("Sign in as")
        table.add_column("Role")
        for persona in PERSONAS:
            table.add_row(persona.username, persona.role)
        console.print(f"The demo company's personas, password {PASSWORD}:", highlight=False)
        console.print(table)
    console.print("Ctrl-C stops it.", style="dim")
