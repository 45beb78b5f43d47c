"""The benchmarks of training rules run, print their tables, and go on from what was trained before."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
SPACE = {
    "name": "micro",
    "width": [8, 16],
    "depth": [1, 2],
    "token_mixers": [{"kind": "causal_conv", "channels": [8, 16], "kernel_size": 2}],
    "channel_mixers": [{"kind": "swiglu", "inner": [8, 16]}],
}


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    space = tmp_path / "micro.yaml"
    space.write_text(yaml.safe_dump(SPACE))
    sizes = ["--context", "16", "--validation", "4", "--batch", "3"]
    return ["--space", str(space), *sizes, "--set", "warmup_steps=1"]


def run(name: str, *arguments: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / name), *arguments], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, done.stderr


@pytest.fixture
def ranking(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("ranking", BENCHMARKS / "ranking.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "ranking", module)
    spec.loader.exec_module(module)
    return module


def test_the_gap_is_told_for_every_rule_asked_for(options: list[str]) -> None:
    table, _ = run("supernet_gap.py", *options, "--steps", "4", "--rules", "sandwich", "multi")
    rows = {line.split()[0]: [float(cell) for cell in line.split()[1:]] for line in table.splitlines()[-3:]}
    assert list(rows) == ["alone", "sandwich", "multi"]
    for largest, alone, ratio, *_ in rows.values():
        assert ratio == pytest.approx(largest / alone, abs=2e-3)
    assert rows["alone"][2] == rows["alone"][5] == 1.0


def test_a_ranking_goes_on_from_its_cache(options: list[str], tmp_path: Path) -> None:
    out, cache = tmp_path / "ranking.json", ["--cache", str(tmp_path / "cache"), "--workers", "1"]
    counts = ["--count", "5", "--steps", "3", "--lone-steps", "3", "--again"]
    asked = [*options, *cache, *counts, "--rules", "fair", "--out", str(out)]
    first, told = run("ranking.py", *asked)
    assert "0 of 11 trainings are in" in told
    kept = sorted((tmp_path / "cache").iterdir())
    kept[0].unlink()
    second, told = run("ranking.py", *asked)
    assert "10 of 11 trainings are in" in told
    assert [line[:50] for line in second.splitlines()] == [line[:50] for line in first.splitlines()]
    found = json.loads(out.read_text())
    assert len(set(found["alone_nats"])) == len(found["inherited"]["fair"]["losses"]) == 5
    assert len(set(found["alone_again_nats"][0] + found["alone_nats"])) == 10


def test_agreement_knows_equal_opposite_and_near(ranking: ModuleType) -> None:
    losses, sizes = [1.0, 2.0, 3.0, 4.0], [100, 105, 200, 230]
    same = ranking.agreement([10.0, 20.0, 30.0, 40.0], losses, sizes, 0)
    assert (same.tau, same.near_tau, same.near_pairs) == (1.0, 1.0, 1)
    assert same.high == 1.0
    opposite = ranking.agreement([4.0, 3.0, 2.0, 1.0], losses, sizes, 0)
    assert (opposite.tau, opposite.near_tau, opposite.low) == (-1.0, -1.0, -1.0)
    # Pairs far apart agree and the near one does not.
    mixed = ranking.agreement([2.0, 1.0, 3.0, 4.0], losses, sizes, 0)
    assert mixed.tau == pytest.approx(4 / 6)
    assert mixed.near_tau == -1.0
    assert mixed.low < mixed.tau < mixed.high
