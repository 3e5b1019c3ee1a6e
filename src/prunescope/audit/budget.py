"""A bias budget: bounds on rows of an audit table, written as text.

::

    constraint  METRIC [ "[" where "]" ] OPERATOR limit
    OPERATOR    <= | >= | < | >
    limit       NUMBER | "(" NUMBER ")"

A number with a sign bounds the change from dense, one without a sign, or in parentheses, the value
itself.
`prunescope.audit.where` says what may stand between the brackets.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from prunescope.audit.estimates import NOT_APPLICABLE, OK
from prunescope.audit.where import OVERALL, Where
from prunescope.errors import ConfigError, one_of, shorten

JUDGEMENT_SCHEMA: dict[str, pl.DataType] = {
    "constraint": pl.String(),
    "attribute": pl.String(),
    "group": pl.String(),
    "group_value": pl.String(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n": pl.Int64(),
    "status": pl.String(),
    "end": pl.Float64(),
    "excess": pl.Float64(),
    "holds": pl.Boolean(),
    "reason": pl.String(),
}
"""Columns of a judgement. `value` is what the constraint bounds (the metric, or its change from
dense), `low` and `high` its interval, `n` and `status` as in the audit table, `end` the number that
decides, and `excess` how far that lies on the wrong side of the limit
(negative: on the right one), in the metric's unit. `holds` is null where it cannot be told, and
`reason` says why."""

Outcome = Literal["met", "broken", "cannot tell"]
On = Literal["interval", "value"]

OPERATORS: Mapping[str, Callable[[Any, float], Any]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}

NO_CHANGE = "its change from dense is not known; without a sign, a number bounds the value itself"

_CONSTRAINT = re.compile(
    r"\s*(?P<metric>\w+)\s*(\[(?P<where>.*)\]\s*)?(?P<operator>[<>]=?)"
    r"\s*(?P<bare>\(\s*)?(?P<number>[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)(?(bare)\s*\))\s*",
    re.DOTALL | re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True)
class Constraint:
    """A bound on one metric of an audit table.

    Parameters
    ----------
    metric : str
        As in the table's column.
    operator : str
        A key of `OPERATORS`.
    limit : float
        In the metric's unit.
    relative : bool
        Whether it bounds the change from dense, not the value.
    where : Where
        What the metric is asked about.

    Raises
    ------
    ConfigError
        The operator is unknown, or the limit is not finite.

    Examples
    --------
    >>> Constraint.parse("bias_amplification[Male]<=+0.02")
    Constraint(metric='bias_amplification', operator='<=', limit=0.02, relative=True,
        where=Where(attribute=None, group='Male', group_value=None))
    >>> str(Constraint("tpr", ">=", 0.7, where=Where("*", "Male", "True")))
    'tpr[attribute:*, Male=True] >= 0.7'
    """

    metric: str
    operator: str
    limit: float
    relative: bool = False
    where: Where = OVERALL

    def __post_init__(self) -> None:
        if self.operator not in OPERATORS:
            raise ConfigError(one_of("operator", self.operator, OPERATORS))
        if not math.isfinite(self.limit):
            raise ConfigError(f"limit {self.limit} of {self.metric}: expected a finite number")

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Read a constraint; `str` writes it again.

        Raises
        ------
        ConfigError
            The text is no constraint.
        """
        found = _CONSTRAINT.fullmatch(text)
        if found is None:
            raise ConfigError(
                f"constraint {text!r}: expected METRIC, its place in brackets or none, <= or >=, "
                "and a number, with a sign for the change from dense: 'accuracy >= -0.005', "
                "'bias_amplification[Male] <= 0.05'"
            )
        return cls(
            found["metric"],
            found["operator"],
            float(found["number"]),
            relative=found["number"][0] in "+-" and not found["bare"],
            where=OVERALL if found["where"] is None else Where.parse(found["where"]),
        )

    def __str__(self) -> str:
        where = str(self.where)
        limit = f"{self.limit:+}" if self.relative else f"{self.limit}"
        if not self.relative and limit[0] == "-":
            limit = f"({limit})"
        return f"{self.metric}{f'[{where}]' if where else ''} {self.operator} {limit}"

    def judge(
        self, table: pl.DataFrame, model: str | None = None, on: On = "interval"
    ) -> pl.DataFrame:
        """Judge a model by the rows that the constraint is about.

        Rows that are not applicable are left out; if all are, one row says so. It cannot be told,
        nor can a row of any other status than ``ok``, nor a change that the table does not hold.

        Parameters
        ----------
        table : polars.DataFrame
            An audit's.
        model : str, optional
            Default: the only one that is not dense.
        on : {"interval", "value"}
            What decides: the end of the interval that lies nearer to the wrong side (high for
            ``<=``, low for ``>=``), so that the whole interval must hold; or the value alone.

        Returns
        -------
        polars.DataFrame
            A row per row of the audit, with the columns of `JUDGEMENT_SCHEMA`.

        Raises
        ------
        ConfigError
            The table has no such model, metric, attribute, group, value or rows.

        Examples
        --------
        >>> row = {"model": "sparse", "method": "gmp-pt", "metric": "accuracy", "attribute": None,
        ...        "group": None, "group_value": None, "status": "ok", "reason": None, "n": 900,
        ...        "delta": -0.004, "delta_low": -0.006, "delta_high": -0.002}
        >>> judged = Constraint.parse("accuracy >= -0.005").judge(pl.DataFrame([row]))
        >>> judged.select("value", "end", "holds").row(0)
        (-0.004, -0.006, False)
        """
        try:
            rows = self.where.rows(of_model(table, model), self.metric)
        except ConfigError as error:
            raise ConfigError(f"constraint '{self}': {error}") from None
        applicable = rows.filter(pl.col("status") != NOT_APPLICABLE)
        if applicable.is_empty():
            nowhere = [pl.lit(None).alias(c) for c in ("attribute", "group", "group_value")]
            applicable = rows.head(1).with_columns(nowhere)
        upper = self.operator[0] == "<"
        value, side = ("delta", "delta_") if self.relative else ("value", "")
        end = "value" if on == "value" else ("high" if upper else "low")
        missing = NO_CHANGE if self.relative else "it has no interval"
        ok = pl.col("status") == OK
        judged = (
            applicable.with_columns(
                pl.lit(str(self)).alias("constraint"),
                *(pl.when(ok).then(side + name).alias(name) for name in ("low", "high")),
                pl.when(ok).then(value).alias("value"),
            )
            .with_columns(pl.col(end).alias("end"))
            .with_columns(
                ((pl.col("end") - self.limit) * (1 if upper else -1)).alias("excess"),
                OPERATORS[self.operator](pl.col("end"), self.limit).alias("holds"),
                pl.when(pl.col("end").is_null()).then(pl.col("reason").fill_null(missing)),
            )
        )
        return judged.select(pl.col(name).cast(kind) for name, kind in JUDGEMENT_SCHEMA.items())


@dataclass(frozen=True)
class Budget:
    """Several constraints, all of which must hold.

    Each is judged on its own and no correction is made for their number: where intervals decide,
    each is conservative as it stands.

    Raises
    ------
    ConfigError
        There is none.

    Examples
    --------
    >>> budget = Budget.parse(["accuracy >= -0.005", "bias_amplification[Male] <= +0.02"])
    >>> [constraint.metric for constraint in budget.constraints]
    ['accuracy', 'bias_amplification']
    """

    constraints: tuple[Constraint, ...]

    def __post_init__(self) -> None:
        if not self.constraints:
            raise ConfigError("a budget needs a constraint, such as 'accuracy >= -0.005'")

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Budget:
        """Read constraints, one per text; equal ones count once."""
        return cls(tuple(dict.fromkeys(Constraint.parse(text) for text in texts)))

    def judge(
        self, table: pl.DataFrame, model: str | None = None, on: On = "interval"
    ) -> pl.DataFrame:
        """Judge a model by all constraints, as `Constraint.judge` does by one."""
        return pl.concat(constraint.judge(table, model, on) for constraint in self.constraints)


def outcome(judged: pl.DataFrame) -> Outcome:
    """Sum up a judgement: broken if a row is, else untold if a row is, else met.

    Examples
    --------
    >>> [outcome(pl.DataFrame({"holds": rows})) for rows in ([True], [True, None], [None, False])]
    ['met', 'cannot tell', 'broken']
    """
    if judged["holds"].not_().any():
        return "broken"
    return "cannot tell" if judged["holds"].has_nulls() else "met"


def decisive(judged: pl.DataFrame) -> dict[str, Any]:
    """Return the row that a judgement hangs on.

    The one that is furthest from holding; if none breaks, one that cannot be told; if all hold, the
    one nearest to its limit.

    Examples
    --------
    >>> rows = {"holds": [True, None, True], "excess": [-0.2, None, -0.1]}
    >>> decisive(pl.DataFrame(rows))
    {'holds': None, 'excess': None}
    """
    untold_between = (pl.col("holds").cast(pl.Int8) * 2).fill_null(1)  # broken, untold, met
    return judged.sort(untold_between, -pl.col("excess")).row(0, named=True)


def place_of(row: Mapping[str, Any]) -> str:
    """Say what a row of a judgement is about, as a constraint does.

    Examples
    --------
    >>> place_of({"attribute": "Bald", "group": "Male", "group_value": "True"})
    'attribute:Bald, Male=True'
    """
    return str(Where(row["attribute"], row["group"], row["group_value"]))


def of_model(table: pl.DataFrame, model: str | None = None) -> pl.DataFrame:
    """Return the rows of one model; by default, of the only one that is not dense.

    Raises
    ------
    ConfigError
        There is no such model, or there are several.
    """
    known = table.select("model", "method").unique(maintain_order=True)
    if model is None:
        compressed = known.filter(pl.col("method") != "dense")["model"].to_list()
        if len(compressed) != 1:
            raise ConfigError(f"compressed models: {shorten(compressed)}: name the one to judge")
        [model] = compressed
    elif model not in known["model"]:
        raise ConfigError(one_of("model", model, known["model"]))
    return table.filter(pl.col("model") == model)
