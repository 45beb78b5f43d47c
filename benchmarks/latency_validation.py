"""How well predicted latency holds on this machine: measure kernels, calibrate, validate on held-out architectures.

python benchmarks/latency_validation.py --space hybrid-lm --phase prefill --count 60 --threads 1

No architecture that is validated on was measured before: kernels are fitted to kernels, and how they add up to other
models. Every space is measured from nothing.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

from provenance import provenance

from frontier.latency_models import (
    Composition,
    DeviceProfile,
    Runtime,
    Validation,
    Workload,
    calibrate,
    describe_device,
    fit_predictor,
    measure_space,
    space_calls,
    validate,
)
from frontier.search_space import SearchSpace
from frontier.supernet import ImageShape, ModelShape, Shape

SPACES = ("hybrid-lm", "everything-lm", "pyramid-vit")
PHASES = ("prefill", "decode")
HEADING = (
    "phase    models  ms from       to    MAPE  median   floor  in 10%    tau  covered  factor    launch     fixed"
)


def main() -> None:
    """Read the options, measure, print a table for every space."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", action="append", help="a preset or a YAML file; repeat for several")
    parser.add_argument("--phase", action="append", choices=PHASES, help="repeat for several; both if not given")
    parser.add_argument("--count", type=int, default=60, help="held-out architectures")
    parser.add_argument("--calibrate", type=int, default=24, help="architectures to calibrate on")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seq-len", type=int, default=128)
    parser.add_argument("--vocab-size", type=int, default=256)
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=600.0, help="time for the kernels of one space")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(provenance(options.threads))
    for name in options.space or SPACES:
        check(SearchSpace.load(name), options)


def check(space: SearchSpace, options: argparse.Namespace) -> None:
    """Measure, calibrate and validate one space."""
    shape, workloads = setting(space, options)
    print(f"\n{space.name}, batch {options.batch}, {workloads[0].seq_len} tokens, {options.threads} thread(s)")
    predictor = fit_predictor(profiled(space, shape, workloads, options), shape)
    print(HEADING, flush=True)
    for workload in workloads:
        runtime = Runtime(options.threads)
        result = validate(predictor, space, shape, workload, runtime, options.seed + 1, options.count)
        print(line(result, predictor.composition[workload.phase], workload.phase), flush=True)


def setting(space: SearchSpace, options: argparse.Namespace) -> tuple[Shape, list[Workload]]:
    """What the space's models are for, and what they are asked."""
    phases = options.phase or PHASES
    if not space.layout.pyramid:
        shape = ModelShape(options.vocab_size, options.context)
        return shape, [Workload(phase, options.batch, options.seq_len) for phase in phases]
    digits = ImageShape(channels=1, side=8, num_classes=10)
    return digits, [Workload("prefill", options.batch, digits.most_tokens("prefill"))]


def profiled(space: SearchSpace, shape: Shape, workloads: list[Workload], options: argparse.Namespace) -> DeviceProfile:
    """This machine as far as the space needs it, measured now."""
    started = time.perf_counter()
    calls = space_calls(space, shape, workloads)
    traced = time.perf_counter()
    found = measure_space(calls, Runtime(options.threads), budget_seconds=options.seconds, seed=options.seed)
    measured = time.perf_counter()
    print(f"kernels   {len(found)} of {len(calls)} measured in {measured - traced:.0f} s, ", end="")
    print(f"{'the rest settled' if found.settled else 'time was up'}; traced in {traced - started:.0f} s")
    print(f"          slowdown of the machine accepted while measuring: {found.drift:.1%}")
    profile = DeviceProfile("this machine", describe_device(Runtime(options.threads)), tuple(found))
    composition = calibrate(profile, space, shape, workloads, options.seed, options.calibrate)
    print(f"          calibrated on {options.calibrate} models in {time.perf_counter() - measured:.0f} s")
    return replace(profile, composition=composition)


def line(result: Validation, fitted: Composition, phase: str) -> str:
    """One phase's line of the table."""
    measured_ms = [pair["measured_ms"] for pair in result.pairs]
    covered = sum(pair["low_ms"] <= pair["measured_ms"] <= pair["high_ms"] for pair in result.pairs)
    return (
        f"{phase:8} {len(measured_ms):6d} {min(measured_ms):8.3f} {max(measured_ms):8.3f} {result.mape:7.2%}"
        f" {result.median_ape:7.2%} {result.floor_mape:7.2%} {result.within_10:7.1%} {result.kendall_tau:6.3f}"
        f" {covered / len(measured_ms):8.0%} {fitted.kernel_factor:7.3f} {fitted.launch_ms * 1e3:6.2f} us"
        f" {fitted.fixed_ms:6.3f} ms"
    )


if __name__ == "__main__":
    main()
