"""What runs queued jobs and carries out commands: a controller, and the processes it has its work done in."""

from __future__ import annotations

from .beside import Beside
from .controller import Controller, Settings
from .places import Places

__all__ = ["Beside", "Controller", "Places", "Settings"]
