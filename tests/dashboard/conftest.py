"""A real ledger with a synthetic job in it, the dashboard served over it, and a real browser to look at it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from frontier.dashboard.serving import served
from frontier.db import CurvePoint, Evaluation, KernelMeasurement, ValidationRow, open_ledger
from frontier.search_space import Architecture, SearchSpace

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

JOB = "job-20261101-a1b2"
HOSTILE = "job-20261102-c3d4"
HOSTILE_NAME = "<script>document.title='owned'</script><b>bold</b>"
FINALISTS = 5

CONFIG: dict[str, Any] = {
    "name": "stdlib-bytes",
    "task": {"kind": "language_model", "data": "stdlib", "context": 256},
    "space": "tiny-lm",
    "device": {"name": "laptop", "threads": 2, "phase": "decode", "batch": 1, "seq_len": 256},
    "objectives": ["val_loss", "latency_ms"],
    "constraints": {"latency_ms": {"max": 6.0}},
    "training": {"steps": 600},
    "search": {"evaluations": 200, "algorithm": "predictor"},
    "finalists": {"count": FINALISTS, "steps": 200},
    "seed": 7,
}
FACTS: dict[str, Any] = {
    "space_count": "5308416204800",
    "uniform_nats": 5.5452,
    "prior_nats": 3.1234,
    "evaluations_per_second": 21.7,
    "supernet_steps": 600,
    "supernet_seconds": 412.0,
    "validation": {"mape": 0.062, "floor_mape": 0.021, "kendall_tau": 0.93, "count": 24},
}


def architectures(count: int, seed: int = 7) -> list[Architecture]:
    """`count` distinct architectures of the smallest preset."""
    space, rng = SearchSpace.load("tiny-lm"), Random(seed)
    found: dict[str, Architecture] = {}
    while len(found) < count:
        architecture = space.sample(rng)
        found[architecture.digest] = architecture
    return list(found.values())


def evaluation(architecture: Architecture, rng: Random) -> Evaluation:
    """An evaluation with numbers that depend on size the way real ones do, and some that never came to be."""
    inner = sum(block.channel_mixer.inner for block in architecture.blocks)
    param_count = 256 * architecture.width + 3 * architecture.width * inner + 4 * architecture.width**2
    latency_ms = 0.35 + 0.22 * architecture.depth + param_count / 4e5 + rng.uniform(0, 0.4)
    row = Evaluation(
        architecture=architecture.to_json(),
        digest=architecture.digest,
        fidelity="inherited",
        state="complete",
        val_loss=1.55 + 90 / (param_count**0.5 + 10) + rng.uniform(0, 0.15),
        latency_ms=latency_ms,
        latency_low_ms=0.93 * latency_ms,
        latency_high_ms=1.09 * latency_ms,
        param_count=param_count,
        peak_memory_bytes=4 * param_count + 2_000_000,
        worker=f"scorer-{rng.randrange(2)}",
        seconds=0.05 + rng.random() / 20,
    )
    chance = rng.random()
    if chance < 0.04:
        return replace(row, state="infeasible", val_loss=None, reason="latency_ms above 6.0")
    return replace(row, state="failed", val_loss=None, reason="loss was not a number") if chance < 0.05 else row


def breakdown(architecture: Architecture, scale: float) -> list[dict[str, Any]]:
    """Kernel lines of every layer, as a predictor writes them."""
    lines = [("embed", "aten::embedding", "embedding", 1, 0.01, True)]
    for place, block in enumerate(architecture.blocks):
        token, channel = f"blocks.{place}.token_mixer", f"blocks.{place}.channel_mixer"
        lines += [
            (token, "aten::rms_norm", "norm", 1, 0.012, True),
            (token, "aten::mm", "matmul", 4, 0.07, True),
            (token, "aten::scaled_dot_product_attention", "attention", 1, 0.05, block.token_mixer.kind == "attention"),
            (channel, "aten::mm", "matmul", 3, 0.09, True),
            (channel, "aten::silu", "elementwise", 1, 0.01, False),
        ]
    lines += [("head", "aten::mm", "matmul", 1, 0.04, True), ("launch gaps", "", "launch gaps", 0, 0.08, True)]
    keys = ("layer", "op", "family", "calls", "latency_ms", "measured")
    return [dict(zip(keys, line, strict=True)) | {"latency_ms": scale * line[4]} for line in lines]


def seed(database: str, count: int = 200, state: str = "done") -> None:
    """Write a job with `count` evaluations and all that goes with them, and a queued job with a hostile name."""
    rng = Random(11)
    chosen = architectures(count)
    by_digest = {architecture.digest: architecture for architecture in chosen}
    space = SearchSpace.load("tiny-lm").to_json()
    with open_ledger(database) as ledger:
        common = {"space": space, "run_dir": "frontier-runs/x", "objectives": CONFIG["objectives"]}
        ledger.create_job(job_id=JOB, name=CONFIG["name"], config=CONFIG, **common)
        ledger.create_job(job_id=HOSTILE, name=HOSTILE_NAME, config=CONFIG | {"name": HOSTILE_NAME}, **common)
        ledger.add_facts(JOB, FACTS)
        for step in range(0, 601, 20):
            decay = 0.985**step
            ledger.add_curve(
                JOB,
                [
                    CurvePoint(step, "smallest", 2.35 + 3.2 * decay, step * 0.69),
                    CurvePoint(step, "largest", 1.72 + 3.8 * decay, step * 0.69),
                ],
            )
        ledger.add_event(JOB, "profile", "info", "measured 148 kernels on laptop in 41 s")
        ledger.add_event(JOB, "train", "info", "trained the supernet for 600 steps in 6 min 52 s")
        rows = [evaluation(architecture, rng) for architecture in chosen]
        for start in range(0, count, 32):
            ledger.record(JOB, rows[start : start + 32])
        ledger.add_event(JOB, "search", "warning", "worker scorer-1 was lost; its batch of 8 was given out again")
        front = ledger.front(JOB)
        every = max(1, len(front) // FINALISTS)
        finalists = [ledger.evaluation(JOB, digest) for digest in front["digest"][::every][:FINALISTS]]
        ledger.record(JOB, [tuned(finalist, rng) for finalist in finalists])
        for digest in front["digest"]:
            lines = breakdown(by_digest[digest], 1.0)
            scale = ledger.evaluation(JOB, digest, "inherited").latency_ms / sum(line["latency_ms"] for line in lines)
            phases = {
                "decode": breakdown(by_digest[digest], scale),
                "prefill": breakdown(by_digest[digest], 4.2 * scale),
            }
            ledger.add_breakdowns(JOB, {digest: phases})
        ledger.add_export(
            JOB, finalists[0].digest, "pytorch", f"exports/{finalists[0].digest}", "finetuned", 3.1e-7, 1.02
        )
        ledger.set_progress(
            JOB, "done" if state == "done" else "search", count, count if state == "done" else 2 * count
        )
        ledger.set_state(JOB, state)


def tuned(finalist: Evaluation, rng: Random) -> Evaluation:
    assert finalist.val_loss is not None
    assert finalist.latency_ms is not None
    return replace(
        finalist,
        fidelity="finetuned",
        val_loss=finalist.val_loss - 0.08 - rng.random() / 20,
        latency_measured_ms=finalist.latency_ms * rng.uniform(0.95, 1.06),
        weights_path=f"frontier-runs/x/{finalist.digest}.safetensors",
        seconds=33.0,
    )


@pytest.fixture(scope="session")
def ledger_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A finished job and a job that has not begun, and a device."""
    path = str(tmp_path_factory.mktemp("ledger") / "frontier.db")
    seed(path)
    seed_device(path)
    return path


@pytest.fixture(scope="session")
def address(ledger_path: str) -> Iterator[str]:
    with served(ledger_path) as address:
        yield address


@dataclass
class Window:
    """A browser window, with all that it complained about and asked of other machines."""

    page: Any
    complaints: list[str]
    strangers: list[str]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A real browser; where there is none the test says so, and under CI=true it fails."""
    missing = _missing()
    if missing and os.environ.get("CI") == "true":
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=CHROMIUM_ARGUMENTS)
        # One context for all windows: they share the cache of the ten megabytes of scripts.
        yield browser.new_context()
        browser.close()


def _missing() -> str:
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "the browser tests need the package pytest-playwright"
    return "" if CHROMIUM.exists() else f"the browser tests need Chromium at {CHROMIUM} (or set CHROMIUM)"


@pytest.fixture
def window(chromium: Any) -> Iterator[Callable[..., Window]]:
    """Opens windows: `window(width=390, scheme="dark")`."""
    pages = []

    def open_window(width: int = 1440, height: int = 900, scheme: str = "light") -> Window:
        opened = Window(chromium.new_page(), [], [])
        pages.append(opened.page)
        opened.page.set_viewport_size({"width": width, "height": height})
        opened.page.emulate_media(color_scheme=scheme)
        opened.page.set_default_timeout(30_000)
        opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.page.on(
            "console",
            lambda line: opened.complaints.append(line.text) if line.type == "error" else None,
        )
        opened.page.on(
            "request",
            lambda request: (
                opened.strangers.append(request.url)
                if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:"))
                else None
            ),
        )
        return opened

    yield open_window
    for page in pages:
        page.close()


def seed_device(database: str, name: str = "laptop", checks: int = 2) -> None:
    """Write a measured device: kernels of two families, one of them too short to time, and checks of predictions."""
    rng = Random(3)
    calls = [
        ("aten.mm.default", "matmul", 2 * 64 * size**2, 12 * size**2, 5 + size**2 / 900) for size in (64, 128, 256, 512)
    ] + [("aten.add.Tensor", "pointwise", 0, 12 * size, size**0.9 / 1000) for size in (100, 10_000, 1_000_000)]
    with open_ledger(database) as ledger:
        ledger.save_device(name, HARDWARE, {"decode": {"kernel_factor": 0.9, "launch_ms": 0.004, "mape": 0.05}})
        ledger.add_measurements(
            name,
            [
                KernelMeasurement(
                    key=str(place),
                    op=op,
                    family=family,
                    arguments=json.dumps({"args": [{"dtype": "float32", "tensor": [place + 1, 64]}], "kwargs": {}}),
                    flops=flops,
                    bytes=moved,
                    median_us=median_us,
                    spread_us=0.1,
                    count=13,
                )
                for place, (op, family, flops, moved, median_us) in enumerate(calls)
            ],
        )
        for check in range(checks):
            ledger.add_validation(name, validation(rng, check))


HARDWARE: dict[str, Any] = {
    "device": "cpu",
    "cpu_model": "AMD EPYC",
    "cores": 2,
    "threads": 2,
    "dtype": "float32",
    "backend": "eager",
}


def validation(rng: Random, check: int) -> ValidationRow:
    """A check on a few architectures, with the figures that its pairs give where they are simple to say."""
    pairs = []
    for place in range(9 + check):
        measured_ms = rng.uniform(1.0, 4.0)
        predicted_ms = measured_ms * rng.uniform(0.9, 1.1)
        pairs.append(
            {
                "digest": f"{check}{place:015x}",
                "predicted_ms": predicted_ms,
                "low_ms": 0.9 * predicted_ms,
                "high_ms": 1.1 * predicted_ms,
                "measured_ms": measured_ms,
                "again_ms": measured_ms * rng.uniform(0.98, 1.02),
            }
        )
    mape = sum(abs(pair["predicted_ms"] / pair["measured_ms"] - 1) for pair in pairs) / len(pairs)
    return ValidationRow(
        space="tiny-lm",
        phase="decode",
        batch=1,
        seq_len=256,
        count=len(pairs),
        mape=mape,
        median_ape=mape,
        within_10=1.0,
        kendall_tau=0.9 - 0.1 * check,
        floor_mape=0.02,
        pairs=pairs,
    )
