"""Hide the groups and search for slices: does the search find again whom an audit finds hurt.

    python examples/slices/hidden.py out/slices/celeba64 docs/results/slices/celeba64 \
        --hide Male,Young,Chubby,Pale_Skin
    prunescope demo -o demo
    prunescope predict demo/models/dense -o demo/dense.again.parquet \
        --embeddings demo/dense.embeddings.parquet
    python examples/slices/hidden.py demo docs/results/slices/synthetic --hide Male,Young

Reads what examples/slices/models.py or the demo wrote. The groups are taken out of the prediction
files, as columns and as attributes. The networks were trained on all attributes, the hidden ones
too, so the embedding may hold them. Writes slices.csv (every slice that is told, and how it leans
on each hidden group), groups.csv (what each group loses, and which slices lean to it) and
README.md: figures, no image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer
from numpy.typing import NDArray

from prunescope.audit import audit
from prunescope.cli.console import say
from prunescope.files import replacing
from prunescope.predictions import Predictions
from prunescope.slices import Slices, find_slices

BEYOND = ("margin", "nothing")
ALPHA = 0.05
LIFT = 1.5
SHARES = ("share_inside", "share_outside", "share_low", "share_high")
IS_TRUE = pl.col("group_value") == "True"


def main(
    folder: Annotated[Path, typer.Argument(help="What models.py or the demo wrote.")],
    out: Annotated[Path, typer.Argument(help="Where tables go.")],
    hide: Annotated[str, typer.Option(help="Groups, by commas.")] = "Male,Young,Chubby,Pale_Skin",
) -> None:
    """Search, compare, write."""
    names = hide.split(",")
    slices, groups = [], []
    for seed, path, sparse in pairs(folder):
        dense, compressed = Predictions.load(path), Predictions.load(sparse)
        told = losing(dense, compressed, names)
        for beyond in BEYOND:
            found = find_slices(
                hidden(dense, names), hidden(compressed, names),
                path.with_suffix(".embeddings.parquet"), beyond=beyond,
            )  # fmt: skip
            level = round(100 * compressed.metadata.compression.sparsity)
            key = {"sparsity": level, "seed": seed, "beyond": beyond}
            columns = [pl.lit(value).alias(name) for name, value in key.items()]
            leaning = leanings(found, dense, names)
            slices.append(leaning.select(*columns, pl.all()))
            groups.append(matched(told, leaning).select(*columns, pl.all()))
            say(f"{sparse.stem}, beyond {beyond}: {found!r}")
    write(out, pl.concat(slices), pl.concat(groups), names)


def pairs(folder: Path) -> Iterator[tuple[int, Path, Path]]:
    """Yield a seed, its dense model and one pruned from it, by their files."""
    for path in sorted(folder.glob("dense-seed?.parquet")):
        for sparse in sorted(folder.glob(f"gmp-pt-??-seed{path.stem[-1]}.parquet")):
            yield int(path.stem[-1]), path, sparse
    if (folder / "dense.parquet").exists():
        for level in (95, 99):
            yield 0, folder / "dense.parquet", folder / f"gmp-pt-{level}.parquet"


def hidden(model: Predictions, names: list[str]) -> Predictions:
    """Return predictions without some groups and the attributes of their names."""
    kept = [k for k, name in enumerate(model.attributes) if name not in names]
    samples = replace(
        model.samples,
        attributes=tuple(model.attributes[k] for k in kept),
        labels=model.samples.labels[:, kept],
        groups={k: v for k, v in model.samples.groups.items() if k not in names},
    )
    return Predictions(samples, model.logits[:, kept], model.metadata)


def losing(dense: Predictions, compressed: Predictions, names: list[str]) -> pl.DataFrame:
    """Return what an audit that knows the groups tells: of all answers, and of each attribute."""
    table = audit(dense, compressed, replicates=200, n_affected=0).table
    return table.filter(
        pl.col("model") == compressed.name, pl.col("metric") == "excess_accuracy_gap",
        pl.col("group").is_in(names), pl.col("attribute").is_in(names).not_() |
        pl.col("attribute").is_null(), pl.col("status") == "ok",
    ).select(
        "attribute", "group", "group_value", pl.col("value").alias("loses"),
        pl.col("low").alias("loses_low"), pl.col("high").alias("loses_high"),
        pl.col("q_value").alias("loses_q"),
        hurt=(pl.col("q_value") <= ALPHA) & (pl.col("value") > 0),
    )  # fmt: skip


def leanings(found: Slices, dense: Predictions, names: list[str]) -> pl.DataFrame:
    """Return a row per told slice and value of a hidden group: its share inside and outside."""
    ids = dense.samples.ids
    cluster = dense.samples.cluster
    units = np.arange(len(ids)) if cluster is None else dense.samples.groups[cluster].codes
    rows = []
    for one in found.found.iter_rows(named=True):
        members = found.members.filter(slice=one["slice"])["id"]
        inside = ids.is_in(members.implode()).to_numpy()
        for name in names:
            group = dense.samples.groups[name]
            for code, value in enumerate(group.values):
                share = difference(group.codes == code, inside, units)
                rows.append({
                    **{k: one[k] for k in ("slice", "rule", "attribute", "n", "n_test",
                       "damage_search", "damage", "low", "high", "q_value")},
                    "group": name, "group_value": str(value),
                    "share_inside": share[0], "share_outside": share[1],
                    "share_low": share[2], "share_high": share[3],
                })  # fmt: skip
    return pl.DataFrame(rows, schema=LEANING)


LEANING = {
    "slice": pl.Int64, "rule": pl.String, "attribute": pl.String, "n": pl.Int64,
    "n_test": pl.Int64, "damage_search": pl.Float64, "damage": pl.Float64, "low": pl.Float64,
    "high": pl.Float64, "q_value": pl.Float64, "group": pl.String, "group_value": pl.String,
    "share_inside": pl.Float64, "share_outside": pl.Float64, "share_low": pl.Float64,
    "share_high": pl.Float64,
}  # fmt: skip


def difference(
    trait: NDArray[np.bool_], inside: NDArray[np.bool_], units: NDArray[np.integer]
) -> tuple[float, float, float, float]:
    """Return the share of a trait inside and outside, and the ends of the difference by unit."""
    within, outside = trait[inside].mean(), trait[~inside].mean()
    pull = np.where(inside, (trait - within) / inside.sum(), (outside - trait) / (~inside).sum())
    of_units = np.bincount(units - units.min(), pull)
    n = len(np.unique(units[inside]))
    error = 1.96 * np.sqrt((of_units**2).sum() * n / max(n - 1, 1))
    return within, outside, within - outside - error, within - outside + error


def matched(told: pl.DataFrame, leaning: pl.DataFrame) -> pl.DataFrame:
    """Add to each group's value, and to its cells, how many slices lean to it, and the first.

    A slice leans to a value that is `LIFT` times as frequent inside as outside, and more frequent
    beyond chance. A cell is an attribute of a group's value: slices of that attribute count.
    """
    leans = leaning.filter(
        pl.col("share_inside") >= LIFT * pl.col("share_outside"), pl.col("share_low") > 0
    ).sort(pl.col("share_inside") / pl.col("share_outside"), descending=True)
    rows = []
    for attribute, group, value in told.select("attribute", "group", "group_value").iter_rows():
        to = leans.filter(group=group, group_value=value)
        to = to if attribute is None else to.filter(attribute=attribute)
        first = to.row(0, named=True) if to.height else {}
        rows.append((to.height, first.get("rule"), *(first.get(share) for share in SHARES)))
    schema = {"lean_to_it": pl.Int64, "most": pl.String, **dict.fromkeys(SHARES, pl.Float64)}
    return told.hstack(pl.DataFrame(rows, schema=schema, orient="row"))


def write(out: Path, slices: pl.DataFrame, groups: pl.DataFrame, names: list[str]) -> None:
    """Write both tables and the page."""
    out.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("slices.csv", slices.write_csv(float_precision=4)),
        ("groups.csv", groups.write_csv(float_precision=4)),
        ("README.md", "\n".join([*top(slices, groups, names), *values(groups), *told(slices), ""])),
    ):
        with replacing(out / name) as beside:
            beside.write_text(text, encoding="utf-8")


TOP = """# Hidden groups, found again

`resnet_small`, dense seeds {seeds}, each pruned with `gmp-pt`. Hidden: {names}. What an audit that
knows the groups finds hurt (they lose more accuracy than all, q ≤ 0.05), beside the slices that
are found without them (q ≤ 0.05).

A slice leans to a group's value that is {lift} times as frequent inside as outside, and more
frequent by a 95% interval, by person where there are persons. Slices lean somewhere whatever
happened: so beside what is hurt stands what is not. A cell is one attribute of a group's value;
slices of that attribute count. *Beyond margin*: compared with answers elsewhere of which the dense
model is as sure; *nothing*: with all answers elsewhere.
"""

COLUMNS = ["sparsity", "beyond", "slices told", "values hurt: leaned to",
           "values not hurt: leaned to", "cells hurt: leaned to",
           "cells not hurt: leaned to"]  # fmt: skip


def top(slices: pl.DataFrame, groups: pl.DataFrame, names: list[str]) -> list[str]:
    """Lay out how often slices lean to what is hurt, and to what is not."""
    seeds = ", ".join(map(str, groups["seed"].unique().sort()))
    lines = [TOP.format(seeds=seeds, names=", ".join(names), lift=LIFT)]
    lines += ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for (level, beyond), rows in groups.group_by("sparsity", "beyond", maintain_order=True):
        of = slices.filter(sparsity=level, beyond=beyond).select("seed", "slice").n_unique()
        cells = [f"{level}%", beyond, str(of)]
        for whole in (True, False):
            kind = rows.filter(pl.col("attribute").is_null() == whole)
            for hurt in (True, False):
                part = kind.filter(pl.col("hurt") == hurt)
                cells.append(f"{(part['lean_to_it'] > 0).sum()} of {part.height}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def values(groups: pl.DataFrame) -> list[str]:
    """Lay out each value that is hurt."""
    head = ["sparsity", "seed", "group", "loses more than all, points", "searched beyond",
            "slices that lean there", "the one that leans most", "share inside", "outside",
            "difference, points"]  # fmt: skip
    lines = ["", "## Each value that is hurt", "", "| " + " | ".join(head) + " |"]
    lines.append("|---" * len(head) + "|")
    for row in groups.filter(pl.col("attribute").is_null(), "hurt").iter_rows(named=True):
        none = row["most"] is None
        shares = ["–" if none else f"{row[f'share_{k}']:.0%}" for k in ("inside", "outside")]
        cells = [f"{row['sparsity']}%", row["seed"], f"{row['group']} {row['group_value']}",
                 span(row, "loses", "loses_"), row["beyond"], row["lean_to_it"],
                 row["most"] or "–", *shares, "–" if none else lean(row)]  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def told(slices: pl.DataFrame) -> list[str]:
    """Lay out the slices found beyond margins, and the difference of each group's share."""
    names = slices["group"].unique(maintain_order=True).to_list()
    head = ["sparsity", "seed", "rule", "attribute", "test images", "damage, points", *names]
    lines = ["", "## Slices beyond what margins foretell", ""]
    lines += ["Of groups: share inside less share outside, in points, with 95% intervals.", ""]
    lines += ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    key = ["sparsity", "seed", "slice"]
    for _, rows in slices.filter(beyond="margin").group_by(key, maintain_order=True):
        one = rows.row(0, named=True)
        cells = [f"{one['sparsity']}%", one["seed"], one["rule"], one["attribute"] or "all",
                 one["n_test"], span(one, "damage")]  # fmt: skip
        cells += [
            lean(rows.row(by_predicate=(pl.col("group") == name) & IS_TRUE, named=True))
            for name in names
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def span(row: dict, key: str, ends: str = "") -> str:
    """Lay out a figure in points with its interval."""
    low, high = row[f"{ends}low"], row[f"{ends}high"]
    return f"{100 * row[key]:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def lean(row: dict) -> str:
    """Lay out the difference of a share inside and outside, in points, with its interval."""
    value = 100 * (row["share_inside"] - row["share_outside"])
    return f"{value:+.0f} ({100 * row['share_low']:+.0f} to {100 * row['share_high']:+.0f})"


if __name__ == "__main__":
    typer.run(main)
