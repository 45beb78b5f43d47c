"""The app over HTTP: what it answers, what it refuses, and that it loads no more than it may."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from frontier.dashboard import create_app, serve
from frontier.errors import InputError

from .conftest import HOSTILE, HOSTILE_NAME, JOB


@pytest.fixture(scope="module")
def client(ledger_path: str) -> FlaskClient:
    return create_app(ledger_path).server.test_client()


def shown(client: FlaskClient, path: str, search: str = "") -> Any:
    """What the app puts on the page at an address."""
    outputs = (
        "..shell-page.children...shell-title.data...shell-clock.disabled...shell-shown.data...shell-notice.children.."
    )
    answer = client.post(
        "/_dash-update-component",
        json={
            "output": outputs,
            "outputs": [
                {"id": part.split(".")[0], "property": part.split(".")[1]} for part in outputs.strip(".").split("...")
            ],
            "inputs": [
                {"id": "shell-location", "property": "pathname", "value": path},
                {"id": "shell-location", "property": "search", "value": search},
                {"id": "shell-clock", "property": "n_intervals", "value": None},
            ],
            "state": [
                {"id": "shell-shown", "property": "data", "value": None},
                {"id": "shell-clock", "property": "disabled", "value": True},
            ],
            "changedPropIds": ["shell-location.pathname"],
        },
    )
    assert answer.status_code == 200
    return answer.get_json()["response"]


def test_the_shell_asks_nothing_of_another_machine(client: FlaskClient) -> None:
    index = client.get("/").get_data(as_text=True)
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//[^\"]*", index)
    for script in re.findall(r"src=\"([^\"]+)\"", index):
        with client.get(script) as answer:
            assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/", f"/job/{JOB}", f"/job/{HOSTILE}", "/job/nope", "/no/such/page"])
def test_every_address_answers_with_a_page(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 200
    response = shown(client, path)
    assert response["shell-page"]["children"]
    assert response["shell-clock"]["disabled"] is True


def test_a_name_is_sent_as_text(client: FlaskClient) -> None:
    response = shown(client, f"/job/{HOSTILE}")
    assert response["shell-title"]["data"] == HOSTILE_NAME
    assert "dangerously" not in json.dumps(response)


def test_a_stranger_by_another_name_gets_nothing(client: FlaskClient) -> None:
    assert client.get("/", headers={"Host": "rebound.example"}).status_code == 400
    assert client.get("/", headers={"Host": "127.0.0.1:8050"}).status_code == 200


def test_looking_writes_nothing(ledger_path: str, client: FlaskClient) -> None:
    before = Path(ledger_path).read_bytes()
    shown(client, "/")
    shown(client, f"/job/{JOB}")
    assert Path(ledger_path).read_bytes() == before


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org", ""])
def test_other_than_loopback_is_refused(ledger_path: str, host: str) -> None:
    with pytest.raises(InputError, match="this machine only"):
        serve(ledger_path, host=host, port=0)


def test_a_busy_port_is_refused_in_one_line(ledger_path: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError) as refused:
        serve(ledger_path, port=taken.getsockname()[1])
    assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match="0 to 65535"):
        serve(ledger_path, port=70000)


def test_the_room_loads_neither_torch_nor_ray_nor_names_sqlalchemy() -> None:
    program = (
        "import sys, frontier.dashboard; "
        "print([name for name in ('torch', 'ray', 'triton', 'optuna', 'playwright') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
    room = Path(create_app.__code__.co_filename).parent
    assert not [
        file for file in room.rglob("*.py") if re.search(r"^\s*(import|from) sqlalchemy", file.read_text(), re.M)
    ]
