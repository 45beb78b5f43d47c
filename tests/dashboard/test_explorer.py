"""The explorer without a browser: its address, what it sends, what choices have to do with objectives, its layout."""

from __future__ import annotations

import json
import math
import struct
from random import Random

import numpy as np
import pytest
from dash.development.base_component import Component
from plotly.utils import PlotlyJSONEncoder

from frontier.dashboard import create_app
from frontier.dashboard.access.access import Access
from frontier.dashboard.explorer import page as explorer
from frontier.dashboard.explorer.choices import NOT_ASKED, Choices, read_choices
from frontier.dashboard.explorer.explored import EXPLORED
from frontier.dashboard.explorer.importance import by_choice, explained_share, importances, sentence
from frontier.dashboard.explorer.importance_figure import importance_figure
from frontier.dashboard.explorer.panels import sample_words
from frontier.dashboard.explorer.pareto_figure import pareto_figure
from frontier.dashboard.explorer.payload import pack
from frontier.dashboard.explorer.reading import read_front, read_others, read_points, read_sample
from frontier.dashboard.explorer.sample import drawable, sampled_importances
from frontier.dashboard.explorer.view import ExplorerView, read_explorer_view
from frontier.dashboard.reader import NotThere, Reader
from frontier.dashboard.routes import page
from frontier.dashboard.site import Site
from frontier.db import open_ledger
from frontier.db.words import EVALUATION_STATES, FIDELITIES
from frontier.errors import InputError
from frontier.search_space import SearchSpace

from .conftest import FINALISTS, HOSTILE, JOB, architectures

DTYPES = {"i4": "<i4", "f4": "<f4", "u1": "u1"}


def unpacked(packed: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """What explorer_points.js reads, read in Python."""
    (length,) = struct.unpack_from("<I", packed)
    header = json.loads(packed[4 : 4 + length])
    columns = {
        name: np.frombuffer(packed, DTYPES[kind], size, 4 + length + at) for name, kind, at, size in header["columns"]
    }
    return header, columns


def digests(header: dict, columns: dict[str, np.ndarray]) -> list[str]:
    return [
        name.decode() for name in columns["digest"].tobytes() and columns["digest"].view(f"S{header['digest_width']}")
    ]


@pytest.fixture(scope="module")
def reader(ledger_path: str) -> Reader:
    return Reader(ledger_path)


@pytest.mark.parametrize(
    ("search", "field", "value"),
    [
        ("", "x", "latency_ms"),
        ("?x=param_count&yscale=log", "yscale", "log"),
        ("?max_latency_ms=3.5&max_param_count=1e6", "limits", {"latency_ms": 3.5, "param_count": 1e6}),
        ("?zoom=1,2,-3e-2,4", "zoom", (1.0, 2.0, -0.03, 4.0)),
        ("?brush=box,1,2,3,4", "brush", ("box", 1.0, 2.0, 3.0, 4.0)),
        ("?brush=lasso,1,2,3,4,5,6", "brush", ("lasso", 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)),
        ("?range_blocks.0.token_mixer=0.5,1.5,3,4", "ranges", {"blocks.0.token_mixer": (0.5, 1.5, 3.0, 4.0)}),
        ("?with=ab,cd", "ticked", ("ab", "cd")),
        ("?pick=cheapest:2.5", "pick", "cheapest:2.5"),
        ("?at=128", "at", 128),
    ],
)
def test_an_address_says_a_view(search: str, field: str, value: object) -> None:
    assert getattr(ExplorerView.parse(search), field) == value


@pytest.mark.parametrize(
    "search",
    [
        "?x=banana",
        "?sort=up",
        "?max_banana=1",
        "?max_latency_ms=nan",
        "?at=-1",
        "?at=²",
        "?zoom=1,2,3",
        "?brush=circle,1,2",
        "?brush=lasso,1,2,3",
        "?with=a,b,c,d,e",
        "?with=<b>",
        "?over=../x",
        "?pick=best",
        "?range_width=1",
    ],
)
def test_a_wrong_address_is_refused_in_one_line_and_shows_the_default(search: str) -> None:
    with pytest.raises(InputError, match=r"^address: "):
        ExplorerView.parse(search)
    view, problem = read_explorer_view(search)
    assert view == ExplorerView()
    assert problem
    assert "\n" not in problem


def test_the_bytes_hold_what_the_ledger_holds(reader: Reader, ledger_path: str) -> None:
    header, columns = unpacked(read_points(reader, JOB, 0))
    with open_ledger(ledger_path, read_only=True) as ledger:
        rows = ledger.evaluations(JOB)
        history = ledger.front_history(JOB)
    assert header["count"] == header["latest"] == len(rows)
    assert digests(header, columns) == rows["digest"].tolist()
    assert [FIDELITIES[code] for code in columns["fidelity"]] == rows["fidelity"].tolist()
    assert [EVALUATION_STATES[code] for code in columns["state"]] == rows["state"].tolist()
    for name in ("val_loss", "latency_ms", "latency_low_ms", "latency_measured_ms", "param_count", "peak_memory_bytes"):
        expected = rows[name].to_numpy(dtype=np.float32, na_value=np.nan)
        np.testing.assert_array_equal(columns[name], expected, err_msg=name)
    np.testing.assert_array_equal(columns["entered.inherited"], history["entered_seq"])
    np.testing.assert_array_equal(columns["left.inherited"], history["left_seq"].fillna(0))
    assert len(columns["entered.finetuned"]) > 0


@pytest.mark.parametrize("after", [1, 150, 204])
def test_parts_put_together_are_the_whole(reader: Reader, after: int) -> None:
    _, whole = unpacked(read_points(reader, JOB, 0))
    header, new = unpacked(read_points(reader, JOB, after))
    assert header["after"] == after
    np.testing.assert_array_equal(new["seq"], whole["seq"][after:])
    np.testing.assert_array_equal(new["val_loss"], whole["val_loss"][after:])


def test_nothing_new_is_nothing_and_a_job_made_again_is_sent_whole(reader: Reader) -> None:
    assert read_points(reader, JOB, 200 + FINALISTS) is None
    header, columns = unpacked(read_points(reader, JOB, 10_000))
    assert header["after"] == 0
    assert len(columns["seq"]) == 200 + FINALISTS
    assert unpacked(read_points(reader, HOSTILE, 0))[0]["count"] == 0


def test_another_jobs_front_is_its_front(reader: Reader, ledger_path: str) -> None:
    header, columns = unpacked(read_front(reader, JOB, "inherited"))
    with open_ledger(ledger_path, read_only=True) as ledger:
        assert sorted(digests(header, columns)) == sorted(ledger.front(JOB)["digest"])
    assert [other.id for other in read_others(reader, HOSTILE)] == [JOB]
    assert [other.same_unit for other in read_others(reader, HOSTILE)] == [True]


def test_the_routes_answer_and_refuse(ledger_path: str) -> None:
    client = create_app(ledger_path).server.test_client()
    local = {"base_url": "http://127.0.0.1"}
    found = client.get(f"/explorer/{JOB}/points", **local)
    assert found.status_code == 200
    assert unpacked(found.data)[0]["count"] == 200 + FINALISTS
    assert found.headers["Cache-Control"] == "no-store"
    assert client.get(f"/explorer/{JOB}/points?after={200 + FINALISTS}", **local).status_code == 204
    assert client.get(f"/explorer/{JOB}/points?after=banana", **local).status_code == 200
    assert client.get("/explorer/nobody/points", **local).status_code == 404
    assert client.get(f"/explorer/{JOB}/front/banana", **local).status_code == 404
    assert client.post(f"/explorer/{JOB}/points", **local).status_code == 405
    away = create_app(f"{ledger_path}-away").server.test_client().get(f"/explorer/{JOB}/points", **local)
    assert away.status_code == 503
    assert "\n" not in away.json["error"]


def test_an_empty_part_can_be_read(reader: Reader) -> None:
    with reader.ledger() as ledger:
        packed = pack(ledger.points("nobody"), ledger.stays("nobody"), 7)
    header, columns = unpacked(packed)
    assert (header["count"], header["latest"]) == (0, 7)
    assert all(len(column) == 0 for column in columns.values())


def test_choices_are_those_of_the_space() -> None:
    space = SearchSpace.load("tiny-lm")
    chosen = architectures(63)
    choices = read_choices(space.to_json(), [one.to_json() for one in chosen])
    depth = choices.names.index("depth")
    assert [choices.options[depth][code] for code in choices.codes[:, depth]] == [str(one.depth) for one in chosen]
    swiglu = choices.names.index("layers.swiglu")
    counted = [sum(block.channel_mixer.kind == "swiglu" for block in one.blocks) for one in chosen]
    assert choices.codes[:, swiglu].tolist() == counted
    last = choices.names.index("blocks.5.token_mixer")
    assert ((choices.codes[:, last] < 0) == np.array([one.depth < 6 for one in chosen])).all()


def test_choices_that_do_not_differ_are_left_out() -> None:
    choices = Choices(("a", "b"), (("1", "2"), ("x", "y")), np.array([[0, 1], [1, 1], [0, 1]]))
    assert choices.differing().names == ("a",)
    assert choices.differing().codes.tolist() == [[0], [1], [0]]


def test_a_space_that_cannot_be_read_is_said(reader: Reader) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_choices({}, [])


def test_the_explained_share_is_none_to_all() -> None:
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 3, 1000)
    assert explained_share(codes, codes * 2.0) == pytest.approx(1.0)
    assert explained_share(codes, rng.random(1000)) < 0.02
    # Half of the variance is the group's, half noise of the same variance.
    noise = rng.normal(0, np.std([0, 1, 2]), 1000)
    assert explained_share(codes, codes + noise) == pytest.approx(0.5, abs=0.06)
    assert explained_share(np.zeros(10, int), rng.random(10)) is None
    assert explained_share(codes, np.ones(1000)) is None


def test_importance_is_judged_among_who_was_asked() -> None:
    rng = np.random.default_rng(5)
    asked = np.arange(400) < 200
    which = np.where(asked, rng.integers(0, 2, 400), -1)
    # Who was not asked is far better; what was chosen makes no difference.
    values = np.where(asked, 5.0, 1.0) + rng.random(400) / 100
    choices = Choices(("deep", "matters"), (("a", "b"), ("lo", "hi")), np.column_stack([which, asked.astype(int)]))
    found = {one.choice: one for one in importances(choices, values)}
    assert found["matters"].share > 0.7
    assert (found["matters"].lowest, found["matters"].highest) == ("lo", "hi")
    assert found["deep"].share < 0.05
    words = sentence(found["matters"], "latency", lambda value: f"{value:.1f}")
    assert words.startswith("matters by itself accounts for")
    assert "1.0 at lo and 5.0 at hi" in words
    assert by_choice({"val_loss": list(found.values())}, 1)["choice"].tolist() == ["matters"]
    assert importances(choices, np.full(400, np.nan)) == []


def test_the_sample_of_a_job_can_be_drawn(reader: Reader) -> None:
    sample = read_sample(reader, JOB, 200 + FINALISTS)
    found = sampled_importances(sample, ["val_loss", "latency_ms"])
    drawn = drawable(sample, found)
    # Latency grows with depth by construction, and with nothing more.
    assert found.by_objective["latency_ms"][0].choice == "depth"
    assert set(drawn["first"]) <= {choice["name"] for choice in drawn["choices"]}
    by_name = {choice["name"]: choice for choice in drawn["choices"]}
    depths = [by_name["depth"]["options"][code] for code in by_name["depth"]["codes"]]
    assert depths == [str(len(row["blocks"])) for row in sample.rows["architecture"]]
    assert NOT_ASKED in by_name["blocks.5.token_mixer"]["options"]
    assert all(len(choice["codes"]) == len(drawn["seqs"]) for choice in drawn["choices"])
    assert all(len(choice["options"]) > 1 for choice in drawn["choices"])
    json.dumps(drawn, allow_nan=False)
    figure = importance_figure(found.shares)
    assert [bar.name for bar in figure.data] == ["Validation loss", "Latency"]
    assert max(figure.data[1].x) == pytest.approx(100 * found.by_objective["latency_ms"][0].share)
    note, words = sample_words(sample, found)
    assert "depth by itself" in text(words)
    assert f"From {sample.rows['digest'].nunique()} architectures" in note


def test_a_job_without_evaluations_says_so(reader: Reader) -> None:
    sample = read_sample(reader, HOSTILE, 0)
    found = sampled_importances(sample, ["val_loss", "latency_ms"])
    assert drawable(sample, found)["choices"] == []
    assert "Too few" in sample_words(sample, found)[0]
    assert importance_figure(found.shares).layout.annotations[0].text == "Not known yet"


def text(component: object) -> str:
    if isinstance(component, (list, tuple)):
        return " ".join(text(part) for part in component)
    if isinstance(component, Component):
        return text(getattr(component, "children", None))
    return "" if component is None else str(component)


def ids(component: object) -> set[str]:
    if isinstance(component, (list, tuple)):
        return set().union(*(ids(part) for part in component))
    if not isinstance(component, Component):
        return set()
    own = getattr(component, "id", None)
    return ({own} if isinstance(own, str) else set()) | ids(getattr(component, "children", None))


def test_the_page_is_there_before_the_points(reader: Reader) -> None:
    drawn = explorer.open_page(Site(reader, Access()), {"job": JOB[:12]}, "?x=param_count&pick=under:3")
    assert set(explorer.CONTROLS) <= ids(drawn.content)
    sent = json.dumps(drawn.content, cls=PlotlyJSONEncoder)
    assert len(sent) < 60_000
    with pytest.raises(NotThere):
        explorer.open_page(Site(reader, Access()), {"job": "nope"}, "")
    assert page(f"/job/{JOB}/explorer", "?x=banana", Site(reader, Access())).title == "Explorer of stdlib-bytes"


def test_what_the_browser_fills_has_a_look_of_its_own() -> None:
    figure = pareto_figure()
    markers = [trace for trace in figure.data if trace.mode == "markers" and trace.meta not in ("cloud", "infeasible")]
    looks = {(trace.marker.color, trace.marker.symbol) for trace in markers}
    assert len(looks) == len(markers)
    symbols = {trace.meta: trace.marker.symbol for trace in markers}
    assert symbols["front"] == "circle"
    assert symbols["front_measured"] == symbols["tuned"] == "diamond"


def test_every_quantity_has_its_unit() -> None:
    for name, one in EXPLORED.items():
        assert "(" in one.axis, name
        assert math.isfinite(one.scale)


def test_hostile_lengths_of_an_address_are_refused() -> None:
    rng = Random(1)
    corners = ",".join(str(rng.random()) for _ in range(1000))
    for search in (f"?brush=lasso,{corners}", f"?zoom={corners}", f"?over={'x' * 1000}", f"?at={'9' * 100}"):
        _, problem = read_explorer_view(search)
        assert problem
        assert len(problem) < 200
