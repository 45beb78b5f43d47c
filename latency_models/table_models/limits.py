"""What tables do not say of a device: its multiprocessors and its cache."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Without a number of `multiprocessors`, tiles are counted instead of waves."""

    multiprocessors: int | None = None
    l2_bytes: int | None = None


# Vendors' data sheets. Drivers append variants to these names.
KNOWN: dict[str, Limits] = {
    "NVIDIA A100": Limits(108, 40 * MIB),
    "NVIDIA B200": Limits(148, 126 * MIB),
    "NVIDIA H20": Limits(78, 60 * MIB),
    "NVIDIA H100": Limits(132, 50 * MIB),
    "NVIDIA H200": Limits(132, 50 * MIB),
    "NVIDIA L40S": Limits(142, 96 * MIB),
}


def limits_of(device: str) -> Limits:
    """The limits of a device by name, which may have more at its end; of one that is not known, none."""
    names = [name for name in KNOWN if device.startswith(name)]
    return KNOWN[max(names, key=len)] if names else Limits()
