"""The words a column may hold. The tables check them, the rows assert them."""

from __future__ import annotations

from typing import Literal, get_args

JobState = Literal["queued", "running", "interrupted", "done", "failed"]
Stage = Literal["profile", "train", "search", "finetune", "done"]
Fidelity = Literal["inherited", "finetuned"]
EvaluationState = Literal["complete", "infeasible", "failed", "hopeless"]
Subnet = Literal["smallest", "largest"]
Phase = Literal["prefill", "decode", "train"]
CommandKind = Literal["launch", "price", "export"]
CommandState = Literal["waiting", "running", "done", "failed"]
Objective = Literal[
    "val_loss",
    "latency_ms",
    "prefill_latency_ms",
    "decode_latency_ms",
    "train_latency_ms",
    "param_count",
    "peak_memory_bytes",
]

JOB_STATES: tuple[str, ...] = get_args(JobState)
STAGES: tuple[str, ...] = get_args(Stage)
FIDELITIES: tuple[str, ...] = get_args(Fidelity)
EVALUATION_STATES: tuple[str, ...] = get_args(EvaluationState)
SUBNETS: tuple[str, ...] = get_args(Subnet)
PHASES: tuple[str, ...] = get_args(Phase)
COMMAND_KINDS: tuple[str, ...] = get_args(CommandKind)
COMMAND_STATES: tuple[str, ...] = get_args(CommandState)
OBJECTIVES: tuple[str, ...] = get_args(Objective)
