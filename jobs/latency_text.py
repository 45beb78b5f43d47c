"""A predicted latency in words."""

from __future__ import annotations

from collections.abc import Iterator

from ..latency_models.predicting.report import LatencyReport, Part
from .latency import Answer, Question

SOURCES = {
    "measured": "measured",
    "table": "fitted to tables",
    "transfer": "carried over",
    "regression": "fitted to measurements",
    "bytes": "from what it moves",
}


def latency_lines(answer: Answer, device: str, question: Question) -> Iterator[str]:
    """What a terminal shows of an answer."""
    found = answer.report
    yield f"{_workload(question)} on {_devices(device, found)}: {found.latency_ms:.4g} ms"
    yield f"  between {found.low_ms:.4g} and {found.high_ms:.4g} ms, nine times out of ten"
    if found.p95_ms != found.latency_ms:
        yield f"  {found.mean_ms:.4g} on average and {found.p95_ms:.4g} at the 95th percentile of uneven loads"
    each = " on each" if found.devices > 1 else ""
    yield f"  {found.param_count:,} parameters{each}, peak memory {_bytes(found.peak_memory_bytes)}{each}"
    if found.state_bytes:
        yield f"  a decoding state of {_bytes(found.state_bytes)}{each}"
    if found.devices > 1:
        yield f"  {found.exposed_share:.1%} of the time waits for other devices"
    yield ""
    for name, fact in answer.basis.items():
        yield f"{name:<12} {fact}"
    yield f"{'checked':<12} {_validation(answer)}"
    yield ""
    yield from _table(found.parts)
    if found.extrapolates:
        yield f"outside of what was measured: {found.extrapolated_share:.1%} of the time; such figures are less sure"
    if found.by_bytes:
        yield "of these nothing is known but what they move and compute; their interval is wide:"
        yield from (f"  {part.name}: {part.share:.1%} of the time, {part.calls} launched" for part in found.by_bytes)


def _workload(question: Question) -> str:
    sequences = f"{question.batch} sequence{'s' if question.batch > 1 else ''}"
    if question.phase == "prefill":
        return f"prefill of {sequences} of {question.seq_len}"
    if question.new_tokens > 1:
        return f"a mean step of {question.new_tokens} decoded after {question.seq_len}, {sequences}"
    return f"{question.phase} after {question.seq_len}, {sequences}"


def _devices(device: str, found: LatencyReport) -> str:
    return device if found.devices == 1 else f"{found.devices} x {device}"


def _validation(answer: Answer) -> str:
    checked = answer.validation
    if checked is None:
        return "never on whole models of this device in this phase"
    return (
        f"{checked['count']} models of {checked['space']}: off by {checked['mape']:.1%} on average, "
        f"measuring again by {checked['floor_mape']:.1%}"
    )


def _table(parts: tuple[Part, ...]) -> Iterator[str]:
    yield f"{'kernels':<18} {'calls':>6} {'ms':>10} {'share':>7}  priced by"
    for part in parts:
        yield f"{part.name:<18} {part.calls:>6} {part.latency_ms:>10.4g} {part.share:>7.1%}  {SOURCES[part.source]}"


def _bytes(count: int) -> str:
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.3g} {unit}" if unit != "bytes" else f"{count} bytes"
        count /= 1000  # type: ignore[assignment]
    raise AssertionError("the last unit takes any count")
