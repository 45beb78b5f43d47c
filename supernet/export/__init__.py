"""Export formats: how a chosen architecture leaves as a model that runs without us."""

from __future__ import annotations

from .pytorch import Exported, export_pytorch

__all__ = ["Exported", "export_pytorch"]
