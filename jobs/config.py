"""The job file: every setting of a search job, read from YAML, validated, saved whole with the job."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal, Self, get_args

import torch
import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from ..errors import InputError
from ..evaluators.tasks import BUILT_IN_DATA, TASKS, LanguageModelConfig, TaskConfig, kind_of
from ..latency_models import Runtime, Workload
from ..search_space import SearchSpace, first_problem

Objective = Literal["val_loss", "latency_ms", "param_count", "peak_memory_bytes"]
Limited = Literal["latency_ms", "param_count", "peak_memory_bytes"]
SamplerName = Literal["nsga2", "tpe", "random"]
RuleName = Literal["balanced", "uniform", "sandwich", "stratified", "progressive", "fair", "multi", "attentive"]

TASK_PATHS = ("data", "tokenizer")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DeviceConfig(_Part):
    """The device that latency is predicted for, and the work it is asked to do."""

    name: str = Field("this-machine", min_length=1, description="the device profile's name in the ledger")
    device: str = Field("cpu", description="what it is: cpu, or cuda for the GPU that CUDA_VISIBLE_DEVICES names first")
    dtype: Literal["float32", "float16", "bfloat16"] | None = Field(
        None, description="of parameters and activations; float32 on a cpu, bfloat16 on cuda if not given"
    )
    threads: PositiveInt = Field(1, description="CPU threads that the exported model will run with")
    phase: Literal["prefill", "decode", "train"] = Field("prefill", description="which latency is the objective")
    batch: PositiveInt = Field(1, description="sequences or images at once")
    seq_len: PositiveInt = Field(127, description="tokens read (prefill) or already cached (decode); for text")
    measure_seconds: PositiveFloat = Field(90.0, description="time for kernel microbenchmarks on a new device")
    calibration_models: int = Field(16, ge=5, description="whole models measured to learn launch gaps")
    validation_models: NonNegativeInt = Field(30, description="held-out models measured to check predictions")

    @model_validator(mode="after")
    def _can_be_timed(self) -> Self:
        try:
            self.runtime  # noqa: B018
        except InputError as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def runtime(self) -> Runtime:
        """How models run on it: on cuda as graphs, which is what can be predicted there."""
        device = "cuda" if self.device == "cuda:0" else self.device
        dtype = self.dtype or ("bfloat16" if device == "cuda" else "float32")
        return Runtime(self.threads, device, getattr(torch, dtype), "graph" if device == "cuda" else "eager")


class Limit(_Part):
    """A hard constraint: candidates above it are never scored."""

    max: PositiveFloat


class TrainingConfig(_Part):
    """How the supernet is trained."""

    steps: PositiveInt = Field(400, description="updates of the shared weights")
    batch_size: PositiveInt = Field(8, description="windows or images per worker and update")
    learning_rate: PositiveFloat = Field(0.005, description="peak of a warm-up and cosine schedule")
    warmup_steps: NonNegativeInt = Field(20, description="updates until the peak")
    weight_decay: NonNegativeFloat = Field(0.05, description="of matrices")
    base_width: NonNegativeInt = Field(0, description="learning rate of matrices times this / input width; 0: not so")
    rule: RuleName = Field("balanced", description=f"which subnets an update visits: {', '.join(get_args(RuleName))}")
    random_subnets: NonNegativeInt = Field(3, description="subnets per update beside the largest and smallest")
    loss_weights: tuple[PositiveFloat, ...] = Field((), description="of an update's groups, in order; empty: alike")
    width_power: float = Field(0.0, description="a subnet's loss also weighs its width to this power")
    balance_weight: NonNegativeFloat = Field(0.01, description="of the losses that spread tokens over experts")
    distill_weight: float = Field(0.0, ge=0.0, le=1.0, description="share of the largest subnet's predictions")
    distill_below_nats: NonNegativeFloat = Field(2.2, description="distil only once the largest is better than this")
    distill_warmup: float = Field(0.0, ge=0.0, le=1.0, description="share of the steps before any distilling")
    distill_ramp: float = Field(0.0, ge=0.0, le=1.0, description="share of the steps over which distill_weight rises")
    workers: PositiveInt = Field(2, description="data-parallel workers")
    threads: PositiveInt = Field(1, description="CPU threads per worker")
    use_gpu: bool = Field(False, description="one GPU per worker")
    report_every: PositiveInt = Field(25, description="updates between points of the loss curve")
    checkpoint_every: PositiveInt = Field(50, description="updates between checkpoints")

    @model_validator(mode="after")
    def _the_batch_can_be_split(self) -> Self:
        subnets = self.random_subnets + 2
        if self.rule == "multi" and self.batch_size < subnets:
            raise ValueError(
                f"batch_size: at least random_subnets + 2 = {subnets} for the rule multi; got {self.batch_size}"
            )
        return self


class SearchConfig(_Part):
    """How architectures are proposed and scored."""

    evaluations: PositiveInt = Field(240, description="architectures to score")
    sampler: SamplerName = Field("nsga2", description="who proposes: nsga2, tpe or random")
    population: int = Field(40, ge=2, description="population of nsga2")
    batch_size: PositiveInt = Field(4, description="architectures per call to a worker")
    recalibrate_steps: NonNegativeInt = Field(0, description="updates of a subnet's norm weights before it is scored")
    workers: PositiveInt = Field(2, description="scoring workers")
    threads: PositiveInt = Field(1, description="CPU threads per worker")


class FinalistsConfig(_Part):
    """Front members that are trained further from inherited weights, and measured."""

    count: NonNegativeInt = Field(4, description="front members, spread evenly over the front")
    steps: PositiveInt = Field(120, description="updates of each")
    batch_size: PositiveInt = Field(16, description="windows per update")
    learning_rate: PositiveFloat = Field(0.002, description="peak of a warm-up and cosine schedule")
    workers: PositiveInt = Field(2, description="how many at once")
    threads: PositiveInt = Field(1, description="CPU threads each")


class ClusterConfig(_Part):
    """Where the workers run."""

    address: str | None = Field(None, description="a running Ray cluster; empty starts one on this machine")
    cpus: PositiveInt = Field(2, description="CPUs of the cluster that is started")


class JobConfig(_Part):
    """A whole search job."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="small letters, digits and dashes")
    task: TaskConfig = Field(LanguageModelConfig(), description="what the models learn")
    space: str | dict[str, Any] = Field("tiny-lm", description="a preset, a YAML file, or the space itself")
    device: DeviceConfig = Field(DeviceConfig(), description="what latency is predicted for")
    objectives: tuple[Objective, ...] = Field(("val_loss", "latency_ms"), description="what is minimised")
    constraints: dict[Limited, Limit] = Field({}, description="hard limits, such as latency_ms: {max: 3.0}")
    training: TrainingConfig = Field(TrainingConfig(), description="the supernet's training")
    search: SearchConfig = Field(SearchConfig(), description="the search itself")
    finalists: FinalistsConfig = Field(FinalistsConfig(), description="what happens to the front's members")
    cluster: ClusterConfig = Field(ClusterConfig(), description="where workers run")
    seed: NonNegativeInt = Field(0, description="the same seed and workers give the same search")

    @model_validator(mode="after")
    def _rules_between_parts(self) -> Self:
        if "val_loss" not in self.objectives or len(self.objectives) < 2:
            raise ValueError("objectives: val_loss and at least one other")
        if len(set(self.objectives)) != len(self.objectives):
            raise ValueError("objectives: each is listed once")
        self._check_workload()
        for part in ("training", "search", "finalists"):
            asked = getattr(self, part).threads * getattr(self, part).workers
            if asked > self.cluster.cpus and self.cluster.address is None:
                raise ValueError(
                    f"{part}.workers: workers times threads is at most cluster.cpus = {self.cluster.cpus}; got {asked}"
                )
        return self

    def _check_workload(self) -> None:
        device, task = self.device, self.task
        if not isinstance(task, LanguageModelConfig):
            if device.phase != "prefill":
                raise ValueError(f"device.phase: prefill for images, which are seen at once; got {device.phase}")
            return
        most = task.context - (device.phase == "decode")
        if device.seq_len > most:
            raise ValueError(
                f"device.seq_len: at most {most} for {device.phase} in a context of {task.context}; "
                f"got {device.seq_len}"
            )

    @property
    def workload(self) -> Workload:
        """The workload whose latency is the objective. Images are read whole, whatever `seq_len` says."""
        device, images = self.device, not isinstance(self.task, LanguageModelConfig)
        tokens = self.task.shape.most_tokens(device.phase) if images else device.seq_len
        return Workload(device.phase, device.batch, tokens)

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """The objective's workload first, then for text what else is shown, at the same size: reading and decoding."""
        if not isinstance(self.task, LanguageModelConfig):
            return (self.workload,)
        cached = min(self.device.seq_len, self.task.context - 1)
        shown = {
            "prefill": Workload("prefill", self.device.batch, self.device.seq_len),
            "decode": Workload("decode", self.device.batch, cached),
        }
        return (self.workload, *(workload for phase, workload in shown.items() if phase != self.device.phase))

    def open_space(self) -> SearchSpace:
        """The space of this job.

        Raises:
            InputError: it is not there, or breaks a rule.
        """
        if isinstance(self.space, str):
            return SearchSpace.load(self.space)
        return SearchSpace.parse(self.space)


def load_job(path: Path) -> JobConfig:
    """Read a job file; a relative path of its space or data is meant from the file's folder.

    Raises:
        InputError: one line with the file, the key path, the rule and the value.
    """
    try:
        raw = yaml.safe_load(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: a job file that can be read; {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise InputError(f"{path}: a job file is a mapping of settings; got {raw!r}")
    config = parse_job(_with_paths_from(raw, path.parent), str(path))
    try:
        config.open_space()
    except InputError as error:
        raise InputError(f"{path}: space: {error}") from None
    return config


def _with_paths_from(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The job with its relative paths made absolute, so that it can be resumed from anywhere."""
    placed = dict(raw)
    space, task = raw.get("space"), raw.get("task")
    if isinstance(space, str) and (folder / space).is_file():
        placed["space"] = str((folder / space).resolve())
    if isinstance(task, dict):
        placed["task"] = {
            key: absolute(value, folder) if key in TASK_PATHS and isinstance(value, str) and value not in BUILT_IN_DATA
            else value
            for key, value in task.items()
        }  # fmt: skip
    return placed


def absolute(path: str, folder: Path) -> str:
    """A path or glob as seen from `folder`."""
    return str(folder.resolve() / Path(path).expanduser())


def parse_job(raw: dict[str, Any], source: str) -> JobConfig:
    """Validate plain data as a job. Raises InputError naming `source`, the key path, the rule and the value."""
    kind = kind_of(raw.get("task", {}))
    if kind not in tuple(TASKS):
        raise InputError(f"{source}: task.kind: one of {', '.join(TASKS)}; got {json.dumps(kind, default=str)}")
    try:
        return JobConfig.model_validate_json(json.dumps(raw, default=str))
    except ValidationError as error:
        # The path runs through the union of tasks; the kind is no key that the job file has there.
        raise InputError(f"{source}: {re.sub(rf'^task.{kind}', 'task', first_problem(error))}") from None
