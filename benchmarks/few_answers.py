"""Few answers: how often the audit finds a leaning that is not there.

    OMP_NUM_THREADS=1 python benchmarks/few_answers.py [--audits 40] [--jobs 2]
    PYTHONPATH=OLDER/src python benchmarks/few_answers.py --code "commit NAME" -o OTHER.md

A seeded simulation. Of 3,000 samples a dense model answers "yes" for about 100 in each of 12
attributes; a share `leaning` of these answers are in one group, and the same share are right. The
compressed model gives k of these answers, drawn at random, and no other: by what decides which it
keeps it leans as before and is as often right, so that whatever is found is found by chance. With
persons, 300 of them have ten samples each, and answer and group are those of the person.

Told, of bias amplification and precision: rows with a change, how many of them have p ≤ 0.05, how
many audits have any q ≤ 0.05, and how many intervals of the mean change leave out 0.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from prunescope.audit import audit
from prunescope.data.samples import Group, Samples, TrainRates
from prunescope.predictions import Metadata, Predictions
from seen import write_page

RESULTS = Path(__file__).parent / "results"
N, ATTRIBUTES, DENSE, PERSON = 3_000, 12, 100, 10
ANSWERS = (1, 3, 5, 10, 20, 40, DENSE)
LEANINGS = (0.6, 0.95)
METRICS = ("bias_amplification", "precision")


def world(rng, k, leaning, of_person):
    """Draw group, labels, and the answers of both models: (N,), (N, A), (N, A), (N, A)."""
    units = N // of_person
    group = rng.random(units) < 0.5
    labels, dense, kept = np.zeros((3, units, ATTRIBUTES), bool)
    for a in range(ATTRIBUTES):
        yes = [
            rng.choice(np.flatnonzero(group == side), rng.binomial(DENSE // of_person, share))
            for side, share in ((True, leaning), (False, 1 - leaning))
        ]
        said = np.unique(np.concatenate(yes))
        dense[said, a] = True
        kept[rng.choice(said, min(max(k // of_person, 1), len(said)), replace=False), a] = True
        labels[:, a] = rng.random(units) < 0.05
        labels[said, a] = rng.random(len(said)) < leaning
    return (np.repeat(part, of_person, axis=0) for part in (group, labels, dense, kept))


def one(seed, k, leaning, of_person):
    """Audit one world: metric → rows, p ≤ 0.05, families, q ≤ 0.05, means, means without 0."""
    rng = np.random.default_rng(seed)
    group, labels, dense, kept = world(rng, k, leaning, of_person)
    person = np.arange(N) // of_person
    groups = {"side": Group.from_series(pl.Series(group))}
    if of_person > 1:
        person = np.arange(N) // of_person
        groups["person"] = Group(person.astype(np.int32), tuple(range(N // of_person)))
    names = tuple(f"a{a:02}" for a in range(ATTRIBUTES))
    ids = pl.int_range(N, eager=True).cast(pl.String)
    cluster = "person" if of_person > 1 else None
    samples = Samples(ids, names, labels.astype(np.int8), groups, cluster=cluster)
    models = [
        Predictions(samples, np.where(yes, 2.0, -2.0), Metadata(name=name))
        for name, yes in (("dense", dense), ("kept", kept))
    ]
    by_side = {"True": dict.fromkeys(names, 0.07), "False": dict.fromkeys(names, 0.05)}
    rates = TrainRates(dict.fromkeys(names, 0.06), {"side": by_side})
    table = audit(*models, train_rates=rates, replicates=200, n_affected=0).table
    found = {}
    for metric in METRICS:
        of = "side" if metric == METRICS[0] else None
        rows = table.filter(pl.col("group").eq_missing(of), pl.col("delta").is_not_null())
        rows = rows.filter(metric=metric)
        each, mean = (rows.filter(pl.col("attribute").is_null() == m) for m in (False, True))
        told = (each["p_value"] <= 0.05).sum(), len(each) > 0, (each["q_value"] <= 0.05).any()
        beyond = ((mean["delta_low"] > 0) | (mean["delta_high"] < 0)).sum()
        found[metric] = np.array([len(each), *told, len(mean), beyond], float)
    return found


def share(some, of):
    """Write a share of things that there may be none of."""
    return f"{some / of:.1%} of {of:.0f}" if of else "–"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audits", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--code", default="this commit", help="whose it is, for the page")
    parser.add_argument("-o", type=Path, default=RESULTS / "few_answers.md")
    options = parser.parse_args()
    lines = [
        "# Few answers",
        "",
        f"`benchmarks/few_answers.py`, {options.audits} audits of 12 attributes a row, by seed, by "
        f"the code of {options.code}. A "
        'model that keeps k of about 100 "yes" of the dense one, drawn at random: nothing is '
        "there to be found. *Rows* have a change; *mean*: the interval of the mean change leaves "
        "out 0.",
        "",
        "| samples | leaning | k | metric | rows | p ≤ 0.05 | any q ≤ 0.05 | mean |",
        "|---|---|---|---|---|---|---|---|",
    ]
    with ProcessPoolExecutor(options.jobs) as pool:
        for of_person in (1, PERSON):
            for leaning in LEANINGS:
                for k in ANSWERS:
                    work = partial(one, k=k, leaning=leaning, of_person=of_person)
                    audits = list(pool.map(work, range(options.audits)))
                    for metric in METRICS:
                        n, p, any_row, q, mean, beyond = sum(each[metric] for each in audits)
                        who = "independent" if of_person == 1 else "persons"
                        told = share(p, n), share(q, any_row), share(beyond, mean)
                        cells = (who, leaning, k, metric, f"{n:.0f}", *told)
                        lines.append(f"| {' | '.join(map(str, cells))} |")
                        print(lines[-1], flush=True)
    write_page(options.o, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
