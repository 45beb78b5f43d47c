"""How many programs fill a device, for kernels whose programs each take a share of all the work."""

from __future__ import annotations

import torch

# Under the interpreter few, so that small examples give a program more than one share.
INTERPRETED_PROCESSORS = 3


def processors(device: torch.device) -> int:
    """Streaming multiprocessors of a GPU."""
    if device.type != "cuda":
        return INTERPRETED_PROCESSORS
    return torch.cuda.get_device_properties(device).multi_processor_count
