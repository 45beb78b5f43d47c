"""The command line: parses, calls one function, prints.

Exit codes: 0 done, 1 the job failed, 2 the input is wrong (one line says where), 3 interrupted and resumable.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from .db import Ledger, open_ledger
from .errors import InputError
from .jobs.interrupt import as_interrupt
from .ledger_commands import db_app, job_app
from .service_commands import service_app
from .shared_options import (
    DEFAULT_DB,
    DEFAULT_RUNS,
    Db,
    JobArgument,
    Json,
    Runs,
    job_of_file,
    named_job,
    seen_from_here,
)
from .terminal import TerminalReporter, print_facts, print_frame, print_json

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 3
TYPERS_INTERRUPTED = 130  # what typer makes of a KeyboardInterrupt inside a command

app = typer.Typer(
    name="frontier",
    help="Neural architecture search: from your data and device to a model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
device_app = typer.Typer(help="Devices: measure one, list them, check predictions.", no_args_is_help=True)
app.add_typer(device_app, name="device")
app.add_typer(job_app, name="job")
app.add_typer(db_app, name="db")
app.add_typer(service_app)

Space = Annotated[str, typer.Option(help="whose kernels and architectures: a preset or a YAML file")]
DeviceName = Annotated[str, typer.Option("--name", help="the profile's name")]
Threads = Annotated[int, typer.Option(help="CPU threads")]
Kind = Annotated[str, typer.Option(help="cpu, or cuda for the GPU that CUDA_VISIBLE_DEVICES names first")]
Dtype = Annotated[str | None, typer.Option(help="float32, float16 or bfloat16; the device's own if not given")]
Phase = Annotated[str, typer.Option(help="prefill, decode or train")]
Batch = Annotated[int, typer.Option(help="sequences at once")]
SeqLen = Annotated[int, typer.Option(help="tokens read (prefill) or already cached (decode)")]
Context = Annotated[int, typer.Option(help="how many tokens a model holds")]
Images = Annotated[str, typer.Option(help="for a space with stages: the images that models read, as task.data")]
Seconds = Annotated[float, typer.Option(help="time for microbenchmarks that are missing")]
Tables = Annotated[list[Path], typer.Argument(metavar="FILE...", help="kernel tables: Parquet or CSV")]
Duplicates = Annotated[
    str, typer.Option(help="calls measured more than once that disagree: refuse, drop, fastest or last")
]
Seed = Annotated[int, typer.Option(help="for what is drawn at random")]

_on_interrupt: list[str] = []


@app.command()
def init(
    task: Annotated[str, typer.Option(help="text or images, or the kind of a task")] = "text",
    data: Annotated[str | None, typer.Option(help="your text or images: a file, folder or, for text, glob")] = None,
    space: Annotated[str | None, typer.Option(help="a preset or a YAML file")] = None,
    name: Annotated[str, typer.Option(help="the job's name")] = "my-search",
    out: Annotated[Path, typer.Option(help="the job file to write")] = Path("job.yaml"),
) -> None:
    """Write a job file with every field explained."""
    from .jobs.new_file import write_new
    from .jobs.template import job_template

    kinds = {"text": "language_model", "images": "image_classification"}
    if task not in (*kinds, *kinds.values()):
        raise InputError(f"--task: text or language_model, images or image_classification; got {task!r}")
    kind = kinds.get(task, task)
    cpus = os.cpu_count() or 1
    overrides: dict[str, Any] = {"name": name, "cluster": {"cpus": cpus}, "task": {"kind": kind}}
    overrides |= {part: {"workers": cpus} for part in ("training", "search", "finalists")}
    if data:
        overrides["task"]["data"] = seen_from_here(data)
    if kind == "image_classification":
        # A rate that suits the small models for text leaves the deeper of these at chance.
        overrides["space"] = "pyramid-vit"
        overrides["training"]["learning_rate"] = overrides["finalists"]["learning_rate"] = 0.001
    if space:
        overrides["space"] = str(Path(space).resolve()) if Path(space).is_file() else space
    write_new(out, job_template(overrides).encode())
    print(f"{out} written; launch it with: frontier search {out}")


@app.command()
def search(
    job_file: Annotated[Path, typer.Argument(metavar="JOB_FILE", help="a job file; frontier init writes one")],
    db: Db = DEFAULT_DB,
    runs: Runs = DEFAULT_RUNS,
    data: Annotated[str | None, typer.Option(help="replaces the job file's task.data")] = None,
    address: Annotated[str | None, typer.Option(help="a running Ray cluster instead of one of our own")] = None,
    as_json: Json = False,
) -> None:
    """Launch a search job and watch it."""
    from .jobs.driver import launch
    from .jobs.prepared import prepare

    prepared = prepare(job_of_file(job_file, data, address), str(job_file))
    with open_ledger(db) as ledger, TerminalReporter(quiet=as_json) as reporter:
        job_id = launch(prepared, ledger, runs, reporter, lambda job: _created(job, db, as_json))
        _finished(ledger, job_id, db, as_json)


@app.command()
def resume(job: JobArgument, db: Db = DEFAULT_DB, as_json: Json = False) -> None:
    """Take a job up where it stopped."""
    from .jobs.driver import resume as resume_job

    with open_ledger(db, create=False) as ledger, TerminalReporter(quiet=as_json) as reporter:
        found = named_job(ledger, job)
        _created(found.id, db, quiet=True)
        resume_job(ledger, found, reporter)
        _finished(ledger, found.id, db, as_json)


@app.command()
def jobs(db: Db = DEFAULT_DB, as_json: Json = False) -> None:
    """List jobs, the newest first."""
    with open_ledger(db, create=False, read_only=True) as ledger:
        frame = ledger.jobs()
    if as_json:
        print_json(frame)
        return
    columns = {
        "id": "job", "state": "state", "stage": "stage", "evaluations": "scored", "failed": "failed",
        "front_size": "front", "best_val_loss": "best loss (nats)", "created_at": "created",
    }  # fmt: skip
    print_frame(frame, columns)


@app.command()
def show(job: JobArgument, db: Db = DEFAULT_DB, as_json: Json = False) -> None:
    """Show a job: its state, what it found, what happened."""
    with open_ledger(db, create=False, read_only=True) as ledger:
        found = named_job(ledger, job)
        events = ledger.events(found.id)
        exports = ledger.exports(found.id)
    if as_json:
        print_json({**found.__dict__, "events": events, "exports": exports})
        return
    print_facts({
        "job": found.id, "state": found.state, "stage": f"{found.stage} {found.done}/{found.total}",
        "error": found.error, "folder": found.run_dir, "created": found.created_at, **found.facts,
    })  # fmt: skip
    print_frame(events, {"created_at": "at", "stage": "stage", "message": "event"})


@app.command()
def front(
    job: JobArgument,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="print CSV")] = False,
) -> None:
    """Print the Pareto front of a job, the fastest first."""
    from .jobs.front_table import front_table

    with open_ledger(db, create=False, read_only=True) as ledger:
        frame = front_table(ledger, named_job(ledger, job))
    if as_json:
        print_json(frame)
    elif as_csv:
        frame.drop(columns="architecture").to_csv(sys.stdout, index=False)
    else:
        columns = {
            "digest": "architecture", "val_loss": "loss (nats)", "finetuned_loss": "fine-tuned",
            "latency_ms": "latency (ms)", "latency_low_ms": "low", "latency_high_ms": "high",
            "latency_measured_ms": "measured", "param_count": "parameters", "peak_memory_bytes": "peak bytes",
        }  # fmt: skip
        print_frame(frame, columns)


@app.command()
def export(
    job: JobArgument,
    architecture: Annotated[str, typer.Argument(metavar="ARCH", help="digest, the beginning of one, or best")],
    out: Annotated[Path, typer.Option(help="the folder to write; it must not exist")],
    export_format: Annotated[str, typer.Option("--format", help="pytorch")] = "pytorch",
    weights: Annotated[str, typer.Option(help="best, inherited or finetuned")] = "best",
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Export an architecture as a model that runs without Frontier."""
    from .jobs.config import parse_job
    from .jobs.export import export_architecture
    from .jobs.model_card import words_for

    if weights not in ("best", "inherited", "finetuned"):
        raise InputError(f"--weights: best, inherited or finetuned; got {weights!r}")
    with open_ledger(db, create=False) as ledger:
        found = named_job(ledger, job)
        digest = _best(ledger, found.id) if architecture == "best" else architecture
        exported = export_architecture(ledger, found, digest, export_format, out, weights)  # type: ignore[arg-type]
    if as_json:
        print_json({"folder": str(exported.folder), "max_relative_difference": exported.max_relative_difference})
        return
    print(f"{exported.folder}: reloaded in a fresh process, differs by {exported.max_relative_difference:.2g} at most")
    arguments = words_for(parse_job(found.config, found.id).task).arguments
    print(f"try it: python {exported.folder / 'model.py'} {arguments}")


@app.command()
def dashboard(
    db: Db = DEFAULT_DB,
    host: Annotated[str, typer.Option(help="a loopback address")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="the port to serve on")] = 8050,
) -> None:
    """Browse jobs, fronts and architectures; looking changes nothing."""
    from .dashboard import serve

    serve(db, host=host, port=port)


@app.command()
def space(
    name: Annotated[str, typer.Argument(metavar="SPACE", help="a preset or a YAML file")],
    as_json: Json = False,
) -> None:
    """Print a search space: its choices, and how many architectures they span."""
    from .search_space import SearchSpace

    opened = SearchSpace.load(name)
    if as_json:
        print_json({**opened.to_json(), "count": opened.count()})
        return
    print_facts(opened.summary())


@app.command()
def latency(
    architecture: Annotated[Path, typer.Argument(metavar="ARCH.json", help="an architecture as frontier front --json")],
    device: Annotated[str, typer.Option(help="a device of the ledger, measured or imported")],
    phase: Phase = "prefill",
    batch: Batch = 1,
    seq_len: SeqLen = 127,
    new_tokens: Annotated[int, typer.Option(help="tokens decoded in a row: the mean step of them")] = 1,
    tensor_parallel: Annotated[int, typer.Option(help="devices that share the model")] = 1,
    vocab_size: Annotated[int, typer.Option(help="tokens there are to tell apart")] = 256,
    context: Annotated[int | None, typer.Option(help="tokens a model holds; as many as needed if not given")] = None,
    dtype: Dtype = None,
    compiled: Annotated[bool | None, typer.Option("--compiled/--eager", help="whether elementwise calls fuse")] = None,
    images: Images = "digits",
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Predict what an architecture costs on a device, without running it."""
    from .jobs.latency import Question, price, read_architecture, shape_for
    from .jobs.latency_text import latency_lines

    found = read_architecture(architecture)
    question = Question(phase, batch, seq_len, new_tokens, tensor_parallel, dtype, compiled)
    shape = shape_for(found, question, vocab_size, context, images)
    with open_ledger(db, create=False) as ledger, TerminalReporter(quiet=as_json) as reporter:
        answer = price(ledger, device, found, shape, question, reporter)
    if as_json:
        print_json(answer.to_json())
        return
    print("\n".join(latency_lines(answer, device, question)))


@device_app.command("profile")
def device_profile(
    space: Space = "tiny-lm",
    name: DeviceName = "this-machine",
    device: Kind = "cpu",
    dtype: Dtype = None,
    threads: Threads = 1,
    phase: Phase = "prefill",
    batch: Batch = 1,
    seq_len: SeqLen = 127,
    context: Context = 128,
    images: Images = "digits",
    seconds: Seconds = 90.0,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Measure the kernels that a space can launch on this machine."""
    from .jobs.device import profile_device

    config = _device_job(space, name, device, dtype, threads, phase, batch, seq_len, context, images, seconds)
    opened, shape = config.open_space(), config.task.shape
    with open_ledger(db) as ledger, TerminalReporter(quiet=as_json) as reporter:
        profile = profile_device(ledger, config.device, opened, shape, config.workloads, config.seed, reporter)
    facts = {"device": name, **profile.hardware, "kernel calls measured": len(profile.measurements)}
    print_json(facts) if as_json else print_facts(facts)


@device_app.command("list")
def device_list(db: Db = DEFAULT_DB, as_json: Json = False) -> None:
    """List device profiles."""
    with open_ledger(db, create=False, read_only=True) as ledger:
        frame = ledger.devices()
    if as_json:
        print_json(frame)
        return
    columns = {
        "name": "device", "measurements": "kernel calls", "table_rows": "table rows", "validations": "validations",
        "created_at": "created",
    }  # fmt: skip
    print_frame(frame, columns)


@device_app.command("export")
def device_export(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="a measured device of the ledger")],
    out: Annotated[Path, typer.Option(help="the Parquet file to write; it must not exist")],
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Write a device's measured kernels as a Parquet file."""
    from .jobs.device import write_measurements

    with open_ledger(db, create=False, read_only=True) as ledger:
        count = write_measurements(ledger, device, out)
    if as_json:
        print_json({"file": str(out), "measurements": count})
        return
    print(f"{out} written: {count} measured kernel calls")


@device_app.command("import")
def device_import(
    name: Annotated[str, typer.Option("--name", help="the new device's name")],
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE...", help="kernel tables: Parquet or CSV")] = None,
    like: Annotated[str | None, typer.Option(help="an imported device to start from, where little is measured")] = None,
    rates: Annotated[Path | None, typer.Option(help="with --like: what data sheets say of both devices (JSON)")] = None,
    duplicates: Duplicates = "refuse",
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Keep published kernel tables as a device that need not be at hand."""
    from .jobs.kernel_tables import import_device
    from .jobs.like_devices import import_like
    from .jobs.table_devices import fit_tables
    from .latency_models.tables.reader import read_import

    if like is None and (rates or not files):
        raise InputError("--like: needed without tables and with --rates, which compare two devices; got none")
    read = read_import(files, duplicates) if files else None
    with open_ledger(db, create=like is None) as ledger, TerminalReporter(quiet=as_json) as reporter:
        if like is not None:
            report = import_like(ledger, name, like, read, rates, reporter)
        else:
            assert read is not None, "without a known device there are tables"
            report = import_device(ledger, name, read)
        fit_tables(ledger, name, reporter)
    print_json(vars(report)) if as_json else print_facts(report.facts())


@device_app.command("propose")
def device_propose(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="an imported device, or one that is like it")],
    out: Annotated[Path, typer.Option(help="the CSV file to write; it must not exist")],
    kind: Annotated[str, typer.Option(help="which table: gemm, moe, ...")] = "gemm",
    count: Annotated[int, typer.Option(help="how many calls")] = 50,
    where: Annotated[str | None, typer.Option(help="a condition on columns, such as 'm <= 64'")] = None,
    seed: Seed = 0,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Propose which kernel calls to measure next on a device like this one, as a table to fill in."""
    from .jobs.like_devices import propose_calls
    from .jobs.new_file import write_new

    with open_ledger(db, create=False, read_only=True) as ledger:
        calls = propose_calls(ledger, device, kind, count, where, seed)
    write_new(out, calls.to_csv(index=False).encode())
    if as_json:
        print_json({"file": str(out), "calls": len(calls)})
        return
    print(f"{out} written: {len(calls)} calls of {kind}; fill in device, runtime and latency_us, then import it")


@device_app.command("fit")
def device_fit(
    tables: Tables,
    holdout: Annotated[str, typer.Option(help="a condition on columns, such as 'n > 8192': rows to predict")],
    seed: Seed = 0,
    duplicates: Duplicates = "refuse",
    as_json: Json = False,
) -> None:
    """Fit kernel tables without some of their shapes, and say how well those are predicted."""
    from .jobs.table_devices import accuracy_of

    _print_figures(accuracy_of(tables, duplicates, seed, holdout=holdout), as_json)


@device_app.command("evaluate")
def device_evaluate(
    tables: Tables,
    folds: Annotated[int, typer.Option(help="parts that whole shapes are divided into")] = 5,
    seed: Seed = 0,
    duplicates: Duplicates = "refuse",
    as_json: Json = False,
) -> None:
    """Predict every row of kernel tables from shapes other than its own, and say how well."""
    from .jobs.table_devices import accuracy_of

    _print_figures(accuracy_of(tables, duplicates, seed, folds=folds), as_json)


@device_app.command("validate")
def device_validate(
    space: Space = "tiny-lm",
    name: DeviceName = "this-machine",
    device: Kind = "cpu",
    dtype: Dtype = None,
    threads: Threads = 1,
    phase: Phase = "prefill",
    batch: Batch = 1,
    seq_len: SeqLen = 127,
    context: Context = 128,
    images: Images = "digits",
    count: Annotated[int, typer.Option(help="held-out architectures to measure")] = 30,
    seconds: Seconds = 90.0,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Measure held-out architectures and compare with what was predicted."""
    from .jobs.device import profile_device, validate_device
    from .jobs.stages import validation_line

    config = _device_job(space, name, device, dtype, threads, phase, batch, seq_len, context, images, seconds)
    opened, shape = config.open_space(), config.task.shape
    with open_ledger(db) as ledger, TerminalReporter(quiet=as_json) as reporter:
        profile = profile_device(ledger, config.device, opened, shape, config.workloads, config.seed, reporter)
        found = validate_device(
            ledger, profile, opened, shape, config.workload, config.device.runtime, config.seed, count
        )
    if as_json:
        print_json(found.__dict__)
        return
    print(validation_line(found.__dict__, count, name))


def main() -> None:
    """The `frontier` command."""
    signal.signal(signal.SIGTERM, as_interrupt)
    try:
        code = app(standalone_mode=False)
        if code == TYPERS_INTERRUPTED:
            raise KeyboardInterrupt
        sys.exit(code or 0)
    except (KeyboardInterrupt, typer.Abort):
        print(*_on_interrupt or ["interrupted"], file=sys.stderr)
        sys.exit(INTERRUPTED)
    except InputError as error:
        _wrong(str(error))
    except Exception as error:
        if type(error).__module__.split(".")[0] in ("typer", "click") and hasattr(error, "format_message"):
            _wrong(error.format_message())
        if os.environ.get("FRONTIER_DEBUG"):
            raise
        print(f"frontier: failed: {type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(FAILED)


def _print_figures(figures: list[Any], as_json: bool) -> None:
    """How well tables are predicted."""
    from .latency_models.table_models import report

    print_json([asdict(figure) for figure in figures]) if as_json else print(report(figures))


def _wrong(message: str) -> NoReturn:
    print(f"frontier: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(WRONG_INPUT)


def _created(job_id: str, db: str, quiet: bool) -> None:
    """Say how to go on later, now and again when the job is interrupted."""
    command = f"frontier resume {job_id} --db {db}"
    if not quiet:
        print(f"job {job_id}; if it stops, go on with: {command}", flush=True)
    _on_interrupt.append(f"interrupted; go on with: {command}")


def _finished(ledger: Ledger, job_id: str, db: str, as_json: bool) -> None:
    job, front_size = ledger.job(job_id), len(ledger.front(job_id, architectures=False))
    if as_json:
        print_json({"job": job_id, "state": job.state, "front_size": front_size, **job.facts})
        return
    print(f"job {job_id} is {job.state}: a front of {front_size} architectures")
    print(f"see it as a table: frontier front {job_id} --db {db}")
    print(f"see it in a browser: frontier dashboard --db {db}")


def _best(ledger: Ledger, job_id: str) -> str:
    """The front member with the least validation loss, fine-tuned ones first."""
    for fidelity in ("finetuned", "inherited"):
        frame = ledger.front(job_id, fidelity, architectures=False)
        if len(frame):
            return str(frame.sort_values("val_loss")["digest"].iloc[0])
    raise InputError(f"{job_id}: a job with a front; got an empty one")


def _device_job(
    space: str,
    name: str,
    device: str,
    dtype: str | None,
    threads: int,
    phase: str,
    batch: int,
    seq_len: int,
    context: int,
    images: str,
    seconds: float,
) -> Any:
    """The device options as a job, so that they are checked by the same rules."""
    from .jobs.config import parse_job
    from .search_space import SearchSpace

    task: dict[str, Any] = {"context": context}
    if SearchSpace.load(space).layout.pyramid:
        task = {"kind": "image_classification", "data": seen_from_here(images)}
    part = {
        "name": name, "device": device, "dtype": dtype, "threads": threads, "phase": phase, "batch": batch,
        "seq_len": seq_len, "measure_seconds": seconds,
    }  # fmt: skip
    return parse_job({"name": "device", "space": space, "device": part, "task": task}, "options")
