"""Do the audit's statistics keep their promises? A seeded simulation whose truth is known.

    OPENBLAS_NUM_THREADS=1 python benchmarks/coverage.py

A world of six attributes is drawn again and again, audited, and what the audit says is held
against the world: how often the 95% intervals hold the value of the whole population (of a model,
of a change), how often a change is found where there is none
(single tests at 5%, and the false discovery rate after correction), and how often a planted one is.

The world: a sample has latent traits, correlated over attributes and shifted in one of two groups;
a label is a trait above a threshold. A model sees the traits through noise that belongs to the
image (all models share it) and noise of its own, and answers with a badly scaled logit; one
attribute is nearly calibrated. The *null* model is drawn like the dense one: they differ, but not
in distribution. The *changed* one sees less, answers "yes" more seldom and is less sure. With
clusters, one person has one to eight samples that share part of every latent. (Several training
seeds have a simulation of their own, ``seeds.py``; few samples and small groups, ``few.py``.)

Writes a Markdown table and a CSV table into ``benchmarks/results``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from scipy.optimize import brentq
from scipy.stats import norm

from prunescope.audit import audit
from prunescope.data.samples import Group, Samples, TrainRates
from prunescope.predictions import Compression, Metadata, Predictions
from seen import write_page

RESULTS = Path(__file__).parent / "results"

ATTRIBUTES = ("Bald", "Hat", "Beard", "Smiling", "Young", "Lipstick")
PREVALENCE = np.array([0.05, 0.10, 0.20, 0.30, 0.40, 0.50])
GROUP_SHARE = 0.4
SHIFT = np.array([0.5, -0.4, 0.3, 0.0, -0.3, 0.6])
"""How far the group moves each trait; by nothing: no gap to find, and none to lean on."""
TRAIT_CORRELATION = 0.3
OF_PERSON = 0.5
"""Share of every latent's variance that samples of one person share."""
IMAGE_NOISE, OWN_NOISE = 0.5, 0.4
SCALE = np.array([3.0, 2.0, 4.0, np.nan, 1.5, 3.0])
OFFSET = np.array([-0.3, -0.2, 0.2, np.nan, 0.0, 0.1])
CALIBRATED = 3
SIZES = (500, 2_000, 10_000)
MODELS = ("dense", "null", "changed")
PER_SLICE = {"accuracy", "balanced_accuracy", "tpr", "fpr", "tnr", "fnr", "precision",
             "selection_rate", "uncertainty", "ece", "harmful_flip_rate", "helpful_flip_rate",
             "flip_rate"}  # fmt: skip
SHOWN = ("accuracy", "tpr", "precision", "rare_value_ratio", "bias_amplification",
         "interdependence", "correlation_shift", "ece", "auc", "average_precision", "uncertainty",
         "flip_rate", "harmful_flip_rate", "excess_accuracy_gap", "demographic_parity_difference",
         "equal_opportunity_difference", "worst_group_accuracy")  # fmt: skip
"""Metrics of the Markdown tables; the CSV table has all."""
GATHERED = ("cie_odds_ratio", "cie_rare_odds_ratio")
"""Exemplars gather in groups that are harder, even where nothing systematic changes: no null."""

LEVEL, LOWEST, HIGHEST = 0.95, 0.93, 0.97
KEY = ["model", "metric", "attribute", "group", "group_value"]


def _thresholds():
    """Return the thresholds that give the traits their prevalence."""
    shares = ((GROUP_SHARE, 1 - GROUP_SHARE), (1 - GROUP_SHARE, -GROUP_SHARE))
    return np.array([
        brentq(lambda t, m=m, p=p: sum(w * norm.sf(t - m * at) for w, at in shares) - p, -9, 9)
        for m, p in zip(SHIFT, PREVALENCE, strict=True)
    ])  # fmt: skip


THRESHOLD = _thresholds()


class World:
    """Some samples, and what models answer on them."""

    def __init__(self, rng, n, clustered):
        self.rng, self.n = rng, n
        person = np.arange(n)
        if clustered:
            sizes = rng.integers(1, 9, n)
            person = np.repeat(np.arange(n), sizes)[:n]
        self.person, self.clustered = person, clustered
        group = rng.random(person[-1] + 1)[person] < GROUP_SHARE
        common = self._latent(1) * np.sqrt(TRAIT_CORRELATION)
        traits = self._latent(len(ATTRIBUTES)) * np.sqrt(1 - TRAIT_CORRELATION) + common
        traits += SHIFT * (group[:, None] - GROUP_SHARE)
        self.margin = traits - THRESHOLD
        self.seen = self.margin + IMAGE_NOISE * self._latent(len(ATTRIBUTES))
        groups = {"Male": Group.from_series(pl.Series(group))}
        if clustered:
            groups["person"] = Group(person.astype(np.int32), tuple(range(person[-1] + 1)))
        self.samples = Samples(
            pl.int_range(n, eager=True).cast(pl.String),
            ATTRIBUTES,
            (self.margin > 0).astype(np.int8),
            groups,
            cluster="person" if clustered else None,
        )

    def _latent(self, width):
        """Draw standard normal columns, which samples of one person share in part."""
        own = self.rng.standard_normal((self.n, width), np.float32)
        if not self.clustered:
            return own
        shared = self.rng.standard_normal((self.person[-1] + 1, width), np.float32)
        return np.sqrt(1 - OF_PERSON) * own + np.sqrt(OF_PERSON) * shared[self.person]

    def model(self, kind, name):
        """Answer as one model does."""
        changed = kind == "changed"
        noise = OWN_NOISE * (2 if changed else 1)
        seen = self.seen + noise * self._latent(len(ATTRIBUTES))
        logits = SCALE * (seen + OFFSET)
        blur = IMAGE_NOISE**2 + OWN_NOISE**2
        expected = (seen + THRESHOLD) / (1 + blur) - THRESHOLD
        logits[:, CALIBRATED] = 1.702 * (expected / np.sqrt(blur / (1 + blur)))[:, CALIBRATED]
        if changed:
            logits = 0.8 * (logits - 0.5)
        how = Compression() if kind == "dense" else Compression(method=kind, sparsity=0.9)
        return Predictions(self.samples, logits, Metadata(name=name, compression=how))


def numbers(table, names):
    """Return the usable estimates of an audit, models renamed as in `names`."""
    values = ["value", "low", "high", "delta", "delta_low", "delta_high", "p_value", "q_value"]
    return (
        table.filter(pl.col("status") == "ok")
        .filter(~pl.col("metric").is_in(GATHERED))
        .filter(pl.col("model").is_in(list(names)))
        .with_columns(
            pl.col("model").replace_strict(names, return_dtype=pl.String),
            pl.when(pl.col("metric") == "worst_group_accuracy")
            .then(None)
            .otherwise("group_value")
            .alias("group_value"),
        )
        .select(*KEY, *values, "reason")
    )


ALONE = {name: name for name in MODELS}


def train_rates():
    """Return the rates of the whole population."""
    inside, outside = (norm.sf(THRESHOLD - SHIFT * at) for at in (1 - GROUP_SHARE, -GROUP_SHARE))
    named = [dict(zip(ATTRIBUTES, rates.tolist(), strict=True))
             for rates in (PREVALENCE, inside, outside)]  # fmt: skip
    return TrainRates(named[0], {"Male": {"True": named[1], "False": named[2]}})


def true_values(seed, n, parts):
    """Return the population's values and changes, and the Monte Carlo error of the values.

    The mean over `parts` large samples of n.
    """
    tables, rates = [], train_rates()
    for part in range(parts):
        world = World(np.random.default_rng([seed, 8, part]), n, clustered=False)
        dense, *others = (world.model(kind, kind) for kind in MODELS)
        found = audit(dense, others, train_rates=rates, replicates=0, n_affected=0)
        tables.append(numbers(found.table, ALONE))
        say(f"truth: {part + 1} of {parts}")
    return (
        pl.concat(tables)
        .group_by(KEY)
        .agg(
            pl.col("reason").first().alias("true_reason"),
            pl.col("value").mean().alias("true"),
            pl.col("delta").mean().alias("true_delta"),
            (pl.col("value").std() / pl.len().sqrt()).alias("true_error"),
        )
    )


def one_audit(task):
    """Draw a world and audit it."""
    seed, n, clustered, number, replicates = task
    world = World(np.random.default_rng([seed, n, clustered, number]), n, clustered)
    dense, *others = (world.model(kind, kind) for kind in MODELS)
    found = audit(
        dense, others, train_rates=train_rates(), replicates=replicates, n_affected=0, seed=number
    )
    return numbers(found.table, ALONE).with_columns(pl.lit(number).alias("audit"))


def kinds():
    """Say what a row is about: a family's mean, an attribute within a group, or an attribute."""
    within = pl.col("metric").is_in([*PER_SLICE, "excess_accuracy_gap"])
    return (
        pl.when(pl.col("attribute").is_null())
        .then(pl.lit("mean"))
        .when(within & pl.col("group").is_not_null())
        .then(pl.lit("in a group"))
        .otherwise(pl.lit("attribute"))
        .alias("of")
    )


def monte_carlo_error(name):
    """Return the standard error of a mean over audits; never 0, though no audit may differ."""
    n = pl.col(name).count()
    return pl.max_horizontal(pl.col(name).std() / n.sqrt(), 1 / (n + 1))


def shares(rows, by):
    """Return how often intervals hold the truth, and how often tests say that there is a change.

    With the Monte Carlo error of each: rows of one audit are not independent, audits are.
    """
    null, changed = (pl.col("model") == name for name in MODELS[1:])
    inside = pl.col("true").is_between("low", "high")
    inside_delta = pl.col("true_delta").is_between("delta_low", "delta_high")
    found = pl.col("p_value") <= 1 - LEVEL
    told = {
        "value": inside,
        "below": pl.col("true") < pl.col("low"),
        "above": pl.col("true") > pl.col("high"),
        "change": inside_delta.filter(changed),
        "no_change": inside_delta.filter(null),
        "rejected": found.filter(null),
        "found": found.filter(changed),
    }
    each = rows.group_by(*by, "audit").agg(
        *(share.mean().alias(name) for name, share in told.items())
    )
    return each.group_by(by).agg(
        *(pl.col(name).mean() for name in told),
        *(monte_carlo_error(name).alias(f"{name}_error") for name in told),
        pl.len().alias("audits"),
    )  # fmt: skip


def discoveries(rows):
    """Return how often a family of tests finds any change in the null model."""
    families = (
        rows.filter((pl.col("model") == "null") & pl.col("q_value").is_not_null())
        .with_columns(pl.col("attribute").is_null().alias("means"))
        .group_by("metric", "means", "audit")
        .agg((pl.col("q_value") <= 1 - LEVEL).any().alias("any"))
    )
    return families.group_by("metric", "means").agg(
        pl.col("any").mean().alias("fdr"),
        monte_carlo_error("any").alias("fdr_error"),
    )


def summarize(rows, truth):
    """Hold the rows of many audits against the truth: one row per metric and kind of row."""
    # the mean over the attributes with enough support is another quantity when one lacks it
    same = pl.col("attribute").is_not_null() | pl.col("reason").eq_missing(pl.col("true_reason"))
    rows = rows.join(truth, on=KEY, how="left", nulls_equal=True).filter(same)
    rows = rows.with_columns(kinds())
    found = shares(rows, ["metric", "of"])
    worst = (
        shares(rows.filter(pl.col("of") == "attribute"), ["metric", "of", "attribute"])
        .group_by("metric", "of")
        .agg(pl.col("attribute").sort_by("value").first().alias("worst_attribute"),
             pl.col("value").min().alias("worst_value"))
    )  # fmt: skip
    return (
        found.join(worst, on=["metric", "of"], how="left")
        .with_columns((pl.col("of") == "mean").alias("means"))
        .join(discoveries(rows), on=["metric", "means"], how="left")
        .drop("means")
    )


STARTED = time.perf_counter()


def say(text):
    print(f"{time.perf_counter() - STARTED:6.0f} s  {text}", flush=True)


def conditions():
    """Return the name of each condition, its size, and whether it is clustered."""
    return [
        (f"{'clusters' if clustered else 'independent samples'}, N = {n:,}", n, clustered)
        for clustered in (False, True)
        for n in SIZES
    ]


def run(options) -> Iterator[pl.DataFrame]:
    """Simulate every condition."""
    truth = true_values(options.seed, 1_000_000, 4)
    spawn = multiprocessing.get_context("spawn")  # threads of polars do not survive a fork
    several = options.jobs > 1
    with ProcessPoolExecutor(options.jobs, spawn) if several else nullcontext() as pool:
        work = partial(pool.map, chunksize=5) if pool else map
        for name, n, clustered in conditions():
            if options.only and options.only not in name:
                continue
            tasks = [
                (options.seed, n, clustered, k, options.replicates) for k in range(options.audits)
            ]
            rows = []
            for done in work(one_audit, tasks):
                rows.append(done)
                if len(rows) % 100 == 0:
                    say(f"{name}: {len(rows)} of {options.audits}")
            table = summarize(pl.concat(rows), truth)
            yield table.select(pl.lit(name).alias("condition"), pl.all()).sort("metric", "of")


def failures(table):
    """Return the cells that break a promise: outside 93 to 97%, or more false discoveries than 5%.

    `by` is how far, in Monte Carlo errors; less than 2 is within the error.
    """
    cells = []
    for row in table.iter_rows(named=True):
        for what in ("value", "change", "no_change"):
            share, error = row[what], row[f"{what}_error"]
            if share is not None and not LOWEST <= share <= HIGHEST:
                beyond = max(LOWEST - share, share - HIGHEST)
                cells.append((row, f"{what} interval", share, beyond / error))
        for what in ("rejected", "fdr"):
            share, error = row[what], row[f"{what}_error"]
            if (
                share is not None
                and share > 1 - LEVEL
                and (what == "rejected" or row["of"] != "in a group")
            ):
                cells.append((row, what, share, (share - 1 + LEVEL) / error))
    return cells


def percent(share, error=None, bold=False):
    if share is None:
        return ""
    text = f"{share:.1%}" + (f" ± {error * 100:.1f}" if error is not None else "")
    return f"**{text}**" if bold else text


def markdown(table, command, options):
    """Lay the results out."""
    lines = [
        "# What the audit's statistics promise, and what they keep",
        "",
        f"Made by `{command}`: simulation seed {options.seed}, {options.replicates} bootstrap "
        "replicates an audit. The seeds of the worlds and of the bootstrap differ from audit to "
        "audit. ± is one Monte Carlo standard error over audits.",
        "",
        "*value*: how often the 95% interval of a model's value holds the population's value; "
        "*worst*: the same for the attribute with the least. *change*, *no change*: the interval "
        "of compressed minus dense, where there is a planted change and where there is none. "
        "*p ≤ 0.05* and *any q ≤ 0.05*: of the model without a change, the share of tests, and of "
        "audits in which a metric's family finds anything (the false discovery rate, as all "
        "discoveries are false). *power*: share of p ≤ 0.05 where there is a change. Bold: outside "
        "93 to 97%, or above 5%, by more than two errors.",
    ]
    head = "| metric | of | value | worst | change | no change | p ≤ 0.05 | any q ≤ 0.05 | power |"
    for name in table["condition"].unique(maintain_order=True):
        part = table.filter(pl.col("condition") == name)
        lines += ["", f"## {name} ({part['audits'].max():,} audits)", "", head, "|---" * 9 + "|"]
        for metric in SHOWN:
            for row in part.filter(pl.col("metric") == metric).iter_rows(named=True):
                bad = {what.removesuffix(" interval") for _, what, _, by in
                       failures(pl.DataFrame([row], part.schema)) if by > 2}  # fmt: skip
                cells = [
                    percent(row[what], row[f"{what}_error"], what in bad)
                    for what in ("value", "change", "no_change", "rejected", "fdr", "found")
                ]
                if row["of"] == "in a group":
                    cells[4] = ""
                worst = row["worst_value"]
                cells.insert(1, "" if worst is None else f"{worst:.1%} {row['worst_attribute']}")
                lines.append("| " + " | ".join([metric, row["of"], *cells]) + " |")
    return "\n".join([*lines, ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audits", type=int, default=400, help="per condition")
    parser.add_argument("--replicates", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--only", default="", help="conditions whose name holds this text")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    command = (
        f"python benchmarks/coverage.py --audits {options.audits} --replicates "
        f"{options.replicates} --seed {options.seed}"
    )
    table = pl.concat(run(options))
    for row, what, share, by in failures(table):
        print(
            f"{'OUTSIDE' if by > 2 else 'within error'}: {row['condition']}: {row['metric']} of "
            f"{row['of']}: {what} {share:.1%} ({by:.1f} errors beyond)"
        )
    options.output.mkdir(parents=True, exist_ok=True)
    table.write_csv(options.output / "coverage.csv", float_precision=5)
    write_page(options.output / "coverage.md", markdown(table, command, options))


if __name__ == "__main__":
    main()
