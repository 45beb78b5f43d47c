"""A Ray cluster of our own for the tests of this folder, on 127.0.0.1, stopped by its handle."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from frontier.evaluators.cluster import ray_cluster


@pytest.fixture(scope="package")
def cluster() -> Iterator[None]:
    with ray_cluster(cpus=2):
        yield
