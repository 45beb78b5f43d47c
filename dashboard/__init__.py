"""The Dash app: jobs, one job live, one architecture. It reads through db/ only; looking changes nothing."""

from __future__ import annotations

from .app import create_app
from .serving import serve

__all__ = ["create_app", "serve"]
