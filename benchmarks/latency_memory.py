"""How well predicted peak memory holds: random architectures of every preset, against torch's own accounting.

python benchmarks/latency_memory.py --count 20
"""

from __future__ import annotations

import argparse
import statistics
from itertools import cycle, islice
from random import Random

from provenance import provenance

from frontier.latency_models import PHASES, Tracer, Workload
from frontier.latency_models.measuring.measured_memory import measured_peak_bytes
from frontier.latency_models.tracing.memory import peak_memory_bytes
from frontier.search_space import Architecture, SearchSpace
from frontier.supernet import ImageShape, ModelShape, Shape

PRESETS = ("tiny-lm", "hybrid-lm", "moe-lm", "mohd-lm", "everything-lm", "pyramid-vit")
TARGET = 0.05
MIB = 2**20


def main() -> None:
    """Read the options, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20, help="architectures, taken from the presets in turn")
    parser.add_argument("--phase", action="append", choices=PHASES, help="repeat for several; all if not given")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--seq-len", type=int, default=128)
    parser.add_argument("--vocab-size", type=int, default=256)
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--side", type=int, default=8, help="of the images")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    text = ModelShape(options.vocab_size, options.context)
    image = ImageShape(channels=1, side=options.side, num_classes=10)
    print(provenance(threads=1))
    print(f"workload  batch {options.batch}, {options.seq_len} tokens or {options.side} x {options.side} pixels\n")
    print("preset         architecture  phase    predicted MiB  measured MiB    error")
    errors: dict[str, list[float]] = {}
    for number, name in enumerate(islice(cycle(PRESETS), options.count)):
        architecture = SearchSpace.load(name).sample(Random(f"{options.seed}:{number}"))
        shape: Shape = image if name == "pyramid-vit" else text
        for phase in options.phase or PHASES:
            if phase == "decode" and shape is image:
                continue
            tokens = image.most_tokens("prefill") if shape is image else options.seq_len
            workload = Workload(phase, options.batch, tokens)
            errors.setdefault(phase, []).append(compare(name, architecture, shape, workload, options.device))
    print("\nphase    cases   median    worst  within 5 %")
    for phase, found in errors.items():
        sizes = [abs(error) for error in found]
        within = sum(size <= TARGET for size in sizes)
        print(f"{phase:8} {len(sizes):5d} {statistics.median(sizes):8.3%} {max(sizes):8.3%}  {within}/{len(sizes)}")


def compare(name: str, architecture: Architecture, shape: Shape, workload: Workload, device: str) -> float:
    """Print a row; the relative error of the prediction."""
    sections = [section for _, section in Tracer(shape, device).sections(architecture, workload)]
    predicted = peak_memory_bytes(sections)
    measured = measured_peak_bytes(architecture, shape, workload, device)
    error = predicted / measured - 1
    print(
        f"{name:14} {architecture.digest[:12]:12}  {workload.phase:7} {predicted / MIB:14.3f} {measured / MIB:13.3f}"
        f" {error:+8.3%}"
    )
    return error


if __name__ == "__main__":
    main()
