"""Operators as torch modules, slicing, assembly, extraction, supernet training rules, export formats."""

from __future__ import annotations

from .block import BlockModule
from .image_classifier import ImageClassifier
from .language_model import LanguageModel
from .parts import build_model
from .shapes import ImageShape, ModelShape, Shape
from .supernet import Supernet

__all__ = [
    "BlockModule",
    "ImageClassifier",
    "ImageShape",
    "LanguageModel",
    "ModelShape",
    "Shape",
    "Supernet",
    "build_model",
]
