"""Architectures side by side."""
