"""Who may change things: what the server refuses over HTTP, what it says of it, and that it goes on."""

from __future__ import annotations

import http.client
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dash import Dash
from flask.testing import FlaskClient

from frontier.dashboard import create_app, serve
from frontier.dashboard.access.access import TOKEN_VARIABLE, Access
from frontier.dashboard.access.gate import CSRF_HEADER, MOST_BODY_BYTES
from frontier.dashboard.serving import names_of, served
from frontier.db import open_ledger
from frontier.errors import InputError

from .callbacks import PATH, callback_body

TOKEN = "a-token-of-some-length"
STRANGERS = [
    {"Origin": "https://evil.example"},
    {"Origin": "http://127.0.0.1:9999"},
    {"Origin": "null"},
    {"Origin": "http://["},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = str(tmp_path / "frontier.db")
    open_ledger(path).close()
    return path


@pytest.fixture
def access() -> Access:
    return Access(TOKEN)


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    folder = tmp_path / "exports"
    folder.mkdir()
    return folder


@pytest.fixture
def app(database: str, access: Access, exports: Path) -> Dash:
    return create_app(database, access, exports)


@pytest.fixture
def client(app: Dash) -> FlaskClient:
    return app.server.test_client()


@pytest.fixture
def refusals(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What the log said of refusals, each a line."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())
            assert record.exc_info is None
            assert "\n" not in record.getMessage()

    handler = Keep(logging.WARNING)
    logging.getLogger("frontier.dashboard").addHandler(handler)
    yield lines
    logging.getLogger("frontier.dashboard").removeHandler(handler)


def log_in(client: FlaskClient, access: Access) -> dict[str, str]:
    """Show the token as the form does; gives the header that the page sends from then on."""
    assert client.post("/login", data={"token": TOKEN, "next": "/new"}).status_code == 303
    cookie = client.get_cookie(access.csrf_cookie)
    assert cookie is not None
    return {CSRF_HEADER: cookie.value}


def launching(app: Dash) -> dict[str, Any]:
    """The body by which the page launches a search."""
    values = {"new-search-launch.n_clicks": 1, "new-search-file.data": "name: asked\n"}
    return callback_body(app, "new-search-launch-id.data", values, "new-search-launch.n_clicks")


def asked(database: str) -> list[str]:
    with open_ledger(database, read_only=True) as ledger:
        return [arguments["job_file"] for arguments in ledger.commands()["arguments"]]


def test_without_the_token_nothing_is_launched(
    app: Dash, client: FlaskClient, database: str, refusals: list[str]
) -> None:
    answer = client.post(PATH, json=launching(app))
    assert answer.status_code == 200
    assert "Nothing was changed" in answer.get_data(as_text=True)
    assert asked(database) == []
    assert len(refusals) == 1
    assert refusals[0].startswith("refused a change of 127.0.0.1")


def test_with_the_token_it_is(app: Dash, client: FlaskClient, access: Access, database: str) -> None:
    answer = client.post(PATH, json=launching(app), headers=log_in(client, access))
    assert answer.status_code == 200
    assert asked(database) == ["name: asked\n"]


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", "ünïcode"])
def test_a_wrong_token_opens_nothing(client: FlaskClient, access: Access, refusals: list[str], token: str) -> None:
    answer = client.post("/login", data={"token": token})
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers
    assert "did not match" in answer.get_data(as_text=True)
    assert len(refusals) == 1
    assert not token or token not in refusals[0]


def test_an_address_opens_nothing(client: FlaskClient) -> None:
    answer = client.get(f"/login?token={TOKEN}")
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert TOKEN not in answer.get_data(as_text=True)


def test_the_cookies_are_hidden_from_scripts_and_other_sites_and_end(client: FlaskClient, access: Access) -> None:
    cookies = client.post("/login", data={"token": TOKEN}).headers.getlist("Set-Cookie")
    session = next(cookie for cookie in cookies if cookie.startswith(access.session_cookie))
    csrf = next(cookie for cookie in cookies if cookie.startswith(access.csrf_cookie))
    assert "HttpOnly" in session
    assert "HttpOnly" not in csrf
    assert all("SameSite=Strict" in cookie and "Max-Age=43200" in cookie for cookie in (session, csrf))
    assert all(TOKEN not in cookie for cookie in cookies)


@pytest.mark.parametrize("header", [None, "", "wrong"])
def test_a_session_without_the_pages_own_mark_is_refused(
    app: Dash, client: FlaskClient, access: Access, database: str, refusals: list[str], header: str | None
) -> None:
    log_in(client, access)
    headers = {} if header is None else {CSRF_HEADER: header}
    assert client.post(PATH, json=launching(app), headers=headers).status_code == 403
    assert client.post("/logout", data={} if header is None else {"csrf": header}).status_code == 403
    assert asked(database) == []
    assert len(refusals) == 2


@pytest.mark.parametrize("headers", STRANGERS, ids=lambda headers: "-".join(headers.values()))
def test_what_another_site_sends_is_refused(
    app: Dash, client: FlaskClient, access: Access, database: str, refusals: list[str], headers: dict[str, str]
) -> None:
    mark = log_in(client, access)
    assert client.post(PATH, json=launching(app), headers=headers | mark).status_code == 403
    assert client.post("/login", data={"token": TOKEN}, headers=headers | mark).status_code == 403
    assert client.post("/logout", data={"csrf": mark[CSRF_HEADER]}, headers=headers).status_code == 403
    assert asked(database) == []
    assert len(refusals) == 3
    own = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert client.post(PATH, json=launching(app), headers=own | mark).status_code == 200


def test_logging_out_ends_the_session_for_who_kept_its_cookie(
    app: Dash, client: FlaskClient, access: Access, database: str
) -> None:
    mark = log_in(client, access)
    kept = client.get_cookie(access.session_cookie)
    assert kept is not None
    assert client.post("/logout", data={"csrf": mark[CSRF_HEADER]}).status_code == 303
    assert client.get_cookie(access.session_cookie) is None
    client.set_cookie(access.session_cookie, kept.value)
    client.post(PATH, json=launching(app), headers=mark)
    assert asked(database) == []


def test_a_session_ends_by_itself(
    app: Dash, client: FlaskClient, access: Access, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frontier.dashboard.access.access.SESSION_SECONDS", 0)
    mark = log_in(client, access)
    client.post(PATH, json=launching(app), headers=mark)
    assert asked(database) == []


@pytest.mark.parametrize(
    "back", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:1", "/a\nb", ""]
)
def test_the_login_leads_back_into_the_dashboard_only(client: FlaskClient, back: str) -> None:
    assert client.post("/login", data={"token": TOKEN, "next": back}).headers["Location"] == "/"


def test_the_login_leads_back_to_the_page_one_came_from(client: FlaskClient) -> None:
    page = client.get("/login", headers={"Referer": "http://localhost/new?space=moe-lm&seed=3"}).get_data(as_text=True)
    assert 'value="/new?space=moe-lm&amp;seed=3"' in page
    elsewhere = client.get("/login", headers={"Referer": "https://evil.example/new"}).get_data(as_text=True)
    assert 'value="/"' in elsewhere
    hostile = client.get("/login?next=/%22%3E%3Cscript%3E").get_data(as_text=True)
    assert "<script" not in hostile


def test_a_dashboard_that_only_shows_has_nothing_to_log_in_to(database: str) -> None:
    client = create_app(database).server.test_client()
    assert client.post("/login", data={"token": ""}).status_code == 405
    assert "Read only" in client.get("/_dash-layout").get_data(as_text=True)
    assert client.get("/exports/1").status_code == 403


def test_the_shell_says_whether_this_browser_may_change_things(client: FlaskClient, access: Access) -> None:
    assert "Log in to change" in client.get("/_dash-layout").get_data(as_text=True)
    log_in(client, access)
    assert "Log out" in client.get("/_dash-layout").get_data(as_text=True)


def test_the_token_is_the_users_or_made_for_the_run() -> None:
    assert Access.from_environment({TOKEN_VARIABLE: TOKEN}).token == TOKEN
    assert Access.from_environment({TOKEN_VARIABLE: TOKEN}).chosen
    made = [Access.from_environment({}) for _ in range(2)]
    assert made[0].token != made[1].token
    assert not made[0].chosen
    with pytest.raises(InputError) as refused:
        Access.from_environment({TOKEN_VARIABLE: "guessable"})
    assert "guessable" not in str(refused.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org", ""])
@pytest.mark.parametrize("access", [None, Access(), Access("made-for-this-run")], ids=["none", "reading", "made"])
def test_beyond_this_machine_needs_a_token_of_ones_own(database: str, host: str, access: Access | None) -> None:
    with pytest.raises(InputError, match=f"this machine only.*{TOKEN_VARIABLE}"):
        serve(database, host=host, port=0, access=access)


def test_beyond_this_machine_looking_needs_the_login(database: str, access: Access, refusals: list[str]) -> None:
    app = create_app(database, access, open_reading=False)
    client = app.server.test_client()
    body = callback_body(app, "shell-page.children", {"shell-location.pathname": "/"}, "shell-location.pathname")
    for path in ("/", "/job/x?x=param_count", "/_dash-layout", "/assets/style.css", "/exports/1"):
        answer = client.get(path)
        assert answer.status_code == 302, path
        assert answer.headers["Location"].startswith("/login?next=%2F")
    assert client.post(PATH, json=body).status_code == 401
    assert len(refusals) == 1
    for path in ("/login", "/assets/login.css"):
        with client.get(path) as answer:
            assert answer.status_code == 200
    mark = log_in(client, access)
    assert client.get("/").status_code == 200
    assert client.post(PATH, json=body, headers=mark).status_code == 200


def test_names_that_a_host_may_be_asked_for_by() -> None:
    assert "192.168.1.5" in (names_of("192.168.1.5") or ())
    assert "[fe80::1]" in (names_of("fe80::1") or ())
    assert "127.0.0.1" in (names_of("127.0.0.1") or ())
    assert "example.org" not in (names_of("localhost") or ())
    assert names_of("0.0.0.0") is names_of("::") is names_of("") is None


def malformed(app: Dash) -> list[tuple[bytes, str]]:
    good = callback_body(app, "shell-page.children", {"shell-location.pathname": "/"}, "shell-location.pathname")
    bodies = [
        [], "text", {}, {"output": 5}, {"output": "no-such.children"}, good | {"inputs": None}, good | {"inputs": []},
        good | {"inputs": good["inputs"][::-1]}, good | {"state": ["x", "y"]}, good | {"outputs": "x"},
        good | {"changedPropIds": [5]}, good | {"inputs": [{"id": "x"}] * 3},
    ]  # fmt: skip
    as_json = "application/json"
    return [
        *((json.dumps(body).encode(), as_json) for body in bodies),
        (b"{", as_json),
        (b"\xff\xfe", as_json),
        (b"", as_json),
        (b"[" * 200_000, as_json),
    ]


def test_malformed_callbacks_are_refused_in_one_line_each(app: Dash, client: FlaskClient, refusals: list[str]) -> None:
    for place, (body, kind) in enumerate(malformed(app)):
        answer = client.post(PATH, data=body, content_type=kind)
        assert answer.status_code == 400, body[:80]
        assert len(refusals) == place + 1
    assert client.post(PATH, data=b"a=1", content_type="text/plain").status_code == 415
    assert client.get("/").status_code == 200


def test_an_oversized_body_is_refused_in_one_line(app: Dash, client: FlaskClient, refusals: list[str]) -> None:
    for path, kind in ((PATH, "application/json"), ("/login", "application/x-www-form-urlencoded"), ("/login", "x/y")):
        assert client.post(path, data=b"x" * (MOST_BODY_BYTES + 1), content_type=kind).status_code == 413
    assert len(refusals) == 3


def test_a_path_of_a_strangers_choosing_makes_no_line_of_its_own(client: FlaskClient, refusals: list[str]) -> None:
    assert client.post("/x%0Arefused%20nothing").status_code in (404, 405)
    assert len(refusals) == 1


def exported(database: str, archive: Any, state: str = "done", kind: str = "export") -> int:
    """A command that a controller has carried out, and named this archive."""
    with open_ledger(database) as ledger:
        number = ledger.add_command(kind, {"digest": "d", "format": "pytorch", "weights": "best"})
        assert ledger.claim_command("controller", 60.0) is not None
        ledger.finish_command(number, "controller", state, result={"folder": "x", "archive": archive})
    return number


def test_an_export_is_downloaded_by_who_may(
    client: FlaskClient, access: Access, database: str, exports: Path, refusals: list[str]
) -> None:
    (exports / "tiny model.zip").write_bytes(b"PK archive")
    number = exported(database, "tiny model.zip")
    assert client.get(f"/exports/{number}").status_code == 403
    assert len(refusals) == 1
    log_in(client, access)
    with client.get(f"/exports/{number}") as answer:
        assert answer.data == b"PK archive"
        assert answer.headers["Content-Disposition"] == "attachment; filename=tiny_model.zip"
        assert answer.headers["Content-Type"] == "application/zip"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


OUTSIDE = [
    "../secret.zip",
    "/etc/passwd",
    "link.zip",
    "sub/../../secret.zip",
    "..",
    "",
    ".",
    "gone.zip",
    "note.txt",
    None,
    7,
]


@pytest.mark.parametrize("archive", OUTSIDE)
def test_no_file_but_an_archive_in_the_folder_is_reached(
    client: FlaskClient, access: Access, database: str, exports: Path, refusals: list[str], archive: Any
) -> None:
    (exports.parent / "secret.zip").write_bytes(b"secret")
    (exports / "note.txt").write_bytes(b"secret")
    (exports / "sub").mkdir()
    os.symlink(exports.parent / "secret.zip", exports / "link.zip")
    log_in(client, access)
    answer = client.get(f"/exports/{exported(database, archive)}")
    assert answer.status_code == 404
    assert b"secret" not in answer.data
    assert len(refusals) == 1


@pytest.mark.parametrize(
    "name", ["", "0", "99", "-1", "1.5", "x", "../frontier.db", "%2e%2e/frontier.db", "9" * 18, "9" * 5000, "1/..", "١"]
)
def test_no_other_name_is_a_download(
    client: FlaskClient, access: Access, database: str, exports: Path, name: str
) -> None:
    (exports / "a.zip").write_bytes(b"PK")
    assert exported(database, "a.zip") == 1
    log_in(client, access)
    assert client.get(f"/exports/{name}").status_code == 404


@pytest.mark.parametrize(("state", "kind"), [("failed", "export"), ("done", "price")])
def test_only_an_export_that_is_done_is_downloaded(
    client: FlaskClient, access: Access, database: str, exports: Path, state: str, kind: str
) -> None:
    (exports / "a.zip").write_bytes(b"PK")
    log_in(client, access)
    assert client.get(f"/exports/{exported(database, 'a.zip', state, kind)}").status_code == 404


def test_a_real_server_goes_on_after_all_that(database: str, access: Access, exports: Path) -> None:
    """Paths and lengths that a test client would tidy up before they are sent."""
    with served(database, access, exports) as address:
        host, _, port = address.removeprefix("http://").partition(":")

        def ask(method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
            connection = http.client.HTTPConnection(host, int(port), timeout=20)
            connection.putrequest(method, path)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders(body)
            answer = connection.getresponse()
            read = answer.status, answer.read()
            connection.close()
            return read

        for path in ("/exports/../../../etc/passwd", "/exports/%2e%2e%2f%2e%2e%2fetc/passwd", "/assets/../access.py"):
            status, body = ask("GET", path)
            assert status in (403, 404), path
            assert b"root:" not in body
        assert ask("POST", PATH, b"{", Content_Type="application/json")[0] == 400
        claimed = str(MOST_BODY_BYTES + 1)
        assert ask("POST", PATH, Content_Type="application/json", Content_Length=claimed)[0] == 413
        assert ask("POST", PATH, b"{}", Content_Type="application/json", Host="rebound.example")[0] == 400
        assert ask("GET", "/")[0] == 200
