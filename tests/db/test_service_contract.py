"""What a service tells and is told: who lives, which nodes there are, which jobs are to stop and to go on."""

from __future__ import annotations

import time

import pytest

from frontier.db import Job, Ledger, Node
from frontier.errors import InputError

LIMIT_SECONDS = 30


def submit(ledger: Ledger, job_id: str, priority: int | None = 0) -> Job:
    return ledger.create_job(
        job_id=job_id, name="n", config={}, space={}, run_dir="r", objectives=["val_loss"], priority=priority
    )


class TestControllers:
    def test_who_announced_itself_lives_until_it_falls_silent(self, ledger: Ledger) -> None:
        ledger.announce("first", "here", 60)
        ledger.announce("second", "there", 0.05)
        deadline = time.monotonic() + LIMIT_SECONDS
        while ledger.controllers()["alive"].all():
            assert time.monotonic() < deadline, "a silent controller lives for ever"
            time.sleep(0.01)
        told = ledger.controllers().set_index("name")
        assert list(told.index) == ["second", "first"]
        assert told["alive"].to_dict() == {"first": True, "second": False}
        assert told.loc["first", "host"] == "here"

    def test_it_goes_on_living_by_saying_so(self, ledger: Ledger) -> None:
        ledger.announce("c", "here", 1e-6)
        first = ledger.controllers().iloc[0]
        ledger.announce("c", "here", 60)
        again = ledger.controllers().iloc[0]
        assert (again["started_at"], again["alive"]) == (first["started_at"], True)
        assert again["seen_at"] >= first["seen_at"]

    def test_who_took_leave_is_gone(self, ledger: Ledger) -> None:
        ledger.announce("c", "here", 60)
        ledger.take_leave("c")
        ledger.take_leave("nobody")
        assert ledger.controllers().empty
        assert ledger.controllers()["alive"].dtype == bool

    def test_bad_announcements_are_refused(self, ledger: Ledger) -> None:
        with pytest.raises(InputError, match="name must not be empty"):
            ledger.announce("", "here", 60)
        with pytest.raises(InputError, match="seconds: of a lease must be above 0"):
            ledger.announce("c", "here", -1)


class TestNodes:
    HEAD, SPARE = Node("h", "10.0.0.1", 2.0, 0.0), Node("s", "10.0.0.2", 8.0, 1.0)

    def test_they_come_and_go(self, ledger: Ledger, job: Job) -> None:
        ledger.see_nodes(job.id, [self.HEAD])
        ledger.see_nodes(job.id, [self.HEAD, self.SPARE])
        ledger.see_nodes(job.id, [self.HEAD])
        told = ledger.nodes(job.id).set_index("node_id")
        assert list(told.index) == ["h", "s"]
        assert told["cpus"].to_dict() == {"h": 2.0, "s": 8.0}
        assert told["address"].to_dict() == {"h": "10.0.0.1", "s": "10.0.0.2"}
        assert told["left_at"].isna().to_dict() == {"h": True, "s": False}
        assert told.loc["s", "joined_at"] <= told.loc["s", "left_at"]

    def test_one_that_comes_back_is_there(self, ledger: Ledger, job: Job) -> None:
        for nodes in ([self.SPARE], [], [self.SPARE]):
            ledger.see_nodes(job.id, nodes)
        assert ledger.nodes(job.id)["left_at"].isna().tolist() == [True]

    def test_they_are_the_jobs_own(self, ledger: Ledger, job: Job) -> None:
        submit(ledger, "other")
        ledger.see_nodes(job.id, [self.HEAD])
        ledger.see_nodes("other", [self.HEAD])
        ledger.see_nodes("other", [])
        assert ledger.nodes(job.id)["left_at"].isna().all()
        assert ledger.delete_job("other")["nodes"] == 1
        assert len(ledger.nodes(job.id)) == 1
        with pytest.raises(InputError, match="'other'"):
            ledger.see_nodes("other", [])


class TestStopping:
    def test_a_running_job_is_told_until_it_is_given_up(self, ledger: Ledger) -> None:
        submit(ledger, "a")
        assert not ledger.stop_asked("a")
        ledger.claim_job("w", 60)
        ledger.ask_to_stop("a")
        assert ledger.stop_asked("a")
        assert ledger.job("a").stop_asked
        assert ledger.jobs()["stop_asked"].tolist() == [True]
        assert ledger.job("a").state == "running"
        ledger.set_state("a", "interrupted")
        assert ledger.release("a", "w", "interrupted")
        assert not ledger.stop_asked("a")

    def test_a_job_that_waits_is_out_of_the_queue_at_once(self, ledger: Ledger) -> None:
        submit(ledger, "a")
        ledger.ask_to_stop("a")
        assert (ledger.job("a").state, ledger.job("a").stop_asked) == ("interrupted", False)
        assert ledger.claim_job("w", 60) is None

    def test_a_job_that_begins_is_told(self, ledger: Ledger, job: Job) -> None:
        ledger.ask_to_stop(job.id)  # its driver has created it and not said yet that it runs
        assert (ledger.job(job.id).state, ledger.stop_asked(job.id)) == ("queued", True)

    def test_one_given_back_to_the_queue_stays_out_of_it(self, ledger: Ledger) -> None:
        submit(ledger, "a")
        ledger.claim_job("w", 60)
        ledger.ask_to_stop("a")
        assert ledger.release("a", "w", "queued")
        assert (ledger.job("a").state, ledger.job("a").stop_asked) == ("interrupted", False)

    def test_who_resumes_takes_it_back(self, ledger: Ledger, job: Job) -> None:
        ledger.set_state(job.id, "running")
        ledger.ask_to_stop(job.id)
        ledger.forget_stop(job.id)
        assert not ledger.stop_asked(job.id)

    @pytest.mark.parametrize("state", ["interrupted", "done", "failed"])
    def test_what_does_not_run_cannot_be_stopped(self, ledger: Ledger, job: Job, state: str) -> None:
        ledger.set_state(job.id, state)
        with pytest.raises(InputError, match=f"must be running or queued to be stopped; {job.id} is {state}"):
            ledger.ask_to_stop(job.id)
        for ask in (ledger.ask_to_stop, ledger.stop_asked):
            with pytest.raises(InputError, match="'nobody'"):
                ask("nobody")


class TestQueuedAgain:
    @pytest.mark.parametrize("state", ["interrupted", "failed"])
    def test_it_waits_anew(self, ledger: Ledger, job: Job, state: str) -> None:
        ledger.set_state(job.id, state, error="why")
        ledger.enqueue(job.id, priority=3)
        queued = ledger.job(job.id)
        assert (queued.state, queued.priority, queued.error) == ("queued", 3, None)
        claimed = ledger.claim_job("w", 60)
        assert claimed is not None
        assert claimed.id == job.id

    def test_a_claim_that_was_not_given_up_yet_is_void(self, ledger: Ledger) -> None:
        submit(ledger, "a")
        ledger.claim_job("w", 60)
        ledger.set_state("a", "interrupted")
        ledger.enqueue("a")
        assert not ledger.release("a", "w", "interrupted")
        assert ledger.job("a").state == "queued"
        assert ledger.claim_job("other", 60) is not None

    @pytest.mark.parametrize("state", ["running", "done"])
    def test_one_that_runs_or_is_done_is_refused(self, ledger: Ledger, job: Job, state: str) -> None:
        ledger.set_state(job.id, state)
        with pytest.raises(InputError, match=f"interrupted or failed to be queued again; {job.id} is {state}"):
            ledger.enqueue(job.id)
