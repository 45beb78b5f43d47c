"""How soon the explorer of a job of 50,000 evaluations can be used, and follows a slider, beside optuna-dashboard.

python benchmarks/dashboard.py --rows 1000000 --evaluations 50000

The job is one of a ledger of a million rows, written through the ledger's own methods; its architectures are of a
preset's space. A real Chromium opens the page on this machine, whose browser draws WebGL on the processor. Both
dashboards are opened with all caches warm, as for whoever opens them a second time; optuna-dashboard has the same
values and a dozen parameters as trials of its in-memory storage, the fastest it has.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import numpy as np
from ledger import OBJECTIVES, evaluation, fill, point
from provenance import provenance

from frontier.dashboard.serving import served
from frontier.db import Evaluation, Ledger, open_ledger
from frontier.search_space import SearchSpace

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
JOB = "explored"
SPACE = "tiny-lm"
REPEATS = 5
SLIDER_MOVES = 20
LIMIT_MS = 120_000
OPEN_GOAL_S, SLIDER_GOAL_MS, IDLE_GOAL = 1.5, 150, 0.01

# Points can be seen, hovered over and limited: they are drawn, and the browser is ready for the next input.
USABLE = "window.frontierExplorer?.state?.redraws > 0 && window.frontierExplorer.state.points.count >= {count}"
SETTLED = "window.frontierExplorer.state.settled > {since}"
# Moves a slider as a hand does; told when the frame that shows it has been handed to the screen.
MOVE = """(step) => new Promise((done) => {
    const slider = document.getElementById("explorer-limit-latency_ms");
    const began = performance.now();
    const redraws = frontierExplorer.state.redraws;
    slider.value = step;
    slider.dispatchEvent(new Event("input", {bubbles: true}));
    const look = () => {
        if (frontierExplorer.state.redraws > redraws) {
            const channel = new MessageChannel();
            channel.port1.onmessage = () => done(performance.now() - began);
            requestAnimationFrame(() => channel.port2.postMessage(null));
        } else {
            requestAnimationFrame(look);
        }
    };
    look();
})"""
OPTUNA_USABLE = "document.querySelectorAll('#graph-pareto-front .point').length >= {count}"
OPTUNA_REPEATS = 2


def explored(ledger: Ledger, count: int) -> None:
    """One job whose architectures are of a real space."""
    space, rng = SearchSpace.load(SPACE), Random(2)
    config = {"name": JOB, "task": {"kind": "language_model"}}
    ledger.create_job(
        job_id=JOB, name=JOB, config=config, space=space.to_json(), run_dir="r", objectives=list(OBJECTIVES)
    )
    seen: set[str] = set()
    batch: list[Evaluation] = []
    while len(seen) < count:
        architecture = space.sample(rng)
        if architecture.digest in seen:
            continue
        seen.add(architecture.digest)
        given = evaluation(rng, JOB, len(seen))
        fields = {name: getattr(given, name) for name in given.__dataclass_fields__}
        batch.append(Evaluation(**fields | {"architecture": architecture.to_json(), "digest": architecture.digest}))
        if len(batch) == 1000 or len(seen) == count:
            ledger.record(JOB, batch)
            batch = []
    ledger.set_state(JOB, "running")


@contextmanager
def browser() -> Iterator[Callable[[], Any]]:
    """Opens windows of one browser, which share a cache."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = chromium.new_context(viewport={"width": 1440, "height": 900})
        context.set_default_timeout(LIMIT_MS)
        yield context.new_page
        chromium.close()


def opened(page: Any, address: str, usable: str) -> float:
    """Seconds from asking for an address until what it shows can be used."""
    started = time.monotonic()
    page.goto(address, wait_until="commit")
    page.wait_for_function(usable, polling=20)
    page.evaluate("() => new Promise((done) => requestIdleCallback(done))")
    return time.monotonic() - started


def payloads(new_page: Callable[[], Any], address: str, usable: str) -> dict[str, int]:
    """Bytes of every answer that opening the page takes, without the scripts that a cache holds."""
    page, finished = new_page(), []
    page.on("requestfinished", lambda request: finished.append(request))
    opened(page, address, usable)
    page.wait_for_timeout(3000)
    sizes: dict[str, int] = {}
    for request in finished:
        path = request.url.split("127.0.0.1", 1)[-1].split("?")[0].split("/", 1)[-1]
        if not path.startswith(("_dash-component-suites", "assets", "static", "favicon")):
            sizes[path or "/"] = sizes.get(path or "/", 0) + request.sizes()["responseBodySize"]
    page.close()
    return sizes


def median(values: list[float]) -> str:
    return f"{np.median(values):8.2f} median {max(values):8.2f} worst of {len(values)}"


def measure_explorer(new_page: Callable[[], Any], address: str, count: int) -> None:
    usable, path = USABLE.format(count=count), f"{address}/job/{JOB}/explorer"
    warm = new_page()
    print(f"  first opening, cold cache        {opened(warm, path, usable):8.2f} s")
    warm.close()
    times = []
    for _ in range(REPEATS):
        page = new_page()
        times.append(opened(page, path, usable))
        page.close()
    print(f"  opening, s                       {median(times)}   goal {OPEN_GOAL_S}")
    page = new_page()
    opened(page, f"{address}/job/{JOB}", "document.querySelector('.job-tab') !== null")
    started = time.monotonic()
    page.get_by_role("link", name="Explorer").click()
    page.wait_for_function(usable, polling=20)
    print(f"  from the job's other page, s     {time.monotonic() - started:8.2f}")
    page.wait_for_function(SETTLED.format(since=0))
    page.wait_for_timeout(3000)
    page.mouse.wheel(0, -10_000)
    page.evaluate(MOVE, 999)
    moves = [page.evaluate(MOVE, int(step)) for step in np.linspace(950, 50, SLIDER_MOVES)]
    print(f"  a slider move redrawn, ms        {median(moves)}   goal {SLIDER_GOAL_MS}")
    settled = page.evaluate("frontierExplorer.state.settled")
    started = time.monotonic()
    page.evaluate(MOVE, 700)
    page.wait_for_function(SETTLED.format(since=settled), polling=20)
    print(f"  table and address follow after   {1000 * (time.monotonic() - started):8.0f} ms")
    print(f"  an idle poll costs the server    {100 * idle_share(page):8.3f} % of a core   goal {100 * IDLE_GOAL} %")
    page.close()
    for name, size in payloads(new_page, path, usable).items():
        print(f"    {name:40} {size / 1000:10.1f} kB")


def idle_share(page: Any, seconds: float = 20.0) -> float:
    """The share of a core that this process, the server, spends while a page of an idle job is open."""
    page.wait_for_timeout(3000)
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.monotonic()
    page.wait_for_timeout(1000 * seconds)
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent / (time.monotonic() - began)


@contextmanager
def optuna_dashboard(count: int) -> Iterator[str]:
    """optuna-dashboard over a study with the same values; gives the address of the study's Pareto front."""
    import optuna
    from optuna_dashboard import wsgi

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name=JOB, directions=["minimize", "minimize"])
    rng = Random(2)
    distributions = {f"p{i}": optuna.distributions.IntDistribution(0, 7) for i in range(12)}
    trials = [
        optuna.trial.create_trial(
            params={name: rng.randint(0, 7) for name in distributions},
            distributions=distributions,
            values=list(point(rng, seq)),
        )
        for seq in range(1, count + 1)
    ]
    study.add_trials(trials)

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing: the page polls."""

    server = make_server("127.0.0.1", 0, wsgi(storage), handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def measure_optuna(new_page: Callable[[], Any], address: str, count: int) -> None:
    from playwright.sync_api import TimeoutError as TookTooLong

    path, usable = f"{address}/dashboard/studies/0", OPTUNA_USABLE.format(count=count)
    try:
        warm = new_page()
        print(f"  first opening, cold cache        {opened(warm, path, usable):8.2f} s", flush=True)
        warm.close()
        times = []
        for _ in range(OPTUNA_REPEATS):
            page = new_page()
            times.append(opened(page, path, usable))
            page.close()
        print(f"  opening, s                       {median(times)}", flush=True)
        for name, size in payloads(new_page, path, usable).items():
            print(f"    {name:40} {size / 1000:10.1f} kB")
    except TookTooLong:
        print(f"  not drawn after {LIMIT_MS / 1000:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the ledger, all jobs together")
    parser.add_argument("--evaluations", type=int, default=50_000, help="of the explored job")
    parser.add_argument("--keep", type=Path, help="keep the ledger here, or use the one that is here")
    parser.add_argument("--without-optuna", action="store_true")
    options = parser.parse_args()
    print(provenance(1))
    with tempfile.TemporaryDirectory() as folder:
        database = options.keep or Path(folder) / "frontier.db"
        if not database.exists():
            started = time.monotonic()
            with open_ledger(str(database)) as ledger:
                others = max(0, options.rows - options.evaluations) // options.evaluations
                fill(ledger, others, options.evaluations)
                explored(ledger, options.evaluations)
            print(f"{options.rows:,} rows written in {time.monotonic() - started:.0f} s", flush=True)
        with open_ledger(str(database), create=False, read_only=True) as ledger:
            started = time.monotonic()
            points, front = ledger.points(JOB), ledger.front(JOB)
            print(f"explorer, {len(points):,} evaluations, a front of {len(front)}")
            print(f"  read from the ledger, two queries{1000 * (time.monotonic() - started):8.0f} ms", flush=True)
        with served(str(database)) as address, browser() as new_page:
            measure_explorer(new_page, address, options.evaluations)
    if not options.without_optuna:
        print(f"\noptuna-dashboard, {options.evaluations:,} trials", flush=True)
        with optuna_dashboard(options.evaluations) as address, browser() as new_page:
            measure_optuna(new_page, address, options.evaluations)


if __name__ == "__main__":
    main()
