"""The kernels of a Mamba-2 mixer."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .family import Family, Features
from .limits import Limits


def features(rows: pd.DataFrame, limits: Limits) -> Features:
    tokens = 1.0 * rows.batch * rows.seq_len
    inner = rows.num_heads * rows.head_dim
    channels = inner + 2 * rows.num_groups * rows.d_state
    found = {"tokens": tokens, "inner": inner, "channels": channels, "work": tokens * channels}
    return {name: np.log2(values.to_numpy(float)) for name, values in found.items()}


MAMBA2 = Family(features=features, axes=())
