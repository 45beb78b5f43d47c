"""The job file's training part: it names every rule, and reaches the trainer whole."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from frontier.db import open_ledger
from frontier.errors import InputError
from frontier.evaluators.tasks import open_task
from frontier.evaluators.training import TrainingReport
from frontier.jobs.config import RuleName, TrainingConfig, parse_job
from frontier.jobs.stages import Run, load_text, recalibration_batches, training_plan
from frontier.latency_models import DeviceProfile, KernelCall, Measurement, Predictor
from frontier.latency_models.predicting.fit import KernelModel
from frontier.supernet.expert_load import ExpertLoad
from frontier.supernet.training_rules import RULES


def test_the_job_file_offers_every_rule_of_the_table() -> None:
    assert get_args(RuleName) == tuple(RULES)
    assert TrainingConfig().rule in RULES


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_documented(rule: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()
    assert f"| `{rule}` |" in text


def test_every_option_reaches_the_trainer() -> None:
    training = {
        "rule": "fair", "steps": 7, "learning_rate": 0.1, "warmup_steps": 2, "weight_decay": 0.3, "base_width": 32,
        "loss_weights": [2.0, 1.0], "width_power": 0.5, "balance_weight": 0.2, "distill_weight": 0.7,
        "distill_below_nats": 1.5, "distill_warmup": 0.25, "distill_ramp": 0.125, "random_subnets": 3,
    }  # fmt: skip
    config = parse_job({"name": "job", "training": training}, "job")
    plan = training_plan(config, config.open_space(), "runs")
    assert (plan.rule, plan.random_subnets) == ("fair", 3)
    told = {name: value for name, value in training.items() if name not in ("rule", "random_subnets", "loss_weights")}
    assert {name: getattr(plan.options, name) for name in told} == told
    assert plan.options.loss_weights == (2.0, 1.0)


def test_a_batch_too_small_to_split_is_refused() -> None:
    training = {"rule": "multi", "batch_size": 3, "random_subnets": 2}
    with pytest.raises(InputError, match=r"job: training: .*batch_size: at least random_subnets \+ 2 = 4 .*; got 3"):
        parse_job({"name": "job", "training": training}, "job")
    parse_job({"name": "job", "training": {**training, "batch_size": 4}}, "job")


def test_recalibration_sees_training_batches_of_its_own() -> None:
    config = parse_job(
        {"name": "job", "task": {"context": 8}, "device": {"seq_len": 7}, "search": {"recalibrate_steps": 3}}, "job"
    )
    task = open_task(config.task)
    batches = recalibration_batches(config, task)
    assert [inputs.shape for inputs, _ in batches] == [(config.training.batch_size, 8)] * 3
    again = recalibration_batches(config, task)
    assert all((one[0] == other[0]).all() for one, other in zip(batches, again, strict=True))
    assert not (batches[0][0] == batches[1][0]).all()


class Told:
    """A reporter that remembers the last line of progress."""

    text = ""

    def stage(self, name: str, total: int) -> None: ...

    def progress(self, done: int, total: int, text: str = "") -> None:
        self.text = text

    def note(self, message: str) -> None: ...


def test_the_load_over_experts_is_told_and_kept(tmp_path: Path) -> None:
    config = parse_job({"name": "job", "task": {"context": 8}, "device": {"seq_len": 7}}, "job")
    reporter = Told()
    task = open_task(config.task)
    profile = DeviceProfile("one", {}, (Measurement(KernelCall("x", "copy", "{}", 0, 1), 1.0, 0.0, 1),))
    predictor = Predictor(KernelModel(profile.measurements), {}, task.shape)
    with open_ledger(str(tmp_path / "frontier.db")) as ledger:
        objectives = ["val_loss", "latency_ms"]
        job = ledger.create_job(job_id="a1", name="job", config={}, space={}, run_dir="runs", objectives=objectives)
        run = Run(config, ledger, job, task, config.open_space(), profile, predictor, reporter)
        run._on_training(TrainingReport(10, 3.0, 2.5, 1.0))
        assert reporter.text == "smallest 3.000, largest 2.500 nats"
        assert "expert_load" not in ledger.job("a1").facts
        run._on_training(TrainingReport(20, 2.0, 1.5, 2.0, ExpertLoad(1.5, 0.125)))
        assert reporter.text.endswith("nats, busiest expert 1.5 times its share, 12% of experts unused")
        kept = ledger.job("a1").facts["expert_load"]
    assert kept == {"step": 20, "max_over_uniform": 1.5, "dead_share": 0.125}


def test_the_load_is_told_in_words() -> None:
    assert load_text(ExpertLoad(2.04, 0.25)) == "busiest expert 2.0 times its share, 25% of experts unused"
