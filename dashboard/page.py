"""A page: what a module in pages/ gives to the shell."""

from __future__ import annotations

from dataclasses import dataclass

from dash.development.base_component import Component


@dataclass(frozen=True)
class Page:
    """A page: what it is called in the browser's tab, its content, and whether to ask again soon."""

    title: str
    content: Component
    retry: bool = False
