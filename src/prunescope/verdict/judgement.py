"""What a judge says: of each model, of each criterion, and the rows that it hangs on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from prunescope.verdict.criterion import Criterion, Severity
from prunescope.verdict.glossary import size, unit_of
from prunescope.verdict.numbers import decimal, would_tell

State = Literal["held", "broken", "open", "not judged", "absent"]
"""What can be said of a criterion. ``absent``: the audit has nothing that it is about."""

Answer = Literal["ship", "care", "stop", "unknown"]
"""Whether a model may be shipped: yes, with care, no, or that nobody can tell."""

WORDS: Mapping[Answer, str] = {
    "ship": "Ship",
    "care": "Ship with care",
    "stop": "Do not ship",
    "unknown": "Cannot tell",
}
"""Answers in words, the best first where several models have several."""

WORST_FIRST: tuple[Answer, ...] = ("stop", "unknown", "care", "ship")

MOST_SHOWN = 40
"""Rows that a notebook shows."""

LONGEST = 80
"""Letters of a name that are shown."""

AT_A_LIMIT = "at or beyond a limit"
"""What is said of broken rows where they are counted."""


class Frozen(BaseModel):
    """A record that does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Row(Frozen):
    """A row of the audit, and what it makes of a damage.

    `damage` is the estimate and `reach` the upper confidence bound, in the metric's unit; null
    where they are not known. `more` is how many more units, called `unit`, would rule the damage
    out. `low` and `high` are of the change where there is one, else of the value. What is judged by
    the value alone has no `baseline`.
    """

    metric: str
    attribute: str | None
    group: str | None
    group_value: str | None
    value: float | None
    baseline: float | None
    low: float | None
    high: float | None
    damage: float | None
    reach: float | None
    q: float | None
    n: int | None
    more: int | None
    unit: str
    state: str
    reason: str | None

    @classmethod
    def of(cls, row: Mapping[str, Any], unit: str, on_value: bool = False) -> Row:
        """Read a judged row of the audit table; `on_value`: whatever its change from dense."""
        told = {name: row[name] for name in cls.model_fields if name in row}
        if on_value:
            told["baseline"] = None
        elif row["delta"] is not None:
            told |= {"low": row["delta_low"], "high": row["delta_high"]}
        told["unit"] = unit
        told = {name: _finite(one) for name, one in told.items()}
        return cls.model_validate(told | {"more": told["more"] and int(told["more"])})

    @property
    def place(self) -> str:
        """What it is about: "Bald by Male", "over all"."""
        group = self.group
        if group is not None and self.group_value is not None:
            group = f"{group}={self.group_value}"
        names = [shown(name) for name in (self.attribute, group) if name is not None]
        return " by ".join(names) or "over all"

    @property
    def why(self) -> str:
        """Why there is nothing to judge by."""
        return shown(self.reason or "it has no value", 3 * LONGEST)

    @property
    def figure(self) -> str:
        """Write the values before and after, or the value alone, with the interval.

        >>> places = {"metric": "accuracy", "attribute": "Bald", "group": None, "group_value": None}
        >>> told = {"q": 0.001, "n": 90, "more": None, "unit": "images", "state": "severe"}
        >>> Row(**places, **told, value=0.9, baseline=0.95, low=-0.06, high=-0.04, damage=0.05,
        ...     reach=0.058, reason=None).figure
        '95.0 → 90.0% (−6.0 to −4.0 points)'
        """
        if self.value is None:
            return self.why
        unit = unit_of(self.metric)
        if self.baseline is None:
            return unit.whole(self.value, self.low, self.high)
        text = f"{unit.bare(self.baseline)} → {unit.value(self.value)}"
        if self.low is None or self.high is None:
            return text
        return f"{text} ({unit.change_interval(self.low, self.high)})"


class Judged(Frozen):
    """One criterion, judged on one model by `n_rows` rows; `rows` decide, the first one most.

    `n_broken` of them are broken, `n_open` open, `n_untold` could not be judged. `limit` is the
    size of damage that the first row is held to; a criterion that bounds has a `bound`, in words,
    instead. Without rows there is a `reason`. A criterion that decides, whose moderate limit is
    broken and whose severe one is not ruled out, is open with a `severity`.
    """

    criterion: str
    metric: str
    state: State
    severity: Severity | None = None
    decides: bool = True
    limit: float | None = None
    bound: str | None = None
    n_rows: int = 0
    n_broken: int = 0
    n_open: int = 0
    n_untold: int = 0
    rows: list[Row] = Field(default_factory=list)
    reason: str | None = None

    @classmethod
    def absent(cls, criterion: Criterion, reason: str) -> Judged:
        """Say that an audit has nothing that a criterion is about."""
        return cls(
            criterion=criterion.title,
            metric=criterion.metric,
            state="absent",
            decides=criterion.decides,
            reason=reason,
        )

    @classmethod
    def of_shared(cls, name: str, n: int, shared: float, least: float) -> Judged:
        """Say that some samples are answered by some files only; too many are not judged."""
        percent = decimal(100 * shared, 1, never=(0.0, 100.0, 100 * least))
        reason = f"the files share {n:,} of {round(n / shared):,} samples ({percent}%)"
        if shared >= least:
            allowed = "" if least else ", which --allow-missing allows"
            return cls(criterion=name, metric="", state="absent", reason=reason + allowed)
        asked = (
            f"; {least:.0%} are asked for: answer the others, too, or audit with --allow-missing"
        )
        return cls(criterion=name, metric="", state="not judged", reason=reason + asked)

    @property
    def bounded(self) -> bool:
        """Whether it bounds a value or its change, instead of limiting a damage."""
        return self.bound is not None

    @property
    def outcome(self) -> str:
        """Its state in words: "broken, severe", "open"; of what is absent, "not asked"."""
        if self.severity is not None:
            return f"{self.state}, {self.severity}"
        return "not asked" if self.state == "absent" else self.state

    @property
    def text(self) -> str:
        """What decides, in words."""
        if not self.rows:
            return shown(self.reason or "", 3 * LONGEST)
        row = self.rows[0]
        place = "" if row.place == "over all" else f"{row.place}: "
        if self.state == "not judged":
            return place + row.why
        return place + {"broken": self._broken, "open": self._open}.get(self.state, self._held)(row)

    def _broken(self, row: Row) -> str:
        others = self.n_broken - 1
        more = f"; and {others:,} more of {self.n_rows:,} {AT_A_LIMIT}" if others else ""
        return f"{row.figure}{self._limit()}{more}"

    def _open(self, row: Row) -> str:
        if row.state == "not judged":
            return f"{row.why}; so for {self.n_untold:,} of {self.n_rows:,}"
        if row.reach is None:
            text = f"{row.figure}, {shown(row.reason or 'it has no interval')}"
        elif self.bounded:
            text = f"{row.figure}{self._limit()}"
        else:
            reach = size(self.metric, row.reach, self.limit)
            text = f"{row.figure}; {reach} worse cannot be ruled out{self._limit()}"
        if row.more is not None:
            text += f"; {would_tell(row.more, row.unit)}"
        others = self.n_open - 1 if self.severity is None else self.n_open
        counts = [(others, "more open"), (self.n_untold, "not judged")]
        return text + "".join(f"; {n:,} {what}" for n, what in counts if n > 0)

    def _held(self, row: Row) -> str:
        if self.bounded or row.reach is None:
            return f"{row.figure}{self._limit()}"
        if row.reach <= 0:
            return f"not worse ({row.figure})"
        return f"at most {size(self.metric, row.reach, self.limit)} worse{self._limit()}"

    def _limit(self) -> str:
        if self.limit is None:
            return f", limit {self.bound}" if self.bounded else ""
        return f", limit {size(self.metric, self.limit)}"


def kept(criterion: Criterion) -> str | None:
    """Say what a criterion's bounds keep, in the metric's unit; none where it limits a damage.

    >>> kept(Criterion(metric="accuracy", gte=0.9, lte=1))
    'at least 90.0% and at most 100%'
    >>> kept(Criterion(metric="accuracy", gte=-0.01, relative=True))
    'at least −1.0 points from dense'
    """
    unit = unit_of(criterion.metric)
    write = unit.change if criterion.relative else unit.value
    bounds = [("at least", criterion.gte), ("at most", criterion.lte)]
    told = [f"{word} {write(bound)}" for word, bound in bounds if bound is not None]
    change = " from dense" if criterion.relative else ""
    return f"{' and '.join(told)}{change}" if told else None


def shown(name: str, longest: int = LONGEST) -> str:
    r"""Make a name fit to be shown anywhere: one line, no control characters, not too long.

    >>> shown("Bald\x1b[31m"), shown("x" * 99, 5)
    ('Bald�[31m', 'xxxx…')
    """
    line = "".join(c if c.isprintable() else "�" for c in " ".join(name.split()))
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _finite(value: Any) -> Any:  # noqa: ANN401 - whatever a row holds
    """Return what a row holds; none where it is no number that JSON can hold."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
