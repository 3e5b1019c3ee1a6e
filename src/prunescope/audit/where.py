"""What a metric of the audit table is asked about: all samples, a group, attributes; as text.

::

    where   place { "," place }
    place   GROUP | GROUP=VALUE | group:* | attribute:NAME | attribute:* | *

Nothing means the row over all samples and attributes. A group means its rows: one per value where
the metric has a value for each, else the one that compares them. ``group:*`` means those of every
group, ``*`` is short for ``attribute:*``, every attribute. At most one group and one attribute are
named. A name that could be read as something else (it holds ``, = [ ] < >``, say) stands in double
quotes; a double quote inside is written twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from prunescope.errors import ConfigError, one_of

EVERY = "*"
"""In place of an attribute or a group: every one."""

_NAME = r'"(?:[^"]|"")*"|[^",=<>\[\]]+'
_PLACE = re.compile(
    rf"\s*((?P<kind>attribute|group)\s*:)?\s*(?P<name>{_NAME})\s*(=\s*(?P<value>{_NAME})\s*)?(,(?=.)|$)",
    re.DOTALL,
)
_AMBIGUOUS = re.compile(r'(attribute|group)\s*:|.*[",=<>\[\]]|\s|.*\s$|\*$|$', re.DOTALL)

_FORMS = {
    (False, False): "",
    (False, True): "[attribute:NAME]",
    (True, False): "[GROUP]",
    (True, True): "[attribute:NAME, GROUP]",
}
"""How to ask for rows that name a group, an attribute."""


@dataclass(frozen=True)
class Where:
    """Which rows of a metric are meant.

    Parameters
    ----------
    attribute : str, optional
        ``*``: every attribute. Default: the row over all of them.
    group : str, optional
        ``*``: every group. Default: the row over all samples.
    group_value : str, optional
        As in the table's column. Default: every value that the group has.

    Raises
    ------
    ConfigError
        A value has no group, or not one alone.

    Examples
    --------
    >>> Where.parse("*, Male=True")
    Where(attribute='*', group='Male', group_value='True')
    >>> str(Where(attribute="Bald", group="eyes, hair"))
    'attribute:Bald, "eyes, hair"'
    """

    attribute: str | None = None
    group: str | None = None
    group_value: str | None = None

    def __post_init__(self) -> None:
        if self.group_value is not None and self.group is None:
            raise ConfigError(f"value {self.group_value!r} of no group: name its group")
        if self.group_value is not None and self.group == EVERY:
            raise ConfigError(f"value {self.group_value!r} of every group: name one group")

    @classmethod
    def parse(cls, text: str) -> Where:
        """Read what stands between the brackets; `str` writes it again.

        Raises
        ------
        ConfigError
            The text names no place, or two of a kind.
        """
        found: dict[str, str] = {}
        start = 0
        while start < len(text) or not found:
            place = _PLACE.match(text, start)
            named = {} if place is None else _read(place)
            if place is None or not named:
                raise ConfigError(
                    f"[{text}]: expected a group, GROUP=VALUE, attribute:NAME or *, by commas; "
                    "names with commas or brackets in double quotes"
                )
            if named.keys() & found.keys():
                raise ConfigError(f"[{text}]: expected at most one group and one attribute")
            found |= named
            start = place.end()
        return cls(**found)

    def __str__(self) -> str:
        places = []
        if self.attribute is not None:
            name = EVERY if self.attribute == EVERY else _quoted(self.attribute)
            places.append(f"attribute:{name}")
        if self.group == EVERY:
            places.append(f"group:{EVERY}")
        elif self.group is not None:
            value = "" if self.group_value is None else f"={_quoted(self.group_value)}"
            places.append(_quoted(self.group) + value)
        return ", ".join(places)

    def rows(self, table: pl.DataFrame, metric: str) -> pl.DataFrame:
        """Return the rows of one metric in an audit table that are meant.

        Raises
        ------
        ConfigError
            The table has no such metric, attribute, group or value, or the metric no such rows.
        """
        of_metric = table.filter(pl.col("metric") == metric)
        if of_metric.is_empty():
            raise ConfigError(one_of("metric", metric, _names(table, "metric")))
        for column in ("attribute", "group"):
            name = getattr(self, column)
            if name not in (None, EVERY, *_names(table, column)):
                raise ConfigError(one_of(column, name, _names(table, column)))
        rows = of_metric.filter(_meant("attribute", self.attribute), _meant("group", self.group))
        if rows.is_empty():
            raise ConfigError(f"{metric} has no such rows: expected {_forms(metric, of_metric)}")
        if self.group_value is None:
            return rows
        return self._of_value(rows, of_metric, table.filter(pl.col("group") == self.group))

    def _of_value(
        self, rows: pl.DataFrame, of_metric: pl.DataFrame, of_group: pl.DataFrame
    ) -> pl.DataFrame:
        """Keep the rows of one value of the group."""
        assert self.group_value is not None
        if self.group_value not in _names(of_group, "group_value"):
            what = f"value of {self.group}"
            raise ConfigError(one_of(what, self.group_value, _names(of_group, "group_value")))
        means = of_metric.filter(pl.col("attribute").is_null(), pl.col("group") == self.group)
        if means["group_value"].is_null().all():
            metric = of_metric["metric"][0]
            raise ConfigError(
                f"{metric} compares the values of {self.group}: leave out '={self.group_value}'"
            )
        return rows.filter(pl.col("group_value") == self.group_value)


OVERALL = Where()
"""The row over all samples and attributes."""


def _meant(column: str, name: str | None) -> pl.Expr:
    """Return which rows a name means; none means those over all."""
    if name == EVERY:
        return pl.col(column).is_not_null()
    return pl.col(column).eq_missing(pl.lit(name))


def _read(place: re.Match[str]) -> dict[str, str]:
    """Return what one place names; nothing where its parts do not go together."""
    name, value = (_unquoted(place[part]) for part in ("name", "value"))
    bare = place["name"].strip() == EVERY and place["kind"] is None
    if place["kind"] == "attribute" or bare:
        return {} if value is not None or not name else {"attribute": name}
    if not name or (name == EVERY and value is not None):
        return {}
    return {"group": name} if value is None else {"group": name, "group_value": value}


def _quoted(name: str) -> str:
    """Write a name so that it is read again as it is."""
    if not _AMBIGUOUS.match(name):
        return name
    return '"' + name.replace('"', '""') + '"'


def _unquoted(text: str | None) -> str | None:
    text = text and text.strip()
    return text[1:-1].replace('""', '"') if text and text[0] == '"' else text


def _names(table: pl.DataFrame, column: str) -> list[str]:
    """Return the names in a column."""
    return table[column].drop_nulls().unique(maintain_order=True).to_list()


def _forms(metric: str, of_metric: pl.DataFrame) -> str:
    """Say how a metric can be asked about, from the rows that it has."""
    kinds = of_metric.select(pl.col("group", "attribute").is_not_null()).unique().sort(pl.all())
    return " or ".join(f"{metric}{_FORMS[kind]}" for kind in kinds.rows())
