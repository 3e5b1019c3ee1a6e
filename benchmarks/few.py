"""Few samples, rare attributes, small groups, few clusters: which promises the audit keeps.

    OMP_NUM_THREADS=1 python benchmarks/few.py [--audits 300] [--jobs 2]

A seeded simulation. Attributes are true for 2, 10, 30 and 50% of the samples; groups have two
values (40 and 60%) and five (5, 15, 20, 25 and 35%) that shift what is seen. A compressed model
sees less and says "yes" more seldom; a *null* one is drawn like the dense one. With clusters,
persons have images in numbers that are drawn geometrically, so that one may have a third of all,
and what is seen is shared by half among the images of a person.

Told, by metric: how often 95% intervals hold the value and the change of the whole population, as a
mean over rows and for the worst row (of rows with a value in at least half of the audits), and how
often a family of tests of the null model holds any q ≤ 0.05.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import norm

from prunescope.audit import audit
from prunescope.data.samples import Group, Samples
from prunescope.predictions import Metadata, Predictions
from seen import write_page

RESULTS = Path(__file__).parent / "results"
ATTRIBUTES = ("rare", "tenth", "third", "half")
THRESHOLD = norm.isf([0.02, 0.10, 0.30, 0.50])
BANDS, BAND_SHIFT = np.array([0.05, 0.15, 0.20, 0.25, 0.35]), np.array([0.6, 0.2, 0.0, -0.3, 0.0])
MALE_SHIFT = np.array([0.5, -0.4, 0.3, 0.0])
OF_PERSON = 0.5
LARGE = 400_000
CONDITIONS = [("independent", n, n) for n in (100, 300, 2_000)]
CONDITIONS += [(f"{k} persons", 10 * k, k) for k in (2, 3, 5, 10, 30, 80, 300)]
SHOWN = ("accuracy", "balanced_accuracy", "tpr", "precision", "selection_rate", "uncertainty",
         "rare_value_ratio", "auc", "average_precision", "ece", "bias_amplification",
         "interdependence", "flip_rate", "harmful_flip_rate", "excess_accuracy_gap",
         "demographic_parity_difference", "equal_opportunity_difference", "accuracy_difference",
         "worst_group_accuracy")  # fmt: skip
KEY = ["model", "metric", "attribute", "group", "slot"]


def world(rng, n, persons):
    """Draw samples, and the answers of a dense, a null and a compressed model."""
    person = np.arange(n)
    if persons < n:
        sizes = rng.geometric(persons / n, persons)
        person = np.repeat(np.arange(persons), sizes)
        n = len(person)
    of = person[-1] + 1

    def latent(width):
        own = rng.standard_normal((n, width), np.float32)
        if persons == n or of == n:
            return own
        shared = rng.standard_normal((of, width), np.float32)[person]
        return np.sqrt(1 - OF_PERSON) * own + np.sqrt(OF_PERSON) * shared

    male = (rng.random(of) < 0.4)[person]
    band = rng.choice(len(BANDS), size=of, p=BANDS)[person]
    trait = np.sqrt(0.7) * latent(4) + np.sqrt(0.3) * latent(1)
    trait += MALE_SHIFT * (male[:, None] - 0.4) + BAND_SHIFT[band][:, None]
    margin = trait - THRESHOLD
    seen = margin + 0.4 * latent(4)
    groups = {
        "male": Group.from_series(pl.Series(male)),
        "band": Group(band.astype(np.int32), tuple(range(len(BANDS)))),
    }
    clustered = of < n
    if clustered:
        groups["person"] = Group(person.astype(np.int32), tuple(range(of)))
    samples = Samples(
        pl.int_range(n, eager=True).cast(pl.String),
        ATTRIBUTES,
        (margin > 0).astype(np.int8),
        groups,
        cluster="person" if clustered else None,
    )
    answers = {
        "dense": 3 * (seen + 0.4 * latent(4)),
        "null": 3 * (seen + 0.4 * latent(4)),
        "sparse": 2.2 * (seen + 0.8 * latent(4) - 0.3),
    }
    return [Predictions(samples, z, Metadata(name=name)) for name, z in answers.items()]


def rows_of(table):
    """Return the rows of attributes that have a value; worst groups by their group alone."""
    alone = pl.col("metric").str.ends_with("_difference") | pl.col("metric").is_in(
        ["worst_group_accuracy", "bias_amplification"]
    )
    return table.filter(
        pl.col("metric").is_in(SHOWN),
        pl.col("attribute").is_not_null(),
        pl.col("status") == "ok",
        ~pl.col("reason").fill_null("").str.contains("left out"),
    ).with_columns(slot=pl.when(alone).then(None).otherwise("group_value"))


def truth(rates):
    """Return the values and changes of the whole population."""
    dense, *others = world(np.random.default_rng(1), LARGE, LARGE)
    table = audit(dense, others, train_rates=rates, replicates=0, n_affected=0).table
    return rows_of(table).select(*KEY, true="value", true_delta="delta")


def one_audit(n, persons, rates, number):
    """Draw a world and audit it."""
    rng = np.random.default_rng([2026, n, persons, number])
    dense, *others = world(rng, n, persons)
    table = audit(dense, others, train_rates=rates, replicates=200, n_affected=0).table
    families = (
        table.filter(pl.col("model") == "null", pl.col("q_value").is_not_null())
        .group_by("metric", "group", means=pl.col("attribute").is_null())
        .agg(any_q=(pl.col("q_value") <= 0.05).any())
        .with_columns(audit=pl.lit(number))
    )
    found = rows_of(table).select(*KEY, "low", "high", "delta_low", "delta_high")
    return found.with_columns(audit=pl.lit(number)), families


def summarize(name, found, truths, n_audits):
    """Return a row per metric and kind of row."""
    rows = pl.concat([one for one, _ in found]).join(truths, on=KEY, nulls_equal=True)
    rows = rows.with_columns(
        of=pl.when(pl.col("group").is_null()).then(pl.lit("all")).when(
            pl.col("metric").str.contains("difference|worst_group")).then(
            pl.concat_str(pl.lit("by "), "group")).otherwise(pl.lit("in a group")),
        inside=pl.col("true").is_between("low", "high"),
        inside_change=pl.col("true_delta").is_between("delta_low", "delta_high"),
    )  # fmt: skip
    by = rows.group_by(*KEY, "of").agg(
        pl.col("inside").mean(), pl.col("inside_change").mean(), pl.len().alias("n")
    ).filter(pl.col("n") >= n_audits / 2)  # fmt: skip
    shares = by.group_by("metric", "of").agg(
        value=pl.col("inside").mean(), worst_value=pl.col("inside").min(),
        change=pl.col("inside_change").mean(), worst_change=pl.col("inside_change").min(),
    )  # fmt: skip
    families = pl.concat([one for _, one in found]).with_columns(
        of=pl.when(pl.col("group").is_null()).then(pl.lit("all")).when(
            pl.col("metric").str.contains("difference|worst_group")).then(
            pl.concat_str(pl.lit("by "), "group")).otherwise(pl.lit("in a group"))
    )  # fmt: skip
    null = families.group_by("metric", "of", "group", "means").agg(
        any_q=pl.col("any_q").sum() / n_audits
    )
    null = null.group_by("metric", "of").agg(any_q=pl.col("any_q").max())
    order = pl.col("metric").replace_strict({m: i for i, m in enumerate(SHOWN)}, default=99)
    return (
        shares.join(null, on=["metric", "of"], how="full", coalesce=True)
        .filter(pl.col("metric").is_in(SHOWN))
        .sort(order, "of")
        .select(pl.lit(name).alias("condition"), pl.all())
    )


def shown(share):
    return "" if share is None else f"{share:.1%}"


HEAD = """# Few samples, rare attributes, small groups, few clusters

`benchmarks/few.py`, {audits} audits of each condition; Monte Carlo error of a row's share near 95%:
±{error:.1%}. *value*, *change*: how often 95% intervals hold the population's, mean over rows;
*worst*: of the worst row (the least of many, so low by chance alone). *any q*: the largest share,
over groups and means, of audits of a null model in which a family holds q ≤ 0.05.
"""


def markdown(table, audits):
    """Lay the table out."""
    text = HEAD.format(audits=audits, error=np.sqrt(0.05 * 0.95 / audits))
    for name in table["condition"].unique(maintain_order=True):
        text += f"\n## {name}\n\n| metric | of | value | worst | change | worst | any q ≤ 0.05 |\n"
        text += "|---" * 7 + "|\n"
        for row in table.filter(condition=name).iter_rows(named=True):
            columns = ("value", "worst_value", "change", "worst_change", "any_q")
            cells = [row["metric"], row["of"], *(shown(row[key]) for key in columns)]
            text += "| " + " | ".join(cells) + " |\n"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audits", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="conditions whose name holds this text")
    parser.add_argument("-o", type=Path, default=RESULTS / "few.md")
    options = parser.parse_args()
    rates = world(np.random.default_rng(2), 200_000, 200_000)[0].samples.rates()
    truths, parts = truth(rates), []
    spawn = multiprocessing.get_context("spawn")  # threads of polars do not survive a fork
    with ProcessPoolExecutor(options.jobs, spawn) as pool:
        for kind, n, persons in CONDITIONS:
            name = f"{kind}, N = {n:,}" if kind == "independent" else f"{kind}, about {n:,} images"
            if options.only not in name:
                continue
            started = time.perf_counter()
            work = partial(one_audit, n, persons, rates)
            found = list(pool.map(work, range(options.audits), chunksize=5))
            parts.append(summarize(name, found, truths, options.audits))
            print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
    text = markdown(pl.concat(parts), options.audits)
    write_page(options.o, text)
    print(text)


if __name__ == "__main__":
    main()
