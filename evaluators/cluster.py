"""The Ray cluster that a job runs on: one of its own on this machine, or one that the user names."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ray
from ray._private import ray_constants

from ..errors import InputError

OBJECT_STORE_BYTES = 512 * 2**20
FOLDER_PREFIX = "frontier-ray-"

# Ray's own names. The first two: no reports home, and no cluster started behind our back by a call that comes after the
# end of ours. The third has a cluster on Linux keep to the loopback address, as it does on other systems; Ray reads it
# when it is imported, which is true of the processes it starts and too late in this one (see `_on_loopback`).
LOCAL_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_AUTO_CONNECT": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
}


@contextmanager
def ray_cluster(cpus: int, address: str | None = None) -> Iterator[None]:
    """Connect to Ray for the length of the block.

    Without an address a cluster of our own is started on 127.0.0.1 with a folder and a token of its own, and stopped
    at the end; nothing else that Ray runs on this machine is joined or touched.

    Raises:
        InputError: the named cluster cannot be reached.
    """
    if address:
        try:
            with _terminate_as_before():
                ray.init(address=address, logging_level="error", log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise InputError(f"cluster.address: a Ray cluster that answers; got {address!r}: {error}") from None
        try:
            yield
        finally:
            ray.shutdown()
        return
    os.environ.update(LOCAL_ENVIRONMENT)
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    _remove_abandoned_folders()
    # Ray puts sockets here, and the path of a socket holds 107 characters: a short folder of the system's, not ours.
    folder = tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getpid()}-", dir="/tmp")
    try:
        with _terminate_as_before(), _on_loopback():
            ray.init(
                address="local",
                num_cpus=cpus,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                logging_level="error",
                log_to_driver=False,
                _temp_dir=folder,
            )
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class ClusterNode:
    """A machine of the cluster and what it offers."""

    node_id: str
    address: str
    cpus: float
    gpus: float


def present_nodes() -> list[ClusterNode]:
    """The nodes that live in the cluster this process is connected to, from any thread; none where there is none."""
    if not ray.is_initialized():
        return []
    try:
        found = ray.nodes()
    except (ray.exceptions.RaySystemError, AttributeError):  # it was left between the two lines
        return []
    return [
        ClusterNode(
            node["NodeID"],
            node["NodeManagerAddress"],
            float(node["Resources"].get("CPU", 0.0)),
            float(node["Resources"].get("GPU", 0.0)),
        )
        for node in found
        if node["Alive"]
    ]


@contextmanager
def _terminate_as_before() -> Iterator[None]:
    """Keep what SIGTERM does to this process: connecting to Ray would make it exit at once, its state unsaid."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Have a cluster that is started in this block listen on 127.0.0.1 alone."""
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _remove_abandoned_folders() -> None:
    """Folders of drivers that were killed: Ray's processes end with their driver, its files do not."""
    for folder in Path("/tmp").glob(f"{FOLDER_PREFIX}*"):
        pid = folder.name.removeprefix(FOLDER_PREFIX).split("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)
