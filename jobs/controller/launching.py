"""The command `launch`: a job file's text becomes a queued job."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ..config import read_job
from ..prepared import prepare, submit
from .command import JOB_FILE, Order


def launch(order: Order) -> dict[str, Any]:
    """Check the job as the command line does and queue it. Relative paths are meant from the service's folder.

    Carried out twice, because the first time nobody heard how it ended, it is one job all the same.

    Raises:
        InputError: one line with the key path, the rule and the value.
    """
    config = read_job(order.argument("job_file"), JOB_FILE, Path.cwd())
    order.tell(0.2, "reading the data")
    prepared = prepare(config, JOB_FILE)
    order.tell(0.8, "queueing the job")
    asked = f"{order.command.id} {order.command.created_at.isoformat()}"
    mark = hashlib.sha256(asked.encode()).hexdigest()[:6]
    return {"job_id": submit(prepared, order.ledger, order.places.runs, mark=mark)}
