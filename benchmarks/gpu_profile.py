"""What kernels and whole models take on an NVIDIA GPU, as CUDA graphs and launched by the host, and how well the
kernels predict the models.

    python benchmarks/gpu_profile.py --out gpu --seconds 420

Everything runs in bfloat16. For every subject and workload: architectures are drawn and traced for the GPU, the calls
they launch are measured, some of the models calibrate how kernels add up, the others are measured twice and compared
with their predictions, once per mode. `gpu_profile.json` in the folder of --out is written anew after every step, so
what was found is there if the machine is taken away. Needs torch, triton, pydantic and numpy, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from provenance import commit

from frontier.errors import InputError
from frontier.latency_models import (
    KernelCall,
    Measurement,
    Runtime,
    Tracer,
    Workload,
    describe_device,
    kendall_tau,
    measure,
    measure_models,
)
from frontier.latency_models.measuring.cuda_calls import in_cache
from frontier.latency_models.measuring.cuda_timing import l2_bytes
from frontier.latency_models.measuring.host_cost import host_costs
from frontier.latency_models.measuring.replay import prepare
from frontier.latency_models.measuring.timing import pinned
from frontier.latency_models.predicting.composition import draw, fit_composition
from frontier.latency_models.predicting.eager import Dispatched, fit_eager
from frontier.latency_models.predicting.fit import KernelModel
from frontier.search_space import Architecture, SearchSpace
from frontier.supernet import ModelShape

DTYPE = torch.bfloat16
GPU = Runtime(1, "cuda", DTYPE, "graph")
DECODER = {
    "name": "decoder",
    "width": [1536, 2048],
    "depth": [6, 8],
    "token_mixers": [
        {"kind": "attention", "num_heads": 16, "num_kv_heads": [4, 8], "head_dim": 128, "window": [256, None]},
        {"kind": "causal_conv", "channels": [2048, 3072], "kernel_size": 4},
    ],
    "channel_mixers": [{"kind": "swiglu", "inner": [4096, 5632, 8192]}, {"kind": "gelu_mlp", "inner": 8192}],
}
# The share of a workload's time that its kernels may take; whole models get the rest.
KERNEL_SHARE = 0.5


@dataclass(frozen=True)
class Subject:
    """Models of one space at one workload."""

    space: SearchSpace
    shape: ModelShape
    workload: Workload

    @property
    def name(self) -> str:
        """As it is called in the report."""
        return f"{self.space.name} {self.workload.phase} {self.workload.batch}x{self.workload.seq_len}"


def subjects() -> list[Subject]:
    """Small models, whose launches matter, to large ones, whose arithmetic and memory do."""
    small, large = ModelShape(vocab_size=256, context=512), ModelShape(vocab_size=32000, context=2048)
    tiny, hybrid, decoder = SearchSpace.load("tiny-lm"), SearchSpace.load("hybrid-lm"), SearchSpace.parse(DECODER)
    return [
        Subject(tiny, small, Workload("prefill", 1, 511)),
        Subject(tiny, small, Workload("decode", 1, 510)),
        Subject(decoder, large, Workload("prefill", 1, 1024)),
        Subject(decoder, large, Workload("decode", 8, 1024)),
        Subject(hybrid, small, Workload("prefill", 4, 511)),
        Subject(hybrid, small, Workload("decode", 4, 510)),
    ]


class Report:
    """The file that grows, and the time that is left."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._path, self._started, self._seconds = folder / "gpu_profile.json", time.monotonic(), seconds
        device = describe_device(GPU)
        self.content: dict[str, Any] = {"commit": commit(), "device": device, "subjects": []}
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def left_seconds(self) -> float:
        """Until the time is up."""
        return self._seconds - (time.monotonic() - self._started)

    def save(self) -> None:
        """Write all there is, in one stroke."""
        self.content["seconds"] = round(time.monotonic() - self._started, 1)
        unfinished = self._path.with_suffix(".part")
        unfinished.write_text(json.dumps(self.content, indent=1))
        unfinished.replace(self._path)

    def say(self, text: str) -> None:
        """Print a line with the time it was said at."""
        print(f"[{self._seconds - self.left_seconds:5.0f} s] {text}", flush=True)


class Study:
    """One subject's models, from their traces to their errors."""

    def __init__(self, subject: Subject, count: int, seed: int) -> None:
        self.subject = subject
        self.calibration = draw(subject.space, count, seed)
        used = frozenset(architecture.digest for architecture in self.calibration)
        self.validation = draw(subject.space, count, seed + 1, leave_out=used)
        self.tracer = Tracer(subject.shape, "cuda", DTYPE)
        self.measured: list[Measurement] = []
        self.costs: dict[str, float] = {}

    def calls(self) -> list[KernelCall]:
        """What the models launch, the most used calls first."""
        uses: Counter[KernelCall] = Counter()
        for architecture in (*self.calibration, *self.validation):
            uses.update(one.call for one in self.tracer.calls(architecture, self.subject.workload))
        return [call for call, _ in uses.most_common()]

    def dispatched(self, architecture: Architecture) -> Dispatched:
        """The operators of a model with their times: warm ones where it fits into half of the cache."""
        sections = [section for _, section in self.tracer.sections(architecture, self.subject.workload)]
        held = sum(section.fixed_bytes + section.state_bytes for section in sections)
        kernels = self._warm if held < l2_bytes() / 2 else self._cold
        return Dispatched.of([call for section in sections for call in section.calls], kernels, self.costs)

    def fit_kernels(self) -> None:
        """To be called when there are measurements."""
        self._cold, self._warm = KernelModel(self.measured), KernelModel(in_cache(self.measured))

    def times_ms(self, architectures: Sequence[Architecture], mode: str, passes: int) -> list[list[float]]:
        """Median milliseconds of each model, one list per pass."""
        subject = self.subject
        rounds = measure_models(architectures, subject.shape, subject.workload, replace(GPU, mode=mode), passes)
        return [[one.latency_ms for one in models] for models in rounds]

    def compared(self, mode: str) -> dict[str, Any]:
        """Calibrate, predict the others, measure them twice."""
        (latency_ms,) = self.times_ms(self.calibration, mode, 1)
        known, others = ([self.dispatched(one) for one in group] for group in (self.calibration, self.validation))
        fitted, predicted_ms = (by_graph if mode == "graph" else by_host)(known, latency_ms, others)
        first_ms, second_ms = self.times_ms(self.validation, mode, 2)
        return {"fitted": fitted, **errors(predicted_ms, first_ms, second_ms)}


def by_graph(
    known: Sequence[Dispatched], latency_ms: Sequence[float], others: Sequence[Dispatched]
) -> tuple[dict[str, float], list[float]]:
    """Kernel times add up; each kernel has a gap before it, each replay its cost."""

    def table(models: Sequence[Dispatched]) -> np.ndarray:
        return np.array([(model.kernel_us.sum() / 1e3, len(model.kernel_us)) for model in models])

    factor, gap_ms, fixed_ms = fit_composition(table(known), np.array(latency_ms))
    predicted_ms = table(others) @ np.array([factor, gap_ms]) + fixed_ms
    return {"kernel_factor": factor, "gap_us": gap_ms * 1e3, "fixed_us": fixed_ms * 1e3}, predicted_ms.tolist()


def by_host(
    known: Sequence[Dispatched], latency_ms: Sequence[float], others: Sequence[Dispatched]
) -> tuple[dict[str, float], list[float]]:
    """Two timelines, host and device."""
    fitted = fit_eager(known, [1e3 * one for one in latency_ms])
    return asdict(fitted), [fitted.latency_us(model) / 1e3 for model in others]


def errors(predicted_ms: Sequence[float], first_ms: Sequence[float], second_ms: Sequence[float]) -> dict[str, Any]:
    """How far predictions are off, and how far a second measurement is."""
    off = [abs(predicted / measured - 1) for predicted, measured in zip(predicted_ms, first_ms, strict=True)]
    again = [abs(second / first - 1) for first, second in zip(first_ms, second_ms, strict=True)]
    return {
        "mape": statistics.fmean(off),
        "median_ape": statistics.median(off),
        "within_10": sum(one <= 0.1 for one in off) / len(off),
        "kendall_tau": kendall_tau(list(predicted_ms), list(first_ms)),
        "floor_mape": statistics.fmean(again),
        "models": [
            {"predicted_ms": predicted, "measured_ms": first, "again_ms": second}
            for predicted, first, second in zip(predicted_ms, first_ms, second_ms, strict=True)
        ],
    }


def without_failing(calls: Sequence[KernelCall]) -> tuple[list[KernelCall], list[dict[str, str]]]:
    """The calls that run by themselves, and the others with what they say."""
    running, failing = [], []
    with pinned(1):
        for call in calls:
            replay = prepare(call, "cuda")
            try:
                replay.op(*replay.args, **replay.kwargs)
                torch.cuda.synchronize()
                running.append(call)
            except RuntimeError as error:
                failing.append({"op": call.op, "arguments": call.arguments, "error": str(error).partition("\n")[0]})
    return running, failing


def run(report: Report, found: dict[str, Any], subject: Subject, count: int, seed: int, seconds: float) -> None:
    """One subject, as far as its seconds go; what it gives is put into `found` step by step."""
    ends_at = report.left_seconds - seconds
    study = Study(subject, count, seed)
    calls, found["failing"] = without_failing(study.calls())
    report.say(f"{subject.name}: {2 * count} models launch {len(calls)} calls, and {len(found['failing'])} that fail")
    campaign = measure(calls, GPU, budget_seconds=KERNEL_SHARE * (report.left_seconds - ends_at))
    study.measured, study.costs = list(campaign), host_costs(calls)
    found |= {
        "calls": len(calls),
        "not_measured": campaign.remaining,
        "drift": campaign.drift,
        "timing": dict(Counter(one.timing for one in campaign)),
        "host_us": study.costs,
        "measurements": [asdict(one) for one in campaign],
    }
    report.save()
    report.say(f"  measured {len(campaign)}, timing {found['timing']}, drift {campaign.drift:.1%}")
    if not campaign:
        return
    study.fit_kernels()
    for mode in ("graph", "eager"):
        if report.left_seconds < ends_at:
            found[mode] = {"left_out": "the time was up"}
            report.say(f"  {mode}: left out, the time was up")
            continue
        found[mode] = study.compared(mode)
        report.save()
        report.say(
            f"  {mode}: error {found[mode]['mape']:.1%} mean, {found[mode]['median_ape']:.1%} median; a second "
            f"measurement's {found[mode]['floor_mape']:.1%}; tau {found[mode]['kendall_tau']:.2f}"
        )


def survived(report: Report, subject: Subject, count: int, seed: int, seconds: float) -> bool:
    """Run a subject. What goes wrong is told, in the report too, and the next subject gets its turn."""
    found: dict[str, Any] = {"name": subject.name, "space": subject.space.name, **subject.workload.to_json()}
    report.content["subjects"].append(found)
    try:
        run(report, found, subject, count, seed, seconds)
    except Exception:
        found["error"] = traceback.format_exc()
        report.say(f"{subject.name}: {found['error']}")
    report.save()
    return "error" not in found


def main() -> int:
    """Read the options, take the subjects one by one, each with its part of the time that is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu"), help="the folder of the report")
    parser.add_argument("--seconds", type=float, default=420.0, help="the time for everything")
    parser.add_argument("--models", type=int, default=20, help="to calibrate on, and as many to validate on")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        report = Report(options.out, options.seconds)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    report.say(", ".join(f"{name} {value}" for name, value in report.content["device"].items()))
    todo, all_well = subjects(), True
    for number, subject in enumerate(todo):
        if report.left_seconds <= 0:
            report.say(f"{subject.name}: left out, the time was up")
            continue
        seconds = report.left_seconds / (len(todo) - number)
        all_well &= survived(report, subject, options.models, options.seed, seconds)
    return 0 if all_well else 1


if __name__ == "__main__":
    sys.exit(main())
