"""How often the verdict is wrong, and what it takes to be able to say "ship".

    OMP_NUM_THREADS=1 python benchmarks/verdicts.py [--audits 200] [--jobs 2]

A seeded simulation, end to end through `prunescope.audit` and the shipped policy. Dense and
compressed model see the same signal with noise of the same size, part of it shared, so that 4% of
the answers differ and *nothing changed*. A *damage* is planted on top, its dose found on four
populations of 100,000 samples: at the moderate limit of one criterion that decides (then "ship",
or ship with care that does not name it, is an error), or at 1.5 times a severe limit (then anything
but "do not ship" is). Of several seeds the population's answer is told, that of its worst seed.

Told beside the shares of answers: what `policy power` foretells from one dense model alone, and how
near the numbers of images come that the verdict asks for.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import norm

from prunescope.audit import audit
from prunescope.data.samples import Group, Samples, TrainRates
from prunescope.predictions import Compression, Metadata, Predictions
from prunescope.verdict import Judge, Policy, shipped
from prunescope.verdict.damage import judge_rows
from prunescope.verdict.power import foretell
from seen import write_page

RESULTS = Path(__file__).parent / "results"
POPULATION, POPULATIONS = 100_000, 4
PREVALENCE = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5])
SHARED, OWN = 0.93, 0.36
ALPHA = 0.05
PILOT = 10_000
"""Images of the dense model that verdicts are foretold from."""


@dataclass(frozen=True)
class World:
    """How many samples there are, of what."""

    n: int
    attributes: int = 18
    classes: int = 0
    persons: int = 0
    seeds: int = 1
    rarest: float = 0.05

    @property
    def name(self) -> str:
        """How a table calls it."""
        what = f"{self.classes} classes" if self.classes else f"{self.attributes} attributes"
        more = f", {self.persons} persons" if self.persons else ""
        return f"{self.n:,} × {what}{more}" + (f", {self.seeds} seeds" if self.seeds > 1 else "")


@dataclass(frozen=True)
class Damage:
    """What is planted: how, in which criterion, and how large it is in the population."""

    kind: str
    criterion: str
    metric: str
    size: float
    attribute: str | None = None
    group: str | None = None


NOTHING = Damage("none", "", "", 0.0)
AT_LIMIT = (
    Damage("answers turn wrong", "Accuracy falls", "accuracy", 0.005),
    Damage("answers are less sure", "Answers are less sure", "uncertainty", 0.02),
    Damage("scores are shuffled", "Scores rank worse", "auc", 0.005),
    Damage("positives go", "Rates of answers drift", "rare_value_ratio", 0.1),
    Damage("positives of women go", "Answers lean, on average", "bias_amplification", 0.02,
           group="Male"),
)  # fmt: skip
SEVERE = (
    Damage("answers turn wrong", "Accuracy falls", "accuracy", 0.03),
    Damage("answers are less sure", "Answers are less sure", "uncertainty", 0.075),
    Damage("scores are shuffled", "Scores rank worse", "auc", 0.03),
    Damage("positives go", "Rates of answers drift", "rare_value_ratio", 0.45),
    Damage("positives of women go", "Answers lean, on average", "bias_amplification", 0.075,
           group="Male"),
    Damage("one attribute turns wrong", "Some attributes lose accuracy", "accuracy", 0.045,
           attribute="a3"),
    Damage("one attribute's positives go", "Rare answers fade", "rare_value_ratio", 0.45,
           attribute="a1"),
)  # fmt: skip


def draw(world: World, rng: np.random.Generator):
    """Draw labels, the logits of two models of each seed, and groups."""
    n = world.n
    person = np.arange(n)
    if world.persons:
        person = np.sort(rng.integers(0, world.persons, n))
    male, pale = rng.random(person[-1] + 1) < 0.4, rng.random(person[-1] + 1) < 0.05
    groups = {"Male": male[person], "Pale": pale[person]}
    if world.persons:
        groups["person"] = person.astype(str)

    def normal(width):
        alone = rng.standard_normal((n, width))
        if not world.persons:
            return alone
        of_person = rng.standard_normal((person[-1] + 1, width))[person]
        return np.sqrt(0.7) * alone + np.sqrt(0.3) * of_person

    if world.classes:
        k = world.classes
        label = rng.integers(0, k, n)
        signal = 2.0 * normal(k)
        signal += 0.3 * np.outer(groups["Male"], np.arange(k) % 2) * np.ones(k)
        signal[np.arange(n), label] += 2.6 + 1.6 * norm.ppf(1 - 1 / k)
        labels = np.eye(k, dtype=np.int8)[label]
        own = 0.2
    else:
        prevalence = np.resize(np.maximum(PREVALENCE, world.rarest), world.attributes)
        latent = normal(world.attributes)
        latent += 0.3 * groups["Male"][:, None] + 0.4 * groups["Pale"][:, None]
        threshold = norm.isf(prevalence) + 0.14
        labels, signal, own = (latent > threshold).astype(np.int8), 3 * (latent - threshold), OWN
    pairs = []
    for _ in range(world.seeds):
        both = SHARED * rng.standard_normal(signal.shape)
        pairs.append([signal + both + own * rng.standard_normal(signal.shape) for _ in range(2)])
    return labels, pairs, groups


def harm(damage: Damage, dose: float, labels, logits, groups, rng):
    """Plant a dose of damage into the logits of a compressed model."""
    logits, hit = logits.copy(), rng.random(logits.shape) < dose
    yes, true, women = logits > 0, labels == 1, ~groups["Male"][:, None]
    if damage.attribute:
        hit[:, np.arange(logits.shape[1]) != int(damage.attribute[1:])] = False
    if damage.kind.endswith("turn wrong") or damage.kind.endswith("turns wrong"):
        hit &= yes == true
        logits[hit] *= -1
    elif damage.kind == "answers are less sure":
        hit &= np.abs(logits) > 2.2
        logits[hit] = np.sign(logits[hit]) * 2.0
    elif damage.kind == "scores are shuffled":
        for side in (yes, ~yes):
            for column in range(logits.shape[1]):
                rows = np.flatnonzero(hit[:, column] & side[:, column])
                others = logits[side[:, column], column]
                if len(rows):
                    logits[rows, column] = rng.choice(others, len(rows))
    elif damage.kind != "none":
        hit &= yes & (women if "women" in damage.kind else True)
        logits[hit] *= -1
    return logits


def audited(world: World, labels, pairs, groups, **settings):
    """Audit the models of a world."""
    n, width = labels.shape
    prefix = "c" if world.classes else "a"
    told = {name: Group.from_series(pl.Series(values)) for name, values in groups.items()}
    samples = Samples(
        pl.Series([f"i{row}" for row in range(n)]), tuple(f"{prefix}{k}" for k in range(width)),
        labels, told, task="multiclass" if world.classes else "multilabel",
    )  # fmt: skip
    models = [[], []]
    for seed, pair in enumerate(pairs):
        for side, logits in enumerate(pair):
            how = Compression(method="gmp", sparsity=0.9) if side else Compression()
            metadata = Metadata(name=f"{('dense', 'pruned')[side]}-{seed}", seed=seed,
                                task=samples.task, compression=how)  # fmt: skip
            models[side].append(Predictions(samples, logits.astype(np.float32), metadata))
    if world.persons:
        settings["cluster"] = "person"
    return audit(*models, train_rates=rates(world), n_affected=0, **settings), models[0][0]


@cache
def rates(world: World) -> TrainRates:
    """Return the rates of a large training split of a world."""
    large = replace(world, n=40_000 if world.classes else POPULATION, persons=0, seeds=1)
    labels, _, groups = draw(large, np.random.default_rng(99))
    prefix = "c" if world.classes else "a"
    names = tuple(f"{prefix}{k}" for k in range(labels.shape[1]))
    told = {name: Group.from_series(pl.Series(values)) for name, values in groups.items()}
    ids = pl.Series([str(row) for row in range(len(labels))])
    task = "multiclass" if world.classes else "multilabel"
    return Samples(ids, names, labels, told, task=task).rates()


def dose_of(damage: Damage, rarest: float = 0.05) -> float:
    """Find the dose that makes a damage as large as it should be, on the mean of populations."""
    world = World(POPULATION, len(PREVALENCE), rarest=rarest)

    def size(dose: float, seed: int) -> float:
        labels, pairs, groups = draw(world, np.random.default_rng(seed))
        hurt = harm(damage, dose, labels, pairs[0][1], groups, np.random.default_rng(seed + 1))
        found, _ = audited(world, labels, [[pairs[0][0], hurt]], groups, replicates=0)
        rows = found.table.filter(
            pl.col("model") == "pruned-0", pl.col("metric") == damage.metric,
            pl.col("attribute").eq_missing(damage.attribute),
            pl.col("group").eq_missing(damage.group),
        )  # fmt: skip
        criterion = next(one for one in shipped().criteria if one.title == damage.criterion)
        return float(judge_rows(criterion, rows, ALPHA)["damage"][0])

    low, high = 0.0, 1.0
    wanted = damage.size + size(0.0, 1)  # of two models that are alike but for chance
    if size(1.0, 1) < wanted:
        raise SystemExit(f"{damage.kind} cannot reach {damage.size}: {size(1.0, 1):.4f}")
    for _ in range(8):
        middle = (low + high) / 2
        low, high = (middle, high) if size(middle, 1) < wanted else (low, middle)
    made = [size(high, seed) - size(0.0, seed) for seed in range(2, 2 + POPULATIONS)]
    return high * damage.size / float(np.mean(made))


def one(world: World, damage: Damage, dose: float, seed: int):
    """Judge one audit: the answer, the states of the criteria, how large the damage looks."""
    rng = np.random.default_rng([seed, world.n, world.attributes, world.classes, world.persons])
    labels, pairs, groups = draw(world, rng)
    pairs = [[a, harm(damage, dose, labels, b, groups, rng)] for a, b in pairs]
    found, _ = audited(world, labels, pairs, groups, replicates=100)
    judge = Judge(found, shipped())
    verdict = judge.verdict()
    told = {one.criterion: one.state for one in verdict.models[0].criteria}
    looks = [one.judged.rows[0].damage for one in judge.findings("pruned-0")
             if one.criterion.title == damage.criterion and one.judged.rows]  # fmt: skip
    return verdict.answer, told, looks[0] if looks else None


OF_ALL = ("Accuracy falls", "Scores rank worse", "Rates of answers drift")
"""Criteria of which it is told how many more images they need."""


def over_all(world: World, seed: int, extra: int = 0):
    """Judge one audit by these criteria, with `extra` images: states, and how many more."""
    parts = [draw(world, np.random.default_rng([seed, world.n, world.attributes]))]
    if extra:
        rng = np.random.default_rng([seed, world.n, world.attributes, 1])
        parts.append(draw(replace(world, n=extra), rng))
    labels = np.concatenate([labels for labels, _, _ in parts])
    pairs = [
        [np.concatenate(both) for both in zip(*(pairs[0] for _, pairs, _ in parts), strict=True)]
    ]
    found, _ = audited(replace(world, n=len(labels)), labels, pairs, {}, replicates=100)
    criteria = [one for one in shipped().of_task("multilabel") if one.title in OF_ALL]
    judge = Judge(found, Policy(version=2, criteria=criteria))
    return {
        one.criterion.title: (one.judged.state, one.rows["more"][0])
        for one in judge.findings("pruned-0")
    }


def held_after(world: World, title: str, times: float, asked: tuple[int, int]) -> bool:
    """Tell whether a criterion is held with `times` as many more images as were asked for."""
    seed, more = asked
    return over_all(world, seed, max(1, round(times * more)))[title][0] == "held"


def shares(pool, world: World, damage: Damage, dose: float, audits: int):
    """Judge many audits."""
    found = list(pool.map(partial(one, world, damage, dose), range(audits), chunksize=4))
    answers = Counter(answer for answer, _, _ in found)
    return {name: answers[name] / audits for name in ("ship", "care", "unknown", "stop")}, found


def foretold(world: World) -> tuple[float, float]:
    """Foretell the same from one dense model: the probability of ship, or care, and of ship."""
    pilot = replace(world, n=PILOT, persons=world.persons * PILOT // world.n, seeds=1)
    labels, pairs, groups = draw(pilot, np.random.default_rng(10_000))
    found, dense = audited(pilot, labels, pairs, groups, replicates=0)
    flips = "top1_flip_rate" if world.classes else "flip_rate"
    rows = found.table.filter(pl.col("metric") == flips, pl.col("attribute").is_null(),
                              pl.col("group").is_null())  # fmt: skip
    more = {"cluster": "person"} if world.persons else {}
    told = foretell(dense, float(rows["value"][0]), sizes=[world.n], replicates=100,
                    train_rates=rates(world), **more)  # fmt: skip
    return told.curve["ship_or_care"][0], told.curve["ship"][0]


WORLDS = (
    *(World(n) for n in (12, 100, 300, 500, 1_000, 2_000, 5_000, 10_000)),
    World(5_000, 1), World(10_000, 1), World(10_000, 4), World(300, 40), World(5_000, 40),
    World(2_000, seeds=2), World(2_000, seeds=3),
    World(500, persons=50), World(5_000, persons=30), World(5_000, persons=500),
    World(2_000, classes=2), World(5_000, classes=10), World(5_000, classes=200),
)  # fmt: skip


def nothing(pool, audits: int):
    """Tell how often each answer is given where nothing changed."""
    yield "Asked: do not ship ≤ 5; ship or care ≥ 80 at 5,000 × 18 attributes or more, and within 5"
    yield f"points of what `policy power` foretells from {PILOT:,} answers of one dense model."
    yield ""
    yield "| world | ship | care | cannot tell | do not ship | ship or care | foretold |"
    yield "|---|---|---|---|---|---|---|"
    expected = dict(zip(WORLDS, pool.map(foretold, WORLDS), strict=True))
    for world in WORLDS:
        told, _ = shares(pool, world, NOTHING, 0.0, audits)
        both = 100 * (told["ship"] + told["care"])
        yield f"| {world.name} | {cells(told)} | {both:.1f} | {100 * expected[world][0]:.1f} |"


def limit(pool, audits: int):
    """Tell how often a damage at its limit passes."""
    yield "Asked: ship ≤ 5. *Held*: the criterion says that the damage is inside its limit. At 300"
    yield "samples attributes are true for 30 to 50%: rarer ones would have too few images, and the"
    yield "mean over those that have enough is not what was planted."
    yield ""
    yield "| world | damage | ship | care | cannot tell | do not ship | held | damage, mean |"
    yield "|---|---|---|---|---|---|---|---|"
    for world in (World(300, rarest=0.3), World(2_000), World(10_000)):
        doses = pool.map(partial(dose_of, rarest=world.rarest), AT_LIMIT)
        for damage, dose in zip(AT_LIMIT, doses, strict=True):
            told, found = shares(pool, world, damage, dose, audits)
            held = 100 * sum(of[damage.criterion] == "held" for _, of, _ in found) / audits
            what = f"{damage.criterion}, {damage.size}"
            mean = np.mean([size for _, _, size in found])
            yield f"| {world.name} | {what} | {cells(told)} | {held:.1f} | {mean:.4f} |"


def alone(world: World, damage: Damage, dose: float, seed: int) -> tuple[bool, float]:
    """Judge one audit by the damaged criterion alone: whether it is held, how large it looks."""
    rng = np.random.default_rng([seed, world.n, world.attributes])
    labels, [[dense, other]], groups = draw(world, rng)
    hurt = harm(damage, dose, labels, other, groups, rng)
    found, _ = audited(world, labels, [[dense, hurt]], {}, replicates=100)
    criteria = [one for one in shipped().criteria if one.title == damage.criterion]
    policy = Policy(version=2, criteria=criteria[:1])
    [finding] = Judge(found, policy).findings("pruned-0")
    return finding.judged.state == "held", finding.rows["damage"][0]


def held(pool, audits: int):
    """Tell how often a criterion is held though its damage is at its limit."""
    yield "Asked: held ≤ 5. The criterion alone, without groups. *Damage, mean*: over the audits."
    yield ""
    yield "| world | damage | held | damage, mean |"
    yield "|---|---|---|---|"
    for world, metrics in (
        (World(10_000), ("auc",)),
        (World(2_000), ("auc",)),
    ):
        for damage in (one for one in AT_LIMIT if one.metric in metrics):
            dose = dose_of(damage, world.rarest)
            told = list(pool.map(partial(alone, world, damage, dose), range(audits), chunksize=8))
            inside, sizes = zip(*told, strict=True)
            what = f"{damage.criterion}, {damage.size}"
            shown = f"{100 * np.mean(inside):.1f} | {np.mean(sizes):.5f}"
            yield f"| {world.name} | {what} | {shown} |"


def severe(pool, audits: int):
    """Tell how often a severe damage is found."""
    yield "Asked: do not ship ≥ 90."
    yield ""
    yield "| world | damage | ship | care | cannot tell | do not ship |"
    yield "|---|---|---|---|---|---|"
    for damage, dose in zip(SEVERE, pool.map(dose_of, SEVERE), strict=True):
        told, _ = shares(pool, World(2_000), damage, dose, audits)
        where = f" of {damage.attribute}" if damage.attribute else ""
        what = f"{damage.criterion}{where}, {damage.size}"
        yield f"| {World(2_000).name} | {what} | {cells(told)} |"


def more(pool, audits: int):
    """Tell how near the numbers of images come that the verdict asks for."""
    yield "Audits in which a criterion is open though nothing changed are made again with as many"
    yield "more images as were asked for, beside those that there were: 80% should be held. *After"
    yield "3/4*, *after 4/3*: with so many times as many; asked: 80 lies between, so the number is"
    yield "right within a third. *Known*: two Monte Carlo errors of a share, in points."
    yield ""
    yield "| world | criterion | open | asked, median | after 3/4 | held | after 4/3 | known ± |"
    yield "|---|---|---|---|---|---|---|---|"
    for world, titles in (
        (World(60, rarest=0.3), OF_ALL[1:2]),
        (World(1_000, 1), OF_ALL[1:]),
        (World(100), OF_ALL[1:2]),
    ):
        first = list(pool.map(partial(over_all, world), range(3 * audits), chunksize=4))
        for title in titles:
            told = [(seed, one[title]) for seed, one in enumerate(first)]
            asked = [(seed, int(number)) for seed, (_, number) in told if number]
            if len(asked) < audits / 3:
                continue
            is_open = np.mean([state == "open" for _, (state, _) in told])
            asked = asked[:audits]
            held = [
                100 * np.mean(list(pool.map(partial(held_after, world, title, times), asked)))
                for times in (0.75, 1.0, 4 / 3)
            ]
            known = 200 * np.sqrt(0.8 * 0.2 / len(asked))
            yield (
                f"| {world.name} | {title} | {100 * is_open:.1f} | "
                f"{np.median([number for _, number in asked]):,.0f} | "
                f"{held[0]:.1f} | {held[1]:.1f} | {held[2]:.1f} | {known:.1f} |"
            )


PARTS = {
    "nothing": ("Nothing changed", nothing),
    "limit": ("A damage at the moderate limit of a criterion that decides", limit),
    "held": ("Is a criterion held, though its damage is at its limit", held),
    "severe": ("A severe damage, 1.5 times its limit", severe),
    "more": ("How many more images", more),
}


def cells(told: dict[str, float]) -> str:
    """Lay out the shares of answers."""
    return " | ".join(f"{100 * told[name]:.1f}" for name in ("ship", "care", "unknown", "stop"))


def main() -> None:
    """Run all parts, or some, and write the table; a part that is not run stays as it is."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--audits", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--out", type=Path, default=RESULTS / "verdicts.md")
    given = parser.parse_args()
    began = time.time()
    head = (
        "# How often the verdict is wrong\n\n"
        "`python benchmarks/verdicts.py --audits N --parts PART`. Shares in percent; N audits in a "
        "row tell one of 5% to ± 430 / √N points, one of 80% to ± 800 / √N.\n"
    )
    before = given.out.read_text("utf-8") if given.out.exists() else ""
    made = {part.split("\n")[0]: f"## {part}" for part in before.split("\n## ")[1:]}
    with ProcessPoolExecutor(given.jobs, multiprocessing.get_context("spawn")) as pool:
        for name in given.parts:
            title, run = PARTS[name]
            lines = [f"## {title}", "", f"{given.audits} audits in each row.", ""]
            for line in run(pool, given.audits):
                lines.append(line)
                print(line, f"{time.time() - began:.0f} s", flush=True)
            made[title] = "\n".join(lines) + "\n"
            parts = [made[title] for title, _ in PARTS.values() if title in made]
            text = "\n".join([head, *(part.strip() + "\n" for part in parts)])
            write_page(given.out, text)


if __name__ == "__main__":
    main()
