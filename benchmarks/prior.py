"""What two training seeds can show: the power of a test that knew the variance over seeds.

    OMP_NUM_THREADS=1 python benchmarks/prior.py [--audits 60]

In the worlds of ``seeds.py`` with two seeds, the audit's figures of how each change varies are kept
and judged anew: with the prior's degrees of freedom as fitted, with others that are the same for
all rows, and with the variance of every change known exactly (the *oracle*: that observed over all
audits, and a normal test). No rule that shares one number among the rows passes all others.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

import seeds
from prunescope.audit.intervals.ends import two_sided
from prunescope.audit.intervals.significance import benjamini_hochberg
from prunescope.audit.seeds import populations
from seen import write_page

RESULTS = Path(__file__).parent / "results"
SEEDS = 2
PRIORS = ("oracle", "as fitted", 1, 2, 4, 8, 16, 1e6)
WORLDS = ("null", "fallen")


def collect(kind, shifts, audits):
    """Return of each audit and metric: name, change, s², v, sampling's variance and df, prior."""
    kept, comparison = [], populations.Pooled.comparison

    def keep(self, estimates, prior, df):
        change = self.deltas
        if change.values and self.metric in seeds.METRICS and estimates.attributes[0] is not None:
            found = self._sampling(change)
            rows = (change.value, change.variance, change.apart(found.variance), found.variance,
                    found.df, prior)  # fmt: skip
            kept.append(("", self.metric, *(row[0] for row in rows), df))
        return comparison(self, estimates, prior, df)

    populations.Pooled.comparison = keep
    try:
        records = []
        for number in range(audits):
            kept.clear()
            seeds.one_audit(kind, SEEDS, shifts, number)
            records.append(list(kept))
    finally:
        populations.Pooled.comparison = comparison
    return records


def spread_known(records):
    """Return the variance of each metric's changes about their mean, over all audits."""
    return {
        metric: np.mean([
            np.var([row[2] for rows in of_world for row in rows if row[1] == metric], 0, ddof=1)
            for of_world in records
        ], axis=0)
        for metric in seeds.METRICS
    }  # fmt: skip


def total(row, prior, known):
    """Return the variance of a change and its degrees of freedom."""
    _, metric, _, s2, v, sampling, of_sampling, line, fitted = row
    if prior == "oracle":
        return known[metric], np.full(s2.shape, 1e9)
    d0, m = fitted if prior == "as fitted" else prior, SEEDS
    over = np.maximum((d0 * line + (m - 1) * s2) / (d0 + m - 1), v) / m
    shared = np.maximum(sampling - v / m, 0)
    df = (shared + over) ** 2 / (shared**2 / np.minimum(of_sampling, 1e9) + over**2 / (d0 + m - 1))
    return shared + over, np.clip(df, 1, 1e9)


def judge(records, truths, prior):
    """Return the mean coverage, that of the worst attribute, any q ≤ 0.05, and the power."""
    known = spread_known(records)
    inside = {}
    chance, power = [], []
    for world, of_world in zip(WORLDS, records, strict=True):
        true = {
            metric: truths[world].filter(metric=metric).sort("attribute")
            for metric in seeds.METRICS
        }
        for row in (row for rows in of_world for row in rows):
            variance, df = total(row, prior, known)
            metric, value = row[1], row[2]
            change = (true[metric]["gmp"] - true[metric]["dense"]).to_numpy()
            held = np.abs(value - change) <= stdtrit(df, 0.975) * np.sqrt(variance)
            inside.setdefault((world, metric), []).append(held)
            found = benjamini_hochberg(two_sided(value, variance, df)) <= 0.05
            if world == "null":
                chance.append(found.any())
            elif metric == "tpr":
                power.append(found[true[metric]["fell"].to_numpy()].mean())
    shares = np.array([np.mean(held, axis=0) for held in inside.values()])
    return shares.mean(), shares.mean(axis=0).min(), np.mean(chance), np.mean(power)


HEAD = """# What two training seeds can show

`benchmarks/prior.py`, {audits} audits of each world. *d₀*: degrees of freedom of the prior of all
rows. *change*: how often 95% intervals hold the true change, mean over attributes and metrics;
*worst*: of the worst attribute, over all metrics; *any q*: how often a family of the null holds
q ≤ 0.05; *power*: planted falls of the true positive rate by three deviations over seeds found.

| spread | d₀ | change | worst | any q ≤ 0.05 | power |
|---|---|---|---|---|---|
"""


def table(collected, audits):
    """Lay the results out; `collected` has records and truth by spread and world."""
    text = HEAD.format(audits=audits)
    for kind in seeds.SPREADS:
        records = [collected[kind, world][0] for world in WORLDS]
        truths = {world: collected[kind, world][1] for world in WORLDS}
        for prior in PRIORS:
            name = {"oracle": "variance known", 1e6: "∞"}.get(prior, str(prior))
            cells = " | ".join(f"{share:.1%}" for share in judge(records, truths, prior))
            text += f"| {kind} | {name} | {cells} |\n"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audits", type=int, default=60)
    parser.add_argument("-o", type=Path, default=RESULTS / "prior.md")
    options = parser.parse_args()
    collected = {}
    for kind, spread in seeds.SPREADS.items():
        fallen = np.nan_to_num(np.where(np.arange(len(spread)) % 2, seeds.planted(spread), 0.0))
        for world, shifts in zip(WORLDS, (np.zeros(len(spread)), fallen), strict=True):
            records = collect(kind, shifts, options.audits)
            collected[kind, world] = records, seeds.truth(spread, shifts)
            print(kind, world, flush=True)
    write_page(options.o, table(collected, options.audits))


if __name__ == "__main__":
    main()
