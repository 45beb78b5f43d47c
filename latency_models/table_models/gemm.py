"""Matrix products."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .family import Family, Features
from .limits import Limits
from .neighbours import Axis
from .tiles import tile_features


def features(rows: pd.DataFrame, limits: Limits) -> Features:
    m, n, k = (rows[axis].to_numpy(float) for axis in "mnk")
    return {
        **tile_features(m, n, limits),
        "output": np.log2(m * n),
        "activations": np.log2(m * k),
        "weights": np.log2(n * k),
        "operands": np.log2(m * k + n * k),
        "m_residue": m % 128,
        "n_residue": n % 256,
        "k_residue": k % 64,
    }


GEMM = Family(
    features=features,
    axes=(
        Axis("n", along=lambda rows: rows.n, fixed=lambda rows: rows[["m", "k", "dtype"]]),
        Axis("k", along=lambda rows: rows.k, fixed=lambda rows: rows[["m", "n", "dtype"]]),
    ),
    separate=("dtype",),
)
