"""How well predicted latency holds on this machine: measure kernels, calibrate, validate on held-out architectures.

python benchmarks/latency_validation.py --space tiny-lm --phase prefill --count 30 --threads 1
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

from provenance import provenance

from frontier.latency_models import (
    PHASES,
    DeviceProfile,
    Workload,
    calibrate,
    describe_device,
    fit_predictor,
    measure,
    space_calls,
    validate,
)
from frontier.search_space import SearchSpace
from frontier.supernet import ModelShape


def main() -> None:
    """Read the options, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="tiny-lm", help="a preset or a YAML file")
    parser.add_argument("--phase", action="append", choices=PHASES, help="repeat for several; both if not given")
    parser.add_argument("--count", type=int, default=30, help="held-out architectures")
    parser.add_argument("--calibrate", type=int, default=24, help="architectures to calibrate on")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seq-len", type=int, default=128)
    parser.add_argument("--vocab-size", type=int, default=256)
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    space = SearchSpace.load(options.space)
    shape = ModelShape(options.vocab_size, options.context)
    workloads = [Workload(phase, options.batch, options.seq_len) for phase in options.phase or PHASES]
    hardware = describe_device(options.threads)
    print(provenance(options.threads))
    print(f"workload  {space.name}, batch {options.batch}, {options.seq_len} tokens, {options.threads} thread(s)")

    started = time.perf_counter()
    calls = space_calls(space, shape, workloads)
    traced = time.perf_counter()
    measurements = measure(calls, options.threads)
    measured = time.perf_counter()
    print(f"kernels   {len(calls)} distinct, traced in {traced - started:.1f} s, measured in {measured - traced:.1f} s")
    print(f"          slowdown of the machine accepted while measuring: {measurements.drift:.1%}")

    profile = DeviceProfile("this machine", hardware, tuple(measurements))
    composition = calibrate(profile, space, shape, workloads, options.seed, options.calibrate)
    print(f"calibrated on {options.calibrate} models in {time.perf_counter() - measured:.1f} s\n")
    predictor = fit_predictor(replace(profile, composition=composition), shape)

    print(
        "phase    models  ms from       to    MAPE  median   floor  in 10%    tau  covered  factor    launch     fixed"
    )
    for workload in workloads:
        result = validate(predictor, space, shape, workload, options.threads, options.seed + 1, options.count)
        fitted = predictor.composition[workload.phase]
        latencies = [pair["measured_ms"] for pair in result.pairs]
        covered = sum(pair["low_ms"] <= pair["measured_ms"] <= pair["high_ms"] for pair in result.pairs)
        print(
            f"{workload.phase:8} {options.count:6d} {min(latencies):8.3f} {max(latencies):8.3f} {result.mape:7.2%}"
            f" {result.median_ape:7.2%} {result.floor_mape:7.2%} {result.within_10:7.1%} {result.kendall_tau:6.3f}"
            f" {covered / options.count:8.0%} {fitted.kernel_factor:7.3f} {fitted.launch_ms * 1e3:6.2f} us"
            f" {fitted.fixed_ms:6.3f} ms"
        )


if __name__ == "__main__":
    main()
