"""`flat_figures`: the figures over all attributes and samples, under names that need no table."""

from __future__ import annotations

import polars as pl


def flat_figures(table: pl.DataFrame, model: str, column: str = "value") -> dict[str, float]:
    """Return what a model has over all attributes and all samples, by name.

    A figure of a group as a whole is called ``metric.group``. Names are of what MLflow allows in
    them: letters, digits, ``_``, ``-``, ``.``, ``/`` and spaces; anything else becomes ``_``.

    Parameters
    ----------
    table : DataFrame
        Of an audit.
    model : str
    column : str
        Column of the table: ``value``, or ``delta`` for the change from dense.

    Examples
    --------
    >>> table = pl.DataFrame({
    ...     "model": "int8", "metric": ["accuracy", "bias_amplification"], "attribute": [None] * 2,
    ...     "group": [None, "a<b"], "group_value": [None] * 2, "value": [0.5, 0.25]})
    >>> flat_figures(table, "int8")
    {'accuracy': 0.5, 'bias_amplification.a_b': 0.25}
    """
    whole = pl.col("attribute").is_null() & pl.col("group_value").is_null()
    rows = table.filter(whole, pl.col(column).is_not_null(), model=model)
    return {
        _allowed(metric if group is None else f"{metric}.{group}"): value
        for metric, group, value in rows.select("metric", "group", column).iter_rows()
    }


def _allowed(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "_-. /" else "_" for letter in name)
