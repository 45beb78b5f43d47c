"""How close measured kernels come to the roofline of their device."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...db import Roofs


def with_share(kernels: pd.DataFrame, roofs: Roofs) -> pd.DataFrame:
    """`kernels` with the columns `share` and `lost`.

    `share` is the time that a kernel would take at the device's highest rates of computing and of moving memory,
    whichever is longer, over the time it took. `lost` says that its median is within its spread: the time is too short
    for the clock, and the share says nothing.
    """
    least_us = 1e6 * np.maximum(
        kernels["flops"] / max(roofs.flops_per_second, 1e-9), kernels["bytes"] / max(roofs.bytes_per_second, 1e-9)
    )
    return kernels.assign(
        share=(least_us / kernels["median_us"]).where(kernels["median_us"] > 0),
        lost=kernels["median_us"] <= kernels["spread_us"],
    )


def by_family(kernels: pd.DataFrame) -> pd.DataFrame:
    """One row per family: calls, those whose time is lost in its spread, summed median and the spread's share of it.

    `share` is the median share of the roofline among calls whose time is known; NaN where there is none.
    """
    rows = [
        (
            family,
            len(group),
            int(group["lost"].sum()),
            group["median_us"].sum(),
            group["spread_us"].sum() / max(group["median_us"].sum(), 1e-9),
            group.loc[~group["lost"], "share"].median(),
        )
        for family, group in kernels.groupby("family", sort=True)
    ]
    return pd.DataFrame(rows, columns=["family", "calls", "lost", "median_us", "spread_share", "share"])
