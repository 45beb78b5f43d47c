"""What is decided before anything runs on a GPU: how often a launch is repeated, on how many copies, what is cold."""

from __future__ import annotations

import json
from random import Random

import pytest
import torch

from frontier.errors import InputError
from frontier.latency_models import (
    DeviceProfile,
    KernelCall,
    Measurement,
    Workload,
    describe_device,
    measure,
    space_calls,
)
from frontier.latency_models.calls import encode
from frontier.latency_models.measuring.cold_arguments import cold_arguments, cold_bytes, with_own_cold
from frontier.latency_models.measuring.cuda_calls import in_cache
from frontier.latency_models.measuring.cuda_models import model_run, time_models
from frontier.latency_models.measuring.cuda_timing import FLUSH, MOST_LAUNCHES, REPLAY_US, copies_for, launches_for
from frontier.latency_models.measuring.host_cost import VIEW, dispatch_us, host_costs
from frontier.latency_models.measuring.launched_kernels import kernel_names
from frontier.latency_models.measuring.replay import operator, prepare
from frontier.latency_models.runtime import Runtime
from frontier.latency_models.tracing.trace import Tracer
from frontier.search_space import SearchSpace
from frontier.supernet import ModelShape

needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")


def call_of(op: str, family: str, *args: object) -> KernelCall:
    return KernelCall(op, family, encode(args, {}), 1, 1)


MATMUL = call_of("aten.mm.default", "matmul", torch.empty(5, 63), torch.empty(9, 63).T)
SDPA = "aten._scaled_dot_product_flash_attention.default"


@pytest.mark.parametrize("one_us", [0.5, 2.3, 40.0, 249.0, 251.0, 9000.0])
def test_a_replay_lasts_long_enough_or_holds_all_it_may(one_us: float) -> None:
    launches = launches_for(one_us)
    assert 1 <= launches <= MOST_LAUNCHES
    assert launches * one_us >= REPLAY_US or launches == MOST_LAUNCHES
    assert launches == 1 or (launches - 1) * one_us < REPLAY_US


@pytest.mark.parametrize("one_bytes", [1, 1000, 10**6, 63 * 10**6, 10**9])
def test_a_copy_has_left_the_cache_when_its_turn_comes_again(one_bytes: int) -> None:
    l2_bytes, launches = 60 * 10**6, 63
    copies = copies_for(one_bytes, l2_bytes, launches)
    assert 1 <= copies <= launches
    assert copies == launches or (copies - 1) * one_bytes >= FLUSH * l2_bytes
    assert copies_for(one_bytes, l2_bytes, 1) == 1


def test_weights_and_the_cache_of_decoding_are_cold() -> None:
    def attention(queries: int) -> KernelCall:
        keys = torch.empty(1, 2, 63, 8)
        return call_of(SDPA, "attention", torch.empty(1, 2, queries, 8), keys, keys, 0.0, False)

    assert cold_arguments(MATMUL) == (1,)
    assert cold_arguments(attention(queries=1)) == (1, 2)
    assert cold_arguments(attention(queries=63)) == ()
    assert cold_arguments(call_of("aten.add.Tensor", "pointwise", torch.empty(3), torch.empty(3))) == ()
    no_bias = call_of(
        "aten.convolution.default", "convolution",
        torch.empty(1, 3, 9), torch.empty(3, 1, 2), None, [1], [0], [1], False, [0], 3,
    )  # fmt: skip
    assert cold_arguments(no_bias) == (1,)


def test_every_operator_with_cold_arguments_exists_and_takes_them(space: SearchSpace, shape: ModelShape) -> None:
    found = 0
    for call in space_calls(space, shape, [Workload("prefill", 1, 21), Workload("decode", 1, 21)]):
        places = cold_arguments(call)
        found += bool(places)
        declared = operator(call.op)._schema.arguments
        assert all("Tensor" in str(declared[place].type) for place in places), call.op
    assert found > 10


def test_a_replay_with_cold_tensors_of_its_own_shares_the_others() -> None:
    replay = prepare(MATMUL)
    other = with_own_cold(MATMUL, replay, (1,), seed=1)
    assert cold_bytes(replay, (1,)) == 9 * 63 * 4
    assert other.args[0] is replay.args[0]
    assert other.args[1].stride() == replay.args[1].stride()
    assert not torch.equal(other.args[1], replay.args[1])
    assert other.args[1].data_ptr() != replay.args[1].data_ptr()


def test_models_that_fit_take_the_warm_time() -> None:
    cold = Measurement(MATMUL, 9.0, 0.1, 12, timing="graph", warm_us=4.0)
    by_events = Measurement(MATMUL, 30.0, 0.1, 12, timing="events", note="called a synchronizing CUDA operation")
    assert [one.median_us for one in in_cache([cold, by_events])] == [4.0, 30.0]


def test_a_profile_keeps_how_a_call_was_timed() -> None:
    measured = Measurement(MATMUL, 9.0, 0.1, 12, timing="graph", warm_us=4.0, kernel_names=("gemm", "splitk"))
    profile = DeviceProfile("gpu", {"device": "cuda"}, (measured,))
    plain = json.loads(json.dumps(profile.to_json()))
    assert DeviceProfile.from_json(plain) == profile
    for field in ("timing", "warm_us", "kernel_names", "note"):
        del plain["measurements"][0][field]
    assert DeviceProfile.from_json(plain).measurements == (Measurement(MATMUL, 9.0, 0.1, 12),)


def test_views_cost_the_host_too() -> None:
    costs = {"matmul": 5.0, "norm": 8.0, VIEW: 1.0}
    assert dispatch_us(["matmul", "norm", "scan"], [1, 3, 1], costs) == [5.0, 10.0, 8.0]


def test_kernel_names_are_asked_by_call() -> None:
    """A CPU has none; that every call is found in the profile is what can be seen here."""
    assert kernel_names([MATMUL], device="cpu") == {MATMUL.key: ()}


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_a_model_runs_in_bfloat16_again_and_again(space: SearchSpace, shape: ModelShape, phase: str) -> None:
    workload = Workload(phase, 2, 21)
    with torch.inference_mode():
        run = model_run(space.sample(Random(0)), shape, workload, torch.bfloat16, device="cpu")
        said = [run(), run()]
    logits = said[0] if phase == "prefill" else said[0][0]
    assert logits.dtype == torch.bfloat16
    assert logits.shape[0] == 2


def test_describing_a_cpu_tells_what_it_always_did() -> None:
    found = describe_device(Runtime(3))
    keys = ["device", "cpu_model", "cores", "threads", "capability", "torch", "dtype", "platform", "backend"]
    assert list(found) == keys
    assert (found["device"], found["threads"], found["dtype"], found["backend"]) == ("cpu", 3, "float32", "eager")


def test_what_cannot_be_timed_is_refused_by_name(space: SearchSpace, shape: ModelShape) -> None:
    models = [space.sample(Random(0))]
    with pytest.raises(InputError, match="phase: prefill or decode"):
        time_models(models, shape, Workload("train", 1, 21), passes=1)
    with pytest.raises(InputError, match="seq_len"):
        time_models(models, shape, Workload("prefill", 1, 41), passes=1)


@needs_no_gpu
def test_without_a_gpu_everything_says_so_in_one_line(space: SearchSpace, shape: ModelShape) -> None:
    workload = Workload("prefill", 1, 21)
    for ask in (
        lambda: measure([MATMUL], Runtime(1, "cuda", mode="graph")),
        lambda: describe_device(Runtime(1, "cuda", mode="graph")),
        lambda: host_costs([MATMUL]),
        lambda: Tracer(shape, "cuda"),
        lambda: time_models([space.sample(Random(0))], shape, workload, passes=1),
    ):
        with pytest.raises(InputError, match=r"^device: a CUDA device .* is needed; got 'cuda' here$"):
            ask()
