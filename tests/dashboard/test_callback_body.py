"""What the server takes for a callback's body: what Dash's own script sends, and nothing that only resembles it."""

from __future__ import annotations

from typing import Any

import pytest

from frontier.dashboard.access.callback_body import problem_with

PLACE = {"id": "page-slider", "property": "value"}
EVERY = {"id": '{"key":["ALL"],"type":"switch"}', "property": "value"}
CALLBACKS = {
    "page.children": {"callback": print, "inputs": [PLACE, EVERY], "state": []},
    "browser.children": {"inputs": [], "state": []},
}
SWITCHES = [{"id": {"type": "switch", "key": key}, "property": "value", "value": key} for key in "ab"]
GOOD: dict[str, Any] = {
    "output": "page.children",
    "outputs": {"id": "page", "property": "children"},
    "inputs": [{**PLACE, "value": 3}, SWITCHES],
    "state": [],
    "changedPropIds": ["page-slider.value"],
}


@pytest.mark.parametrize(
    "body",
    [
        GOOD,
        GOOD | {"inputs": [PLACE, []]},
        GOOD | {"inputs": [PLACE, SWITCHES[0]]},
        GOOD | {"outputs": [[GOOD["outputs"]] * 2, GOOD["outputs"]]},
        {key: value for key, value in GOOD.items() if key not in ("state", "changedPropIds")},
    ],
    ids=["all", "none-of-a-pattern", "one-of-a-pattern", "outputs-of-a-pattern", "defaults"],
)
def test_what_a_page_sends_is_taken(body: dict[str, Any]) -> None:
    assert problem_with(body, CALLBACKS) is None


@pytest.mark.parametrize(
    "change",
    [
        {"output": "browser.children", "inputs": []},
        {"inputs": [PLACE]},
        {"inputs": [SWITCHES, PLACE]},
        {"inputs": [{"id": "other", "property": "value"}, []]},
        {"inputs": [PLACE, [{"id": {"key": "a"}, "property": "children"}]]},
        {"inputs": [PLACE, [5]]},
        {"inputs": [[PLACE], []]},
        {"outputs": [5]},
        {"outputs": {"id": 5, "property": "children"}},
        {"state": None},
        {"changedPropIds": "page-slider.value"},
    ],
)
def test_what_no_page_sends_is_named_in_words_that_quote_nothing(change: dict[str, Any]) -> None:
    problem = problem_with(GOOD | change, CALLBACKS)
    assert problem is not None
    assert "\n" not in problem
    assert "other" not in problem
