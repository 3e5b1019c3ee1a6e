"""The tables of benchmarks/slices.py."""

from __future__ import annotations

import polars as pl
from scipy.stats import beta

HEAD = """# Slices: what is planted is found, what is not is not told

`python benchmarks/slices.py --audits {audits} --nulls {nulls}`: worlds of `slice_worlds.py`, so
many audits of each or as many as are told.
"""

NULL = """
## Nothing is damaged

The compressed model flips 4% of the answers by churn alone, the likelier the less sure the dense
model is. *Any*: audits in which a slice is told (q ≤ 0.05), with a 95% interval; asked: ≤ 5%.
*Cover*: of the 95% intervals of all slices tested, those that hold the truth, 0. *Search*, *test*:
mean damage beyond elsewhere of all slices tested, in points, as the search half and the test half
show it. As used, a tree and Domino tell five slices in every audit.

| world | method | audits | any | cover | search | test |
|---|---|---|---|---|---|---|
"""

FOUND = """
## Something is: what `find_slices` tells

*Found*: audits in which a slice is told of whose images half or more are planted and which holds
30% or more of those planted. *Jaccard*: of the best told slice. *First*, *first 5*: told slices,
the worst first, of whose images half or more are planted. *False*: of all told slices, those in
which planted images are less than {lift} times as frequent as outside. *Cover*: intervals of all
slices tested that hold the truth. *Search*, *test*, *true*: damage beyond elsewhere of the slices
tested, in points (from the search half to the test half it shrinks by what was luck); *told*: the
same of those told, which were chosen once more.
"""

FOUND_COLUMNS = ["planted", "world", "audits", "found", "Jaccard", "first", "first 5",
                 "told an audit", "false", "cover", "search → test (true)",
                 "told: search → test (true)"]  # fmt: skip

PEERS = """
## Beside others

*As used*: fitted to all images; the five most damaged are told, untested. *Held out*: fitted to one
half, tested on the other as `find_slices` tests. Means over the same audits of each world.

| planted | method | found | Jaccard | first | first 5 | told an audit | false | told |
|---|---|---|---|---|---|---|---|---|
"""


def percent(value):
    """Lay out a share."""
    return "–" if value is None else f"{value:.0%}"


def points(*values):
    """Lay out what the search saw, what the test, and what is true."""
    search, test, true = ("–" if v is None else f"{100 * v:.1f}" for v in values)
    return f"{search} → {test} ({true})"


def interval(hits, n):
    """Lay out a share with its exact 95% interval."""
    low = beta.ppf(0.025, hits, n - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, n - hits) if hits < n else 1.0
    return f"{hits / n:.1%} ({low:.1%} to {high:.1%})"


def null_row(world, method, rows):
    """Lay out a world without damage."""
    any_told = int((rows["told"] > 0).sum())
    cells = [
        world, method, str(rows.height), interval(any_told, rows.height), cover(rows),
        *(f"{100 * (rows[key].mean() or 0):.2f}" for key in ("search", "test")),
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |\n"


def cover(rows):
    """Lay out the share of intervals that hold the truth."""
    n = rows["intervals"].sum()
    return f"{rows['covered'].sum() / n:.1%}" if n else "–"


def hits(rows):
    """Lay out what is counted of told slices."""
    told = rows["told"].sum()
    return [
        percent(rows["recall"].mean()),
        f"{rows['jaccard'].mean():.2f}",
        percent(rows["first"].mean()),
        percent(rows["first5"].mean()),
        f"{rows['told'].mean():.1f}",
        f"{rows['false'].sum() / told:.1%}" if told else "–",
    ]


def found_row(setting, rows):
    """Lay out a world with damage."""
    cells = [
        setting.planted, setting.size, str(rows.height), *hits(rows), cover(rows),
        points(*(rows[key].mean() for key in ("search", "test", "true"))),
        points(*(rows[f"{key}_told"].mean() for key in ("search", "test", "true"))),
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |\n"


def peer_row(setting, method, rows):
    """Lay out a method in a world with damage."""
    told = points(*(rows[f"{key}_told"].mean() for key in ("search", "test", "true")))
    return "| " + " | ".join([setting.planted, method, *hits(rows), told]) + " |\n"


def markdown(nulls, planted, peers, audits, n_nulls, lift):
    """Lay out all tables; each is a list of (setting, rows)."""
    text = HEAD.format(audits=audits, nulls=n_nulls) + NULL
    for setting, rows in nulls:
        for method in rows["method"].unique(maintain_order=True):
            text += null_row(setting.size, method, rows.filter(pl.col("method") == method))
    ours = [rows.filter(method="find_slices") for _, rows in nulls]
    ours = pl.concat(ours, how="vertical_relaxed")
    text += null_row("all of these", "find_slices", ours)
    text += FOUND.format(lift=lift) + "\n| " + " | ".join(FOUND_COLUMNS) + " |\n"
    text += "|---" * len(FOUND_COLUMNS) + "|\n"
    for setting, rows in planted:
        text += found_row(setting, rows.filter(method="find_slices"))
    text += PEERS
    for setting, rows in peers:
        for method in rows["method"].unique(maintain_order=True):
            text += peer_row(setting, method, rows.filter(pl.col("method") == method))
    return text
