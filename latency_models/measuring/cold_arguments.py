"""Which arguments of a call come from memory rather than from the L2 cache of a GPU.

What a kernel reads was either written by a kernel just before it, and is still in the cache if it fits, or it was last
touched one forward pass ago: parameters, and the keys and values of decoding. In a model that is larger than the cache
the latter come from memory every time.
"""

from __future__ import annotations

import json
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

from ..calls import KernelCall
from .replay import Replay, prepare

# By operator, the places of its parameters among the arguments.
PARAMETERS: dict[str, tuple[int, ...]] = {
    "aten.mm": (1,),
    "aten.addmm": (0, 2),
    "aten.mv": (0,),
    "aten.addmv": (0, 1),
    "aten.convolution": (1, 2),
    "aten.embedding": (0,),
    "aten.native_layer_norm": (2, 3),
    "aten.native_group_norm": (1, 2),
    "aten.native_batch_norm": (1, 2, 3, 4),
    "aten._fused_rms_norm": (2,),
    "frontier.causal_conv1d": (1,),
    "frontier.moe_mlp": (1, 2, 3),
    "frontier.mohd_read": (1,),
    "frontier.mohd_write": (1,),
}
QUERY, KEYS, VALUES = range(3)


def cold_arguments(call: KernelCall) -> tuple[int, ...]:
    """The places of a call's tensors that were last touched one forward pass ago."""
    places = PARAMETERS.get(call.op.rpartition(".")[0], ())
    args = json.loads(call.arguments)["args"]
    if call.family == "attention" and args[QUERY]["tensor"][-2] == 1 < args[KEYS]["tensor"][-2]:
        # One query on many keys is a step of decoding: its keys and values are the cache of all steps before.
        places = (KEYS, VALUES)
    return tuple(place for place in places if place < len(args) and args[place] is not None)


def cold_bytes(replay: Replay, places: tuple[int, ...]) -> int:
    """Bytes of the tensors at these places."""
    return sum(tensor.numel() * tensor.element_size() for place in places for tensor in _tensors(replay.args[place]))


def with_own_cold(call: KernelCall, replay: Replay, places: tuple[int, ...], seed: int) -> Replay:
    """The same call on the same tensors, but with tensors of its own at these places."""
    device = next(_tensors(replay.args)).device.type
    fresh = prepare(call, device, seed)
    args = [fresh.args[place] if place in places else value for place, value in enumerate(replay.args)]
    return Replay(replay.op, args, replay.kwargs)


def _tensors(value: Any) -> Any:
    return (leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor))
