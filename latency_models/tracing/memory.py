"""How the memory of sections adds up to that of a model, over the course of one run."""

from __future__ import annotations

from collections.abc import Sequence

from .section import Section


def peak_memory_bytes(sections: Sequence[Section]) -> int:
    """The most bytes alive at once, of sections in running order.

    Parameters, state and the optimiser are there all the while. Forward, every section finds what those before it
    saved. Backward, in reverse, it finds that too, and what those behind it kept. The update finds all that was kept.
    """
    always = sum(section.fixed_bytes + section.held_bytes for section in sections)
    saved, kept_behind, peak = 0, sum(section.kept_bytes for section in sections), 0
    peak = kept_behind + max(section.update_bytes for section in sections)
    for section in sections:
        kept_behind -= section.kept_bytes
        peak = max(peak, saved + section.peak_bytes, saved + kept_behind + section.backward_bytes)
        saved += section.saved_bytes
    return always + peak
