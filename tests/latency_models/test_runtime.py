"""What can be timed, and that all else is refused by name."""

from __future__ import annotations

import pytest
import torch

from frontier.errors import InputError
from frontier.latency_models import Runtime, describe_device


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"threads": 0}, "threads: at least 1; got 0"),
        ({"device": "tpu"}, "device: one of cpu, cuda can be measured; got 'tpu'"),
        ({"mode": "graph"}, "mode: eager on cpu; got 'graph'"),
        ({"device": "cuda", "mode": "compiled"}, "mode: graph or eager on cuda; got 'compiled'"),
        ({"dtype": torch.bfloat16}, "dtype: float32 is measured on the cpu; got bfloat16"),
    ],
    ids=str,
)
def test_what_cannot_be_timed_is_refused(given: dict, said: str) -> None:
    with pytest.raises(InputError) as refused:
        Runtime(**given)
    assert str(refused.value) == said


def test_a_description_tells_its_runtime() -> None:
    assert Runtime.of(describe_device(Runtime(threads=3))) == Runtime(threads=3)


def test_a_graph_has_a_gap_before_every_kernel_and_no_other() -> None:
    assert Runtime(device="cuda", mode="graph").gap == "kernel"
    assert Runtime(device="cuda", mode="eager").gap == Runtime().gap == "dispatch"
