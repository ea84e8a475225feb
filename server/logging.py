"""What does the process write to its log, and in which form?

structlog for our own messages; messages of libraries through the same processors. Everything goes to stderr,
which leaves stdout to the commands' answers. What is worth logging is left to the callers.
"""

import logging
import re
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from server.settings import Settings

HIDDEN = "[hidden]"
SECRET_NAME = re.compile(r"password|secret|token|authorization|cookie|credential", re.IGNORECASE)
URL_PASSWORD = re.compile(r"(://[^\s:/@]*:)[^\s@/]+@")

# Libraries that talk while nothing is wrong.
QUIET = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "casbin", "alembic", "asyncio")

CUT_OFF = "ASGI callable returned without completing response."
"""uvicorn's complaint about an event stream that is cut off, which is how its client learns that it shall come back."""


def configure_logging(settings: Settings) -> None:
    """Send the whole process's log to stderr, at the level and in the form that the settings ask for."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # As text and without local variables, which may hold what nobody should read.
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.getLogger("uvicorn.error").addFilter(_is_news)


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The message without the values of secret names and without the passwords of URLs."""
    return {name: _hidden(name, value) for name, value in event.items()}


def _is_news(record: logging.LogRecord) -> bool:
    return record.getMessage() != CUT_OFF


def _hidden(name: str, value: object) -> object:
    if SECRET_NAME.search(name):
        return HIDDEN
    return URL_PASSWORD.sub(rf"\1{HIDDEN}@", value) if isinstance(value, str) else value
