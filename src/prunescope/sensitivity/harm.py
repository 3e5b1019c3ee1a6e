"""How much a compressed layer harms: one number to choose by, made of an audit's own rows."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl


class Harm(NamedTuple):
    """What a compressed network does to those who have least.

    Parameters
    ----------
    group, value : str or None
        The group value with the most harmful flips; None where there is no group to look at.
    flips : float
        Share of its answers that were right and are wrong now.
    rare : float
        Mean over attributes of what the rare-value ratio lost: rare answers no longer given, of
        one that is true. One that rose lost nothing.
    """

    group: str | None
    value: str | None
    flips: float
    rare: float

    @property
    def total(self) -> float:
        """Harmful flips of the worst group + rare answers lost."""
        return self.flips + self.rare


def harm_of(table: pl.DataFrame) -> Harm | None:
    """Read the harm off the rows of one compressed model; None where nothing is known.

    Parameters
    ----------
    table : polars.DataFrame
        Rows of an audit, of one compressed model.

    Examples
    --------
    >>> columns = ["metric", "attribute", "group", "group_value", "value", "delta"]
    >>> rows = [
    ...     ("harmful_flip_rate", None, None, None, 0.02, None),
    ...     ("harmful_flip_rate", None, "Male", "True", 0.01, None),
    ...     ("harmful_flip_rate", None, "Male", "False", 0.04, None),
    ...     ("rare_value_ratio", "Bald", None, None, 0.5, -0.2),
    ...     ("rare_value_ratio", "Young", None, None, 1.1, 0.1),
    ... ]
    >>> harm_of(pl.DataFrame(rows, columns, orient="row"))
    Harm(group='Male', value='False', flips=0.04, rare=0.1)
    """
    known = table.filter(pl.col("value").is_not_null())
    metric = pl.col("metric").is_in(["harmful_flip_rate", "top1_harmful_flip_rate"])
    flips = known.filter(metric, pl.col("attribute").is_null())
    top = flips.filter(pl.col("metric") == "top1_harmful_flip_rate")
    flips = top if top.height else flips
    by_group = flips.filter(pl.col("group_value").is_not_null())
    ranked = (by_group if by_group.height else flips).sort("value", descending=True)
    lost = known.filter(
        pl.col("metric") == "rare_value_ratio", pl.col("attribute").is_not_null(),
        pl.col("group").is_null(), pl.col("delta").is_not_null(),
    )["delta"]  # fmt: skip
    if not ranked.height and not len(lost):
        return None
    worst = ranked.row(0, named=True) if ranked.height else {}
    rare = float((-lost).clip(0, None).mean() or 0.0) if len(lost) else 0.0  # type: ignore[arg-type]
    return Harm(worst.get("group"), worst.get("group_value"), worst.get("value", 0.0), rare)
