"""Criteria: which rows of an audit show a damage, and from which size on it counts."""

from __future__ import annotations

import re
from math import isfinite
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from prunescope.audit.verdicts import HIGHER, LOWER, TARGETS
from prunescope.audit.where import Where
from prunescope.errors import ConfigError, one_of
from prunescope.yaml_source import brief

Severity = Literal["moderate", "severe"]
Way = Literal["falls", "rises"]


class Strict(BaseModel):
    """A part of a policy: frozen, no key but its own, no text for a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _number(given: object) -> object:
    """Refuse text, which YAML makes of ``1e-3`` and of ``5%``."""
    if isinstance(given, str):
        raise ValueError(f"{brief(given)} is text: expected a number, such as 0.05 or 1.0e-3")
    return given


def _names(given: object) -> object:
    """Refuse what is no name, nor a list of names."""
    if any(not isinstance(one, str) for one in (given if isinstance(given, list) else [given])):
        raise ValueError(f"{brief(given)}: expected a name or a list of names, numbers in quotes")
    if given == []:
        raise ValueError("an empty list names nothing: leave it out")
    return given


def _value(given: object) -> object:
    """Write a value of a group as the audit table does."""
    if not isinstance(given, bool | int | str):
        raise ValueError(f"{brief(given)}: expected a value of the group, such as true or 'brown'")
    return str(given)


Number = Annotated[float, BeforeValidator(_number)]
Size = Annotated[float, BeforeValidator(_number), Field(ge=0)]
Names = Annotated[str | list[str], BeforeValidator(_names)]
Value = Annotated[str, BeforeValidator(_value)]

NEITHER = ("selection_rate", "interdependence", "churn")
"""Metrics that are neither better nor worse in themselves."""

UNBOUNDED = ("rare_value_ratio", "correlation_shift", "cie_odds_ratio", "cie_rare_odds_ratio")
"""Metrics that may lie beyond 1."""

_BOUND = re.compile(
    r"\s*(?P<metric>\w+)\s*(\[(?P<where>.*)\]\s*)?(?P<operator>[<>])=?"
    r"\s*(?P<bare>\(\s*)?(?P<number>[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)(?(bare)\s*\))\s*",
    re.DOTALL | re.ASCII | re.IGNORECASE,
)


class Criterion(Strict):
    """One way in which a model can be unfit: a metric, its rows, and limits.

    Either `moderate` and `severe`, limits of the *damage*: how much worse than the dense model, in
    the metric's unit (`prunescope.audit.verdicts`). Or *bounds*, `gte` and `lte`: what the value
    itself, or with `relative` its change from dense, has to keep.

    Parameters
    ----------
    name : str, optional
        What happens, in a few words. Default: the criterion itself, in short.
    metric : str
        As in the audit table.
    task : {"multilabel", "multiclass"}, optional
        Of which audits it is a criterion: of attributes, or of classes. Default: of both.
    attribute : str or list of str, optional
        ``*``: every attribute. Default: the row over all of them.
    group : str or list of str, optional
        ``*``: every group. Default: the row over all samples.
    group_value : str, optional
        As in the table; of bool and int the text. Default: every value, or the row that
        compares them.
    moderate, severe : float, optional
        From which size on a damage is called that, 0 or more.
    way : {"falls", "rises"}, optional
        Count only damages of this sign: of a metric that is best at a value, such as the
        rare-value ratio, both are there. Default: whichever way is worse.
    gte, lte : float, optional
        The least and the largest value that are kept, in the metric's unit.
    relative : bool
        Whether `gte` and `lte` bound the change from dense, not the value itself.
    severity : {"moderate", "severe"}
        What it is called where a bound is broken.
    decides : bool
        Whether nobody can tell whether the model may be shipped while this is open. Else what is
        open is named, "cannot be ruled out".
    optional : bool
        Whether an audit may lack its rows.

    Examples
    --------
    >>> Criterion(metric="accuracy", moderate=0.005, severe=0.02).title
    'accuracy worse by 0.005'
    >>> Criterion.parse("bias_amplification[*, Male] <= +0.02").title
    'bias_amplification[attribute:*, Male] <= +0.02'
    """

    name: str | None = None
    metric: str
    task: Literal["multilabel", "multiclass"] | None = None
    attribute: Names | None = None
    group: Names | None = None
    group_value: Value | None = None
    moderate: Size | None = None
    severe: Size | None = None
    way: Way | None = None
    gte: Number | None = None
    lte: Number | None = None
    relative: bool = False
    severity: Severity = "severe"
    decides: bool = True
    optional: bool = False

    @model_validator(mode="after")
    def _check(self) -> Criterion:
        if self.name is not None and not (self.name.strip() and self.name.isprintable()):
            raise ValueError(f"name {self.name!r}: expected one line of text")
        sizes = [size for size in (self.moderate, self.severe) if size is not None]
        if self.bounded == bool(sizes):
            raise ValueError(
                "expected limits of the damage, 'moderate: NUMBER' and 'severe: NUMBER', or a "
                "bound, 'gte: NUMBER' (at least) or 'lte: NUMBER'"
            )
        if sizes != sorted(sizes):
            raise ValueError(f"moderate ({self.moderate}) lies beyond severe ({self.severe})")
        if self.gte is not None and self.lte is not None and self.gte > self.lte:
            raise ValueError(f"no number is at least {self.gte} (gte) and at most {self.lte} (lte)")
        if self.bounded and self.way is not None:
            raise ValueError("'way' belongs to 'moderate' and 'severe': 'gte' and 'lte' have one")
        if not self.bounded and self.relative:
            raise ValueError("'relative' belongs to 'gte' and 'lte': a damage is always a change")
        known = (*HIGHER, *LOWER, *TARGETS)
        if not self.bounded and self.metric in NEITHER:
            raise ValueError(
                f"{self.metric} is neither better nor worse: bound it, with 'gte' or 'lte'"
            )
        if not self.bounded and self.metric not in known:
            raise ValueError(one_of("metric", self.metric, known))
        if self.way is not None and self.metric not in TARGETS:
            raise ValueError(f"{self.metric} has one way to be worse: leave out 'way'")
        if self.metric not in UNBOUNDED and max(sizes, default=0) > 1:
            raise ValueError(
                f"a limit of {max(sizes):g}: {self.metric} is a share, from 0 to 1; write 0.05 for "
                "5%"
            )
        try:
            _ = self.wheres
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self

    @classmethod
    def parse(cls, text: str) -> Criterion:
        """Read a bound: ``METRIC[WHERE] <= NUMBER``, or ``>=``.

        WHERE is as in `prunescope.audit.where`. A number with a sign bounds the change from dense,
        one without, or in parentheses, the value itself.

        Raises
        ------
        ConfigError
            The text is no bound.
        """
        found = _BOUND.fullmatch(text)
        if found is None:
            raise ConfigError(
                f"constraint {text!r}: expected METRIC, its place in brackets or none, <= or >=, "
                "and a number, with a sign for the change from dense: 'accuracy >= -0.005', "
                "'bias_amplification[Male] <= 0.05'"
            )
        where = Where() if found["where"] is None else Where.parse(found["where"])
        number, least = float(found["number"]), found["operator"] == ">"
        if not isfinite(number):
            raise ConfigError(f"constraint {text!r}: expected a finite number")
        return cls(
            metric=found["metric"],
            attribute=where.attribute,
            group=where.group,
            group_value=where.group_value,
            relative=found["number"][0] in "+-" and not found["bare"],
            gte=number if least else None,
            lte=None if least else number,
        )

    @property
    def bounded(self) -> bool:
        """Whether it bounds the value or its change, instead of limiting a damage."""
        return self.gte is not None or self.lte is not None

    @property
    def wheres(self) -> list[Where]:
        """The places that it looks at."""
        return [
            Where(attribute, group, self.group_value)
            for attribute in _listed(self.attribute)
            for group in _listed(self.group)
        ]

    @property
    def single(self) -> bool:
        """Whether it looks at single attributes or classes, not at all of them together."""
        return self.attribute is not None

    @property
    def limits(self) -> list[tuple[Severity, float]]:
        """The limits of the damage, the graver first; how far beyond a bound is too far is 0."""
        if self.bounded:
            return [(self.severity, 0.0)]
        both: list[tuple[Severity, float | None]] = [
            ("severe", self.severe),
            ("moderate", self.moderate),
        ]
        return [(name, size) for name, size in both if size is not None]

    @property
    def to_rule_out(self) -> float:
        """From which size on a damage has to be ruled out: moderate, or of single ones severe."""
        return self.limits[0 if self.single else -1][1]

    @property
    def title(self) -> str:
        """Its name, or what it says."""
        if self.name is not None:
            return self.name
        places = [f"{self.metric}[{where}]" if str(where) else self.metric for where in self.wheres]
        if not self.bounded:
            verb = self.way or "worse"
            return f"{' and '.join(places)} {verb} by {self.limits[-1][1]:g}"
        return " and ".join(f"{place} {bound}" for place in places for bound in self._bounds)

    def __str__(self) -> str:
        return self.title

    @property
    def _bounds(self) -> list[str]:
        bounds = [(">=", self.gte), ("<=", self.lte)]
        return [f"{sign} {self._number(x)}" for sign, x in bounds if x is not None]

    def _number(self, number: float) -> str:
        if self.relative:
            return f"{number:+}"
        return f"({number})" if f"{number}"[0] == "-" else f"{number}"


def _listed(names: str | list[str] | None) -> list[str | None]:
    return list(names) if isinstance(names, list) else [names]
