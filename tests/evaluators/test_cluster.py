"""The cluster of our own keeps to itself."""

from __future__ import annotations

import socket

import pytest
import ray

pytestmark = pytest.mark.usefixtures("cluster")


def test_the_cluster_listens_on_the_loopback_address_alone() -> None:
    (node,) = ray.nodes()
    gcs, _, gcs_port = ray.get_runtime_context().gcs_address.rpartition(":")
    assert {node["NodeManagerAddress"], gcs} == {"127.0.0.1"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.51.100.1", 9))  # sends nothing; tells which address this machine would send from
        outside = probe.getsockname()[0]
    for port in (int(gcs_port), node["NodeManagerPort"], node["ObjectManagerPort"]):
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((outside, port), timeout=5)
