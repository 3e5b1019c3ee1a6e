"""What a gate says: of each model, of each condition, and the row that it hangs on."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pydantic import BaseModel, ConfigDict

from prunescope.report.numbers import MINUS, counted, decimal, listing

Status = Literal["pass", "warn", "fail", "skip"]
"""``skip``: the condition does not apply to the model, so nothing was judged."""

LONGEST = 80
"""Letters of a name that are shown."""

DIGITS = 4


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Row(_Frozen):
    """A row of the audit, and the bound that it is held to.

    `value`, `low` and `high` are of the change from dense where `relative`. `excess` is how far the
    end that decides lies beyond the limit (negative: within). A row without a value has a `reason`.
    """

    attribute: str | None
    group: str | None
    group_value: str | None
    value: float | None
    low: float | None
    high: float | None
    n: int | None
    status: str
    operator: str
    limit: float
    relative: bool
    excess: float | None
    reason: str | None

    @property
    def place(self) -> str:
        """What it is about: "Bald by Male", "over all"."""
        group = self.group
        if group is not None and self.group_value is not None:
            group = f"{group}={self.group_value}"
        names = [shown(name) for name in (self.attribute, group) if name is not None]
        return " by ".join(names) or "over all"

    @property
    def text(self) -> str:
        """The row in words.

        Examples
        --------
        >>> Row(attribute="Bald", group="Male", group_value=None, value=0.08, low=0.06, high=0.11,
        ...     n=90, status="ok", operator="<=", limit=0.05, relative=True, excess=0.06,
        ...     reason=None).text
        'Bald by Male: +0.0800 (+0.0600 to +0.1100), limit +0.05'
        """
        if self.value is None or self.excess is None:
            why = shown(self.reason or "it has no value", 3 * LONGEST)
            return f"{self.place}: {why}"
        text = f"{self.place}: {self._number(self.value)}"
        if self.low is not None and self.high is not None:
            text += f" ({self._number(self.low)} to {self._number(self.high)})"
        text += f", limit {self._number(self.limit)}"
        upper = self.operator == "<="
        if self.excess > 0 and (self.value <= self.limit if upper else self.value >= self.limit):
            text += ", exceeded by the high end" if upper else ", missed by the low end"
        return text

    def _number(self, value: float) -> str:
        """Write a number so that it does not look like the limit unless it is."""
        sign = "+" if self.relative and value >= 0 else ""
        return sign + decimal(value, DIGITS, never=(0.0, self.limit)).replace("-", MINUS)


class Checked(_Frozen):
    """One condition, judged on one model by `n_rows` rows, the worst of which is `row`.

    `n_broken` of them lie beyond a limit, of `n_untold` it cannot be told. Where nothing could be
    asked, there is no row but a `reason`.
    """

    name: str
    status: Status
    severity: Literal["error", "warning"]
    n_rows: int = 0
    n_broken: int = 0
    n_untold: int = 0
    row: Row | None = None
    reason: str | None = None

    @property
    def text(self) -> str:
        """The row that decides, and how many others there are."""
        if self.row is None:
            return shown(self.reason or "", 3 * LONGEST)
        if self.n_rows == 1:
            return self.row.text
        told = f"{self.n_broken:,}" if self.n_broken else "none"
        text = f"{self.row.text}; {told} of {self.n_rows:,} rows break it"
        return f"{text}, {self.n_untold:,} cannot be told" if self.n_untold else text


class ModelVerdict(_Frozen):
    """All conditions, judged on one model.

    `status` is that of its worst condition; a model of which nothing was judged fails.
    """

    model: str
    status: Status
    checks: list[Checked]

    @property
    def text(self) -> str:
        """Count its conditions by status: "2 fail, 1 warn, 3 pass"."""
        counts = Counter(check.status for check in self.checks)
        told = [f"{counts[s]} {s}" for s in ("fail", "warn", "pass", "skip") if counts[s]]
        none = "" if counts["skip"] < len(self.checks) else ": nothing was judged"
        return ", ".join(told) + none


class Verdict(_Frozen):
    """What the gate says of an audit; it is passed unless a model fails."""

    status: Literal["pass", "warn", "fail"]
    models: list[ModelVerdict]

    @property
    def passed(self) -> bool:
        """Whether no model fails."""
        return self.status != "fail"

    @property
    def text(self) -> str:
        """The whole in one line."""
        names = [shown(one.model) for one in self.models if one.status == self.status]
        how = {"fail": "not passed by", "warn": "passed, with warnings for", "pass": "passed by"}
        models = counted(len(self.models), "model")
        return f"{how[self.status]} {len(names)} of {models}: {listing(names)}"


def shown(name: str, longest: int = LONGEST) -> str:
    r"""Make a name fit to be shown anywhere: one line, no control characters, not too long.

    Examples
    --------
    >>> shown("Bald\x1b[31m"), shown("x" * 99, 5)
    ('Bald�[31m', 'xxxx…')
    """
    line = "".join(c if c.isprintable() else "�" for c in " ".join(name.split()))
    return line if len(line) <= longest else line[: longest - 1] + "…"
