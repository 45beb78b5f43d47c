"""Serving the dashboard: to this machine, or by a token to others."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from werkzeug.serving import WSGIRequestHandler, make_server

from ..errors import InputError
from .access.access import TOKEN_VARIABLE, Access
from .app import LOCAL_NAMES, create_app

log = logging.getLogger(__name__)


class QuietHandler(WSGIRequestHandler):
    """Answers without a line in the log for each request: a page polls every two seconds."""

    # A connection that says nothing for so many seconds is closed, or it would hold its thread for good.
    timeout = 60

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing; errors still go through `log_error`."""


def serve(
    database: str,
    host: str = "127.0.0.1",
    port: int = 8050,
    announce: Callable[[str], None] = print,
    access: Access | None = None,
    exports: Path | None = None,
) -> None:
    """Serve the dashboard of the ledger at `database` until interrupted.

    Args:
        host: a loopback address; with a token of the user's own, any other too, and then looking needs that token.
        port: 0 takes any free port.
        announce: is told the address once the server listens.
        access: who may change things; None lets nobody.
        exports: the folder that downloads come from.

    Raises:
        InputError: the host needs a token, or the address can't be had.
    """
    local = _is_loopback(host)
    if not local and not (access and access.offered and access.chosen):
        raise InputError(
            f"host: this machine only (127.0.0.1, ::1 or localhost), or with frontier serve and a token of your own in "
            f"{TOKEN_VARIABLE} any other; got {host!r}"
        )
    if not local:
        log.warning("serving %s without encryption: put a proxy with TLS before it", host)
    address = "127.0.0.1" if host == "localhost" else host
    with _listen(address, port) as listener:
        bound = listener.getsockname()[1]
        server = make_server(
            address,
            bound,
            create_app(database, access, exports, names_of(host), open_reading=local).server,
            threaded=True,
            request_handler=QuietHandler,
            fd=listener.fileno(),
        )
        announce(f"http://{_in_address(address)}:{bound}")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            server.server_close()


@contextmanager
def served(database: str, access: Access | None = None, exports: Path | None = None) -> Iterator[str]:
    """The dashboard beside what this process does, on a free port; gives the address and stops at the end."""
    app = create_app(database, access, exports)
    server = make_server("127.0.0.1", 0, app.server, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, name="dashboard", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def names_of(host: str) -> Sequence[str] | None:
    """The names that a dashboard at `host` may be asked for by; None: any.

    Any name is right where it listens at every address: nothing is shown without the login there, and the cookie that
    proves it goes only to the name it was given under.
    """
    address = _address(host)
    if host == "" or (address and address.is_unspecified):
        return None
    return LOCAL_NAMES if _is_loopback(host) else (*LOCAL_NAMES, _in_address(host))


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _listen(address: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise InputError(f"port: a number from 0 to 65535; got {port}")
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return socket.create_server((address, port), family=family)
    except socket.gaierror as error:
        raise InputError(f"host: an address of this machine; got {address!r}: {error.strerror}") from None
    except OSError as error:
        raise InputError(f"port: {error.strerror or error}; got {port}") from None
