"""The job file: every setting of a search job, read from YAML, validated, saved whole with the job."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal, Self, get_args

import torch
import yaml
from pydantic import (
    AliasChoices,
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

from ..db.words import Objective
from ..errors import InputError
from ..evaluators.tasks import BUILT_IN_DATA, TASKS, LanguageModelConfig, TaskConfig, kind_of
from ..latency_models import PHASES, Runtime, Workload
from ..search_space import SearchSpace, first_problem

RuleName = Literal["balanced", "uniform", "sandwich", "stratified", "progressive", "fair", "multi", "attentive"]

# The objectives that are the latency of one phase, whichever phase the device is asked for.
PHASE_OF: dict[str, str] = {f"{phase}_latency_ms": phase for phase in PHASES}

TASK_PATHS = ("data", "tokenizer")
# Job files written before there were other algorithms than samplers say the latter.
ALGORITHM_KEYS = ("algorithm", "sampler")


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
    """A hard constraint. What is predicted to be above it is never scored; what is found to be is not on the front."""

    max: PositiveFloat


class TrainingConfig(_Part):
    """How the supernet is trained."""

    steps: NonNegativeInt = Field(400, description="updates of the shared weights; 0 takes those of warm_start")
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
    workers: PositiveInt = Field(2, description="data-parallel workers, each with subnets and a batch of its own")
    fewest_workers: PositiveInt | None = Field(
        None, description="train with so few while the cluster has no room for more; null: wait for all workers"
    )
    threads: PositiveInt = Field(1, description="CPU threads per worker")
    use_gpu: bool = Field(False, description="one GPU per worker")
    report_every: PositiveInt = Field(25, description="updates between points of the loss curve")
    checkpoint_every: PositiveInt = Field(50, description="updates between checkpoints")

    @model_validator(mode="after")
    def _the_batch_can_be_split(self) -> Self:
        if self.fewest_workers is not None and self.fewest_workers > self.workers:
            raise ValueError(f"fewest_workers: at most workers = {self.workers}; got {self.fewest_workers}")
        subnets = self.random_subnets + 2
        if self.rule == "multi" and self.batch_size < subnets:
            raise ValueError(
                f"batch_size: at least random_subnets + 2 = {subnets} for the rule multi; got {self.batch_size}"
            )
        return self


class SearchConfig(_Part):
    """How architectures are proposed and scored, and when that ends."""

    evaluations: PositiveInt = Field(240, description="architectures to score")
    seconds: PositiveFloat | None = Field(None, description="end after so much time too; null: however long it takes")
    patience: NonNegativeInt = Field(0, description="end when so many evaluations gained next to nothing; 0: never")
    least_gain: float = Field(0.001, ge=0.0, lt=1.0, description="share of the hypervolume that counts as a gain")
    algorithm: str = Field(
        "predictor",
        validation_alias=AliasChoices(*ALGORITHM_KEYS),
        description="who proposes: predictor, evolution, nsga2, nsga3, tpe, slimming, random, or FILE.py:NAME",
    )
    population: int = Field(40, ge=2, description="population of nsga2, nsga3 and evolution")
    batch_size: PositiveInt = Field(4, description="architectures per call to a worker")
    recalibrate_steps: NonNegativeInt = Field(0, description="updates of a subnet's norm weights before it is scored")
    limit_seconds: PositiveFloat = Field(300.0, description="an architecture that takes longer has failed")
    give_up_margin: NonNegativeFloat | None = Field(
        None, description="stop scoring what is this share worse than the front after a part of the data; null: never"
    )
    workers: PositiveInt = Field(2, description="scoring workers")
    threads: PositiveInt = Field(1, description="CPU threads per worker")
    use_gpu: bool = Field(False, description="one GPU per worker")


class WarmStartConfig(_Part):
    """Another job's supernet to go on from. Its space and data must be this job's."""

    job: str = Field(min_length=1, description="the other job's id in the same database, or the beginning of it")


class FinalistsConfig(_Part):
    """Front members that are trained further from inherited weights, and measured."""

    count: NonNegativeInt = Field(4, description="front members, spread evenly over the front")
    steps: PositiveInt = Field(120, description="updates of each")
    batch_size: PositiveInt = Field(16, description="windows per update")
    learning_rate: PositiveFloat = Field(0.002, description="peak of a warm-up and cosine schedule")
    workers: PositiveInt = Field(2, description="how many at once")
    threads: PositiveInt = Field(1, description="CPU threads each")
    distill_weight: float = Field(0.0, ge=0.0, le=1.0, description="share of the largest subnet's predictions")


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
    constraints: dict[Objective, Limit] = Field({}, description="hard limits, such as latency_ms: {max: 3.0}")
    warm_start: WarmStartConfig | None = Field(
        None, description="go on from another job's supernet, {job: ID}; with training.steps 0 from its scores too"
    )
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
        self._check_phases()
        if not self.training.steps and self.warm_start is None:
            raise ValueError("training.steps: at least 1 without a warm_start; got 0")
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

    def _check_phases(self) -> None:
        if isinstance(self.task, LanguageModelConfig):
            return
        for name in (*self.objectives, *self.constraints):
            if PHASE_OF.get(name, "prefill") != "prefill":
                raise ValueError(f"{name}: images are seen at once, there is prefill_latency_ms; got {name}")

    @property
    def workload(self) -> Workload:
        """The workload whose latency is the objective. Images are read whole, whatever `seq_len` says."""
        device, images = self.device, not isinstance(self.task, LanguageModelConfig)
        tokens = self.task.shape.most_tokens(device.phase) if images else device.seq_len
        return Workload(device.phase, device.batch, tokens)

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """The objective's workload first, then what else is an objective, limited or shown, at the same size.

        For text reading and decoding are always among them.
        """
        asked = {phase for name in (*self.objectives, *self.constraints) if (phase := PHASE_OF.get(name))}
        if not isinstance(self.task, LanguageModelConfig):
            return (self.workload,)
        phases = [phase for phase in PHASES if phase in asked | {"prefill", "decode"} and phase != self.device.phase]
        # Of a whole context one token less is cached when the next one is decoded.
        most = {"decode": self.task.context - 1}
        size = self.device.seq_len
        return (
            self.workload,
            *(Workload(phase, self.device.batch, min(size, most.get(phase, size))) for phase in phases),
        )

    @property
    def limits(self) -> dict[str, float]:
        """The most that each constrained quantity may be."""
        return {name: limit.max for name, limit in self.constraints.items()}

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
        text = path.read_text()
    except OSError as error:
        raise InputError(f"{path}: a job file that can be read; {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    return read_job(text, str(path), path.parent)


def read_job(text: str, source: str, folder: Path) -> JobConfig:
    """Read the text of a job file; its relative paths are meant from `folder`.

    Raises:
        InputError: one line with the `source`, the key path, the rule and the value.
    """
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{source}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise InputError(f"{source}: a job file is a mapping of settings; got {raw!r}")
    config = parse_job(_with_paths_from(raw, folder), source)
    try:
        config.open_space()
    except InputError as error:
        raise InputError(f"{source}: space: {error}") from None
    return config


def _with_paths_from(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The job with its relative paths made absolute, so that it can be resumed from anywhere."""
    placed = dict(raw)
    space, task, search = raw.get("space"), raw.get("task"), raw.get("search")
    if isinstance(space, str) and (folder / space).is_file():
        placed["space"] = str((folder / space).resolve())
    if isinstance(task, dict):
        placed["task"] = {
            key: absolute(value, folder) if key in TASK_PATHS and isinstance(value, str) and value not in BUILT_IN_DATA
            else value
            for key, value in task.items()
        }  # fmt: skip
    if isinstance(search, dict):
        placed["search"] = {
            key: absolute(value, folder) if key in ALGORITHM_KEYS and ".py:" in str(value) else value
            for key, value in search.items()
        }
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
