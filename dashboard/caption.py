"""What the latency of a job is the latency of."""

from __future__ import annotations

from typing import Any


def caption(config: dict[str, Any]) -> str:
    """What a job's latency is the latency of: `decode, batch 1, 256 tokens, on laptop (2 threads)`."""
    job_device = config.get("device") or {}
    images = (config.get("task") or {}).get("kind") == "image_classification"
    parts = [
        str(job_device[key]) if key == "phase" else f"{words} {job_device[key]}"
        for key, words in (("phase", ""), ("batch", "batch"))
        if job_device.get(key) is not None
    ]
    if job_device.get("seq_len") is not None and not images:
        parts.append(f"{job_device['seq_len']} tokens")
    if job_device.get("name"):
        count = job_device.get("threads")
        threads = f" ({count} thread{'' if count == 1 else 's'})" if count else ""
        parts.append(f"on {job_device['name']}{threads}")
    return ", ".join(parts)
