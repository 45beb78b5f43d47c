"""Which architectures are compared, and how, as the query of the address says it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode

from ...errors import InputError
from ..job.tabs import overview_href

FEWEST, MOST = 2, 4
ROWS = ("differences", "all")
KEYS = ("with", "rows")
LONGEST = 2000


@dataclass(frozen=True)
class CompareView:
    """What is compared: digests or their beginnings, `job:digest` for one of another job. `rows` are what is listed."""

    names: tuple[str, ...] = ()
    rows: str = "differences"

    @classmethod
    def parse(cls, search: str | None) -> CompareView:
        """Read `?with=d1,d2&rows=all`. The same name twice counts once.

        Raises:
            InputError: an unknown key, a wrong choice, or more architectures than fit side by side.
        """
        text = (search or "").lstrip("?")
        if len(text) > LONGEST:
            raise InputError(f"address: at most {LONGEST} characters; got {len(text)}")
        pairs = dict(parse_qsl(text, keep_blank_values=True))
        for key in pairs:
            if key not in KEYS:
                raise InputError(f"address: a comparison has the keys {', '.join(KEYS)}; got {key!r}")
        rows = pairs.get("rows", "differences")
        if rows not in ROWS:
            raise InputError(f"address: rows: one of {', '.join(ROWS)}; got {rows!r}")
        given = (name.strip() for name in pairs.get("with", "").split(","))
        names = tuple(dict.fromkeys(name for name in given if name))
        if len(names) > MOST:
            raise InputError(f"address: with: at most {MOST} architectures; got {len(names)}")
        return cls(names, rows)

    @property
    def search(self) -> str:
        """The query that `parse` reads back."""
        pairs = {"with": ",".join(self.names)} if self.names else {}
        pairs |= {"rows": self.rows} if self.rows != "differences" else {}
        # Commas and colons may stand as they are in a query, and are easier to read so.
        return f"?{urlencode(pairs, safe=',:')}" if pairs else ""

    def without(self, name: str) -> CompareView:
        return replace(self, names=tuple(other for other in self.names if other != name))

    def and_with(self, name: str) -> CompareView:
        return replace(self, names=(*self.names, name))


def compare_href(job_id: str, view: CompareView) -> str:
    """The address of a comparison."""
    return f"{overview_href(job_id)}/compare{view.search}"
