"""Who may change something: whoever shows the token that the service printed. Looking needs none on this machine."""

from __future__ import annotations

import hmac
import os
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from flask import has_request_context, request

from ...errors import InputError

TOKEN_VARIABLE = "FRONTIER_TOKEN"
LEAST_TOKEN = 16
SESSION_SECONDS = 12 * 3600


class Refused(Exception):
    """The request may not change anything. The message is one line for the reader."""


@dataclass(frozen=True)
class Session:
    """A browser that has shown the token.

    `secret` is for the server alone and known to the browser as a cookie no script can read; `csrf` is read by the
    page's own script and sent with each request; `ends_at` is in seconds of the monotonic clock.
    """

    secret: str
    csrf: str
    ends_at: float


class Access:
    """The right to launch, stop, delete, export and annotate. Without a token nobody has it.

    Sessions are kept in this process: they end with it, or after `SESSION_SECONDS`, or by logging out. The names of the
    cookies are this service's own, because browsers share cookies between the ports of a machine.

    Args:
        token: what has to be shown; None where nothing can be changed.
        chosen: it is one of the user's own, not made for this run.
    """

    def __init__(self, token: str | None = None, *, chosen: bool = False) -> None:
        self.token = token
        self.chosen = chosen
        own = secrets.token_hex(4)
        self.session_cookie = f"frontier_session_{own}"
        self.csrf_cookie = f"frontier_csrf_{own}"
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Access:
        """The access of a service: by the token in `FRONTIER_TOKEN`, or else by one that is made for this run.

        Raises:
            InputError: the token is so short that it could be guessed.
        """
        token = environment.get(TOKEN_VARIABLE)
        if not token:
            return cls(secrets.token_urlsafe(24))
        if len(token) < LEAST_TOKEN:
            raise InputError(f"{TOKEN_VARIABLE}: at least {LEAST_TOKEN} characters; got {len(token)}")
        return cls(token, chosen=True)

    @property
    def offered(self) -> bool:
        """Whether anybody may change anything: a service is behind this dashboard, and it has a token."""
        return self.token is not None

    def log_in(self, token: str) -> Session:
        """A new session for who shows the token.

        Raises:
            Refused: it is another one.
        """
        if self.token is None or not hmac.compare_digest(token.encode(), self.token.encode()):
            raise Refused("this is not the token that frontier serve printed")
        session = Session(secrets.token_urlsafe(32), secrets.token_urlsafe(32), time.monotonic() + SESSION_SECONDS)
        with self._lock:
            self._sessions = {key: old for key, old in self._sessions.items() if old.ends_at > time.monotonic()}
            self._sessions[session.secret] = session
        return session

    def log_out(self) -> None:
        """End the session of the present request, if there is one."""
        if session := self.session():
            with self._lock:
                self._sessions.pop(session.secret, None)

    def session(self) -> Session | None:
        """The session of the present request; None outside of one, and where it has ended."""
        if not has_request_context():
            return None
        found = self._sessions.get(request.cookies.get(self.session_cookie, ""))
        return found if found and found.ends_at > time.monotonic() else None

    def granted(self) -> bool:
        """Whether whoever sent the present request has shown the token."""
        return self.session() is not None

    def require(self) -> None:
        """Go on only where it is granted.

        Raises:
            Refused: with what is missing.
        """
        if self.granted():
            return
        if self.offered:
            raise Refused("to change something, log in with the token that frontier serve printed")
        raise Refused("this dashboard only shows; run frontier serve to change something from here")
