"""Serving the dashboard on this machine."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from werkzeug.serving import WSGIRequestHandler, make_server

from ..errors import InputError
from .app import create_app


class QuietHandler(WSGIRequestHandler):
    """Answers without a line in the log for each request: a page polls every two seconds."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing; errors still go through `log_error`."""


def serve(database: str, host: str = "127.0.0.1", port: int = 8050, announce: Callable[[str], None] = print) -> None:
    """Serve the dashboard of the ledger at `database` until interrupted.

    Args:
        host: a loopback address: the dashboard asks nobody who they are, so it answers this machine only.
        port: 0 takes any free port.
        announce: is told the address once the server listens.

    Raises:
        InputError: the host is not a loopback address, or the port can't be had.
    """
    address = _loopback(host)
    with _listen(address, port) as listener:
        bound = listener.getsockname()[1]
        server = make_server(
            address,
            bound,
            create_app(database).server,
            threaded=True,
            request_handler=QuietHandler,
            fd=listener.fileno(),
        )
        announce(f"http://{f'[{address}]' if ':' in address else address}:{bound}")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            server.server_close()


@contextmanager
def served(database: str) -> Iterator[str]:
    """The dashboard beside what this process does, on a free port; gives the address and stops at the end."""
    server = make_server("127.0.0.1", 0, create_app(database).server, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, name="dashboard", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _loopback(host: str) -> str:
    name = "127.0.0.1" if host == "localhost" else host
    try:
        if ipaddress.ip_address(name).is_loopback:
            return name
    except ValueError:
        pass
    raise InputError(f"host: the dashboard serves this machine only (127.0.0.1, ::1 or localhost); got {host!r}")


def _listen(address: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise InputError(f"port: a number from 0 to 65535; got {port}")
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return socket.create_server((address, port), family=family)
    except OSError as error:
        raise InputError(f"port: {error.strerror or error}; got {port}") from None
