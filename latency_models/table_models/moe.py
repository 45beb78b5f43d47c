"""Fused mixtures of experts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..tables.moe import distinct_experts
from .family import Family, Features
from .limits import Limits

ROW_TILES = (16, 32, 64, 128)


def features(rows: pd.DataFrame, limits: Limits) -> Features:
    inner = rows.inter / rows.tp
    experts = rows.num_experts / rows.ep
    chosen = distinct_experts(rows)
    routed = rows.tokens * rows.top_k / rows.ep
    found = {
        "inner": inner,
        "experts": experts,
        "chosen": chosen,
        "routed": routed,
        "routed_per_expert": routed / experts,
        "routed_per_chosen": routed / chosen,
        "weights": chosen * inner * rows.hidden,
        "activations": routed * rows.hidden,
        "hidden_activations": routed * inner,
    }
    at_once = limits.multiprocessors or 1
    for tile in ROW_TILES:
        blocks = np.maximum(chosen, 1) * np.ceil(routed / chosen / tile)
        found[f"waves_up_{tile}"] = blocks * np.ceil(2 * inner / 128) / at_once
        found[f"waves_down_{tile}"] = blocks * np.ceil(rows.hidden / 128) / at_once
    return {name: np.log2(values.to_numpy(float)) for name, values in found.items()}


MOE = Family(features=features, axes=())
