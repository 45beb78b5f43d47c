"""The nodes of the clusters that jobs run on, as they come and go."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from sqlalchemy import select

from . import frames
from .rows import Node
from .tables import NodeRow
from .transactions import Transactions, clock


class NodeLedger(Transactions):
    """The nodes of a ledger's jobs."""

    def see_nodes(self, job_id: str, nodes: Sequence[Node]) -> None:
        """Say which nodes a job's cluster has now. Those that are new have joined, those that are missing have left.

        Raises:
            InputError: there is no such job.
        """
        present = {node.node_id: node for node in nodes}
        with self._writing() as session:
            self._locked_job(session, job_id)
            moment = clock(session)
            known = {row.node_id: row for row in session.scalars(select(NodeRow).where(NodeRow.job_id == job_id))}
            for row in known.values():
                if row.node_id not in present and row.left_at is None:
                    row.left_at = max(moment, row.joined_at)
            for node in present.values():
                there = known.get(node.node_id)
                if there is None:
                    session.add(NodeRow(job_id=job_id, joined_at=moment, **vars(node)))
                else:
                    there.address, there.cpus, there.gpus, there.left_at = node.address, node.cpus, node.gpus, None

    def nodes(self, job_id: str) -> pd.DataFrame:
        """Every node that a job ran on, in the order they joined; `left_at` is NaT for those that are there now."""
        query = select(*(getattr(NodeRow, name) for name in frames.NODES)).where(NodeRow.job_id == job_id)
        return self._frame(frames.NODES, query.order_by(NodeRow.joined_at, NodeRow.node_id))
