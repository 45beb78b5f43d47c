"""Who may change something: whoever shows the token that the service printed. Looking needs none on this machine."""

from __future__ import annotations


class Refused(Exception):
    """The request may not change anything. The message is one line for the reader."""


class Access:
    """The right to launch, stop, delete, export and annotate. Without a token nobody has it."""

    def __init__(self, token: str | None = None) -> None:
        self._token = token

    @property
    def offered(self) -> bool:
        """Whether anybody may change anything: a service is behind this dashboard, and it has a token."""
        return self._token is not None

    def granted(self) -> bool:
        """Whether whoever sent the present request has shown the token."""
        return False

    def require(self) -> None:
        """Go on only where it is granted.

        Raises:
            Refused: with what is missing.
        """
        if not self.granted():
            raise Refused("this dashboard only shows; run frontier serve to change something from here")
