"""Operators as torch modules, slicing, assembly, extraction, supernet training rules, export formats."""

from __future__ import annotations

from .block import BlockModule
from .language_model import LanguageModel, ModelShape
from .supernet import Supernet

__all__ = ["BlockModule", "LanguageModel", "ModelShape", "Supernet"]
