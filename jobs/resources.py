"""Whether the cluster has what a job asks for, found out before anything starts."""

from __future__ import annotations

import torch

from ..errors import InputError
from .config import JobConfig


def check_gpus(config: JobConfig) -> None:
    """Refuse more GPUs than this machine has. A named cluster is asked when it is joined: it may grow.

    Raises:
        InputError: with the setting and what there is.
    """
    if config.cluster.address is not None:
        return
    present = torch.cuda.device_count()
    for part in ("training", "search"):
        settings = getattr(config, part)
        if settings.use_gpu and settings.workers > present:
            raise InputError(
                f"{part}.workers: with use_gpu at most the {present} GPUs of this machine; got {settings.workers}"
            )
