"""Frontier: a neural architecture search service."""

__version__ = "0.1.0"
