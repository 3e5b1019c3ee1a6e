"""Audits with planted answers, so that what a report must say is known beforehand."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from prunescope.audit import Audit, audit
from prunescope.data import Dataset, Group, Samples
from prunescope.predictions import Compression, Metadata, Predictions
from prunescope.report import build, to_html

N = 1200
SURE = 4.0
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">{{7*7}}|*x*|"


def faces(n=N, groups=True, names=("Smiling", "Bald", "Big_Nose", "Male")):
    """Return samples where half smile, 10% are bald, 30% have big noses, and half are men.

    Big noses are twice as common among men (40%) as among women (20%).
    """
    row = np.arange(n)
    male = row % 2 == 0
    labels = np.stack(
        [row % 4 < 2, np.isin(row % 20, (3, 4)), row // 2 % 10 < np.where(male, 4, 2), male], axis=1
    )
    column = {names[3]: Group.from_series(pl.Series(male))} if groups else {}
    ids = pl.Series([f"face-{i}.png" for i in row])
    return Samples(ids=ids, attributes=tuple(names), labels=labels.astype(np.int8), groups=column)


def model(samples, answers, name, sparsity=0.0, method="gmp", seed=0):
    """Return predictions that give these answers, surely."""
    how = Compression(method=method if sparsity else "dense", sparsity=sparsity)
    rates = samples.rates()
    metadata = Metadata(
        name=name,
        task=samples.task,
        compression=how,
        seed=seed,
        train_prevalence=dict(rates.prevalence),
        train_group_rates={g: dict(v) for g, v in rates.group_rates.items()},
    )
    return Predictions(samples, np.where(answers, SURE, -SURE), metadata)


def right(samples):
    """Return the true answers."""
    return samples.labels == 1


def forget_bald(samples, answers, kept=0.2):
    """Return answers that call few of the bald bald."""
    answers = answers.copy()
    bald = np.flatnonzero(answers[:, 1])
    answers[bald[round(kept * len(bald)) :], 1] = False
    return answers


def lean_on_male(samples, answers):
    """Return answers that find the big noses of men and half of those of women."""
    answers = answers.copy()
    women = np.flatnonzero(answers[:, 2] & (samples.labels[:, 3] == 0))
    answers[women[::2], 2] = False
    return answers


def run(dense, compressed, **settings):
    return audit(dense, compressed, **{"replicates": 400, "seed": 1} | settings)


WIDE = tuple(f"a{i}" for i in range(9))
WRONG = 7
"""The sample of `wide` whose label of the first attribute every dense model denies."""


def wide(names=WIDE, method="gmp", n=800, prefix="w"):
    """Return three dense models and two times three compressed ones, of nine attributes.

    Attribute i is true for 10 + 4·i percent, more of men than of women (half of all), and the more
    often flipped by compression, towards no, the larger i is; of the first attribute, only women
    flip. Seeds differ by noise.
    """
    rng = np.random.default_rng(3)
    women = np.arange(n) % 2 == 0
    rates = np.outer(np.where(women, 0.7, 1.3), 0.1 + 0.04 * np.arange(9))
    labels = (rng.random((n, 9)) < rates).astype(np.int8)
    labels[WRONG] = [1, *[0] * 8]
    hard = rng.random((n, 9))
    ids = pl.Series([f"{prefix}{i}" for i in range(n)])
    groups = {names[8]: Group.from_series(pl.Series(~women))}
    samples = Samples(ids, names, labels, groups)

    def one(name, sparsity, seed):
        noise = np.random.default_rng([seed, round(100 * sparsity)])
        shrunk = sparsity * (0.3 + 0.08 * np.arange(9))
        logits = np.where(labels == 1, 3.0, -3.0) - 6 * (hard < shrunk) * labels
        logits[:, 0] = np.where(women & (hard[:, 0] < sparsity), -3.0, 3.0 * (2 * labels[:, 0] - 1))
        logits[WRONG] = [4 if sparsity else -4, *[-4] * 8]
        found = model(samples, labels == 1, name, sparsity, method, seed)
        return replace(found, logits=logits * (1 - 0.4 * sparsity) + noise.normal(0, 0.8, (n, 9)))

    dense = [one(f"{names[0]}-dense-{seed}", 0.0, seed) for seed in range(3)]
    compressed = [
        one(f"{names[0]}-{sparsity}-{seed}", sparsity, seed)
        for sparsity in (0.5, 0.9)
        for seed in range(3)
    ]
    return dense, compressed


@pytest.fixture(scope="session")
def planted():
    """The functions above, for audits of other kinds."""
    return SimpleNamespace(
        HOSTILE=HOSTILE,
        WRONG=WRONG,
        wide=wide,
        faces=faces,
        model=model,
        right=right,
        forget_bald=forget_bald,
        lean_on_male=lean_on_male,
        run=run,
        animals=animals,
    )


@pytest.fixture(scope="session")
def harmed():
    """One model, 95% of weights removed, that forgets the bald and leans on Male."""
    samples = faces()
    answers = lean_on_male(samples, forget_bald(samples, right(samples)))
    return run(
        model(samples, right(samples), "dense"), model(samples, answers, "sparse95", sparsity=0.95)
    )


@pytest.fixture(scope="session")
def counted():
    """Models whose files tell what was counted: channels removed, weights pruned, int8."""
    samples = faces()
    told = {
        "narrow": {
            "method": "structured", "sparsity": 0.5, "weights_kept": 0.2513, "channels_kept": 0.5
        },
        "sparse": {"method": "gmp", "sparsity": 0.6, "weights_kept": 0.40003},
        "small": {"method": "int8", "weights_kept": 1.0, "bits": 8},
    }  # fmt: skip
    models = []
    for name, how in told.items():
        made = model(samples, forget_bald(samples, right(samples)), name)
        metadata = made.metadata.model_copy(update={"compression": Compression(**how)})
        models.append(replace(made, metadata=metadata))
    return run(model(samples, right(samples), "dense"), models, replicates=100)


@pytest.fixture(scope="session")
def unharmed():
    """One model whose answers are those of the dense one."""
    samples = faces()
    answers = forget_bald(samples, right(samples), kept=0.9)
    return run(model(samples, answers, "dense"), model(samples, answers, "sparse", sparsity=0.5))


@pytest.fixture(scope="session")
def plenty():
    """So many images with the same answers that every criterion is held."""
    samples = faces(60_000)
    answers = right(samples)
    return run(model(samples, answers, "dense"), model(samples, answers, "sparse", sparsity=0.5))


def grid(seeds):
    """Return models of two methods and three sparsities; only at 95% is there damage."""
    samples = faces()
    truth = right(samples)
    harm = lean_on_male(samples, forget_bald(samples, truth))
    dense = [model(samples, truth, f"dense-{seed}", seed=seed) for seed in seeds]
    compressed = [
        model(
            samples,
            harm if sparsity == 0.95 else truth,
            f"{method}-{sparsity}-{seed}",
            sparsity=sparsity,
            method=method,
            seed=seed,
        )
        for method in ("gmp", "one-shot")
        for sparsity in (0.5, 0.8, 0.95)
        for seed in seeds
    ]
    return dense, compressed


@pytest.fixture(scope="session")
def many():
    """Two methods and three sparsities; only at 95% is there damage."""
    return run(*grid([0]), replicates=200)


@pytest.fixture(scope="session")
def pooled():
    """The same with two seeds each, which answer alike."""
    return run(*grid([0, 1]), replicates=200)


@pytest.fixture(scope="session")
def seeds():
    """Three seeds of a dense model and of two sparsities: see `wide`."""
    return run(*wide(), replicates=200)


@pytest.fixture(scope="session")
def hostile_seeds():
    """The same, and every name that a user gives is an attack."""
    names = tuple(f"{HOSTILE}{i}" for i in range(9))
    return run(*wide(names, method=HOSTILE, prefix=HOSTILE), replicates=100)


@pytest.fixture(scope="session")
def untested():
    """The models of `harmed`, without intervals."""
    samples = faces()
    answers = lean_on_male(samples, forget_bald(samples, right(samples)))
    return run(
        model(samples, right(samples), "dense"),
        model(samples, answers, "sparse95", sparsity=0.95),
        replicates=0,
    )


@pytest.fixture(scope="session")
def hostile():
    """Every name that a user gives is an attack."""
    names = tuple(f"{HOSTILE}{i}" for i in range(4))
    samples = faces(names=names)
    answers = lean_on_male(samples, forget_bald(samples, right(samples)))
    samples = replace(samples, ids=pl.Series([f"{HOSTILE}{i}" for i in range(N)]))
    dense = model(samples, right(samples), HOSTILE + "dense")
    sparse = [
        model(samples, answers, f"{HOSTILE}{i}", sparsity=s, method=HOSTILE)
        for i, s in enumerate((0.8, 0.95))
    ]
    return run(dense, sparse, replicates=200)


@pytest.fixture(scope="session")
def pictures():
    """A data set with a picture for each face of `faces`."""
    samples = faces()
    pixels = np.random.default_rng(0).integers(0, 256, (N, 3, 16, 16), dtype=np.uint8)
    return Dataset(
        name="noise",
        fingerprint="0",
        samples=samples,
        pixels=pixels,
        rows=np.arange(N),
        splits=np.full(N, "test"),
    )


@pytest.fixture(scope="session")
def few():
    """Eight samples, where ten are needed for any estimate."""
    samples = faces(8)
    truth = right(samples)
    return run(model(samples, truth, "dense"), model(samples, ~truth, "sparse", sparsity=0.9))


@pytest.fixture(scope="session")
def ungrouped():
    """One model, no group."""
    samples = faces(groups=False)
    answers = forget_bald(samples, right(samples))
    return run(
        model(samples, right(samples), "dense"), model(samples, answers, "sparse", sparsity=0.9)
    )


@pytest.fixture(scope="session")
def single():
    """One attribute, and a compressed model that tells no sparsity."""
    samples = faces()
    samples = replace(samples, attributes=("Bald",), labels=samples.labels[:, 1:2])
    answers = right(samples).copy()
    answers[np.flatnonzero(answers[:, 0])[24:]] = False
    return run(model(samples, right(samples), "dense"), model(samples, answers, "int8"))


def animals(names=("cat", "dog", "bird", "fish", "newt"), seeds=(0,)):
    """Return models of five classes; compressed ones call four fifths of the newts cats.

    Seed s calls every tenth animal, from the s-th on, a fish.
    """
    row = np.arange(1000)
    truth = row % 5
    answers = np.where((truth == 4) & (row % 25 != 4), 0, truth)
    samples = Samples(
        ids=pl.Series([str(i) for i in row]),
        attributes=tuple(names),
        labels=(truth[:, None] == np.arange(5)).astype(np.int8),
        task="multiclass",
    )

    def one(choice, name, seed, sparsity=0.0):
        choice = np.where(row % 10 == seed, 3, choice) if len(seeds) > 1 else choice
        return model(samples, choice[:, None] == np.arange(5), name, sparsity, seed=seed)

    return (
        [one(truth, f"dense{seed or ''}", seed) for seed in seeds],
        [one(answers, f"sparse{seed or ''}", seed, 0.98) for seed in seeds],
    )


@pytest.fixture(scope="session")
def classes():
    """Five classes, one dense and one compressed model: see `animals`."""
    return run(*animals())


@pytest.fixture(scope="session")
def class_seeds():
    """Five classes, three seeds of each."""
    return run(*animals(seeds=(0, 1, 2)))


@pytest.fixture(scope="session")
def hostile_classes():
    """The same, with class names that are attacks."""
    names = [f"{HOSTILE}{i}" for i in range(5)]
    return run(*animals(names, seeds=(0, 1, 2)), replicates=100)


@pytest.fixture(scope="session")
def large():
    """Forty attributes, four groups and 22 compressed models: the size of the paper's study."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(600, 40)) + 0.4 * rng.normal(size=(600, 1))
    labels = (latent > rng.uniform(-0.5, 1.5, 40)).astype(np.int8)
    attributes = tuple(f"Attribute_number_{i}" for i in range(40))
    groups = {attributes[i]: Group.from_series(pl.Series(labels[:, i] == 1)) for i in range(4)}
    samples = Samples(pl.Series([f"{i:06}.jpg" for i in range(600)]), attributes, labels, groups)
    wrong = rng.random(labels.shape) < 0.1
    base = run(
        model(samples, right(samples), "dense"),
        model(samples, right(samples) ^ wrong, "sparse", sparsity=0.9),
        replicates=100,
    )
    dense, sparse = base.info.models
    rows = base.table.filter(model="sparse")
    names = [f"sparse-{i:02}" for i in range(22)]
    affected = [
        image.model_copy(update={"model": name}) for name in names for image in base.info.affected
    ]
    models = [dense, *(sparse.model_copy(update={"name": name}) for name in names)]
    tables = [base.table.filter(model="dense")]
    # other digits in each model, as in life, so that nothing is smaller for being repeated
    shrunk = pl.col("value", "low", "high", "baseline", "delta", "delta_low", "delta_high")
    tables += [
        rows.with_columns(shrunk * (1 - 0.013 * i), model=pl.lit(name))
        for i, name in enumerate(names)
    ]
    info = base.info.model_copy(update={"models": models, "affected": affected})
    pairs = [base.correlations.filter(model="dense")]
    mine = base.correlations.filter(model="sparse")
    pairs += [mine.with_columns(model=pl.lit(name)) for name in names]
    return Audit(pl.concat(tables), info, pl.concat(pairs))


@pytest.fixture(scope="session")
def rendered(request, pictures):
    """Return a function: name of an audit → its report and page, made once."""
    made = {}

    def page(name, with_pictures=False, title=None):
        key = (name, with_pictures, title)
        if key not in made:
            audit = request.getfixturevalue(name)
            report = build(audit, title=title, dataset=pictures if with_pictures else None)
            made[key] = report, to_html(report)
        return made[key]

    return page
