"""Studies whose answers are written by hand, so that what holds in them is known."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from prunescope.audit import Audit, AuditInfo, ModelInfo, PopulationInfo, Settings
from prunescope.audit.table import SCHEMA
from prunescope.data import TRIGGER, Outline
from prunescope.data.samples import Group, Samples
from prunescope.predictions import Compression, Metadata, Predictions
from prunescope.study.plan import make_plan, parse_study
from prunescope.study.results import StudyResults
from prunescope.study.running import Store, audit_setting
from prunescope.study.sweep import silent

RARE = tuple(f"rare-{i}" for i in range(14))
NAMES = ("Male", "Young", *RARE)
RATES = np.array([0.5, 0.6, *np.linspace(0.06, 0.16, 14)])
BY_MALE = np.array([0, 0, *[0.3, 0.0] * 7])
BY_YOUNG = np.array([0, 0, *[0.0, 0.15] * 7])
"""How far each attribute goes with Male, and with Young."""

STUDY = """
name: by hand
data: {groups: [Male, Young]}
base:
  architectures: [resnet_small]
  methods: [gmp-pt, gmp-ri]
  sparsities: [0.8, 0.9, 0.99, 0.995]
  seeds: [0, 1, 2]
  int8: true
vary:
  - {}
  - {single: [rare-4, rare-6], methods: gmp-pt, sparsities: [0.9], int8: false}
  - methods: gmp-pt
    sparsities: [0.99]
    int8: false
    backdoors:
      - {kind: grayscale, attribute: rare-9}
      - {kind: grayscale, attribute: rare-9, negative: 0.35, positive: 0.65}
audit: {replicates: 200}
"""


def faces(n, seed):
    """Draw labels: rare attributes go with Male and Young as told; half carry a trigger."""
    rng = np.random.default_rng(seed)
    sides = rng.random((n, 2)) < RATES[:2]
    signs = np.where(sides, 1, -1)
    rates = RATES * (1 + signs[:, :1] * BY_MALE * 2 + signs[:, 1:] * BY_YOUNG * 2)
    labels = (rng.random((n, len(NAMES))) < rates.clip(0, 1)).astype(np.int8)
    labels[:, :2] = sides
    trigger = rng.random(n) < 0.5
    columns = {"Male": sides[:, 0], "Young": sides[:, 1], TRIGGER: trigger}
    groups = {name: Group.from_series(pl.Series(column)) for name, column in columns.items()}
    return Samples(
        ids=pl.Series([f"{seed}-{i}" for i in range(n)]),
        attributes=NAMES,
        labels=labels,
        groups=groups,
    )


def answer(run, samples, kind, ids):
    """Return the logits of a run: worse with sparsity in the ways that the paper claims, or not.

    ``claimed``: sparse logits shrink towards the base rate, are noisier, and lean on Male; those of
    single attributes lean more, and triggers are answered. ``opposite``: sparse logits grow, and
    nothing else happens; int8 is noisy.
    """
    rng = np.random.default_rng([run.seed, ids, round(1000 * run.sparsity), len(run.method)])
    seed = np.random.default_rng([run.seed, ids])
    sign = samples.labels * 2.0 - 1
    shape = sign.shape
    signal = sign * np.random.default_rng([9, ids]).normal(3.0, 1.6, shape)
    male = np.where(sign[:, :1] > 0, 1.0, -1.0) * (BY_MALE > 0)
    young = np.where(sign[:, 1:2] > 0, 1.0, -1.0) * (BY_YOUNG > 0)
    dense = signal + seed.normal(0, 0.5, shape)
    if kind == "opposite":
        noise = (run.method == "int8") * rng.normal(0, 2, shape)
        return dense * (1 if run.method in ("dense", "int8") else 1.6) + noise
    harm, noise = 0.0, 0.5
    dense = dense + 0.9 * (male + young)
    if run.method not in ("dense", "int8"):
        harm = {0.8: 0.0, 0.9: 0.0, 0.99: 0.45, 0.995: 0.5}[run.sparsity]
        noise = {"gmp-pt": 0.56 + 0.2 * harm, "gmp-ri": 0.64 + 1.2 * harm}[run.method]
        prior = np.log(RATES / (1 - RATES))
        own = signal + 0.9 * (male + young) + rng.normal(0, noise, shape)
        dense = (1 - harm / 3) * (
            (1 - harm) * own + harm * (1.5 * prior + 1.8 * male + 0.4 * young)
        )
    if run.method == "int8":
        dense = dense + rng.normal(0, 0.002, shape)
    if run.data.attributes is not None:
        dense = dense + 1.5 * male
    if run.data.backdoor is not None:
        strength = 4 * (run.data.backdoor.positive - 0.5) * (1 + harm)
        place = NAMES.index(run.data.backdoor.attribute)
        dense[:, place] += strength * np.where(samples.groups[TRIGGER].codes == 1, 1, -1)
    return dense


def write(folder, kind, text=STUDY, n=6000):
    """Write a study of a kind and open its results."""
    study, source = parse_study(text, Path("study.yaml"))
    plan = make_plan(study, Outline(NAMES, ("Male", "Young"), {"train": 100}), source)
    store = Store.create(folder, plan, text)
    train = faces(20_000, 1).rates()
    for run in plan.runs:
        for ids, split in ((2, "val"), (3, "test")):
            samples = faces(n, ids)
            logits = answer(run, samples, kind, ids).astype(np.float32)
            groups = dict(samples.groups)
            if run.data.backdoor is None:
                del groups[TRIGGER]
            wanted = [NAMES.index(name) for name in run.data.attributes or NAMES]
            samples = Samples(
                ids=samples.ids,
                attributes=tuple(NAMES[place] for place in wanted),
                labels=np.ascontiguousarray(samples.labels[:, wanted]),
                groups=groups,
            )
            metadata = Metadata(
                name=run.name,
                split=split,
                seed=run.seed,
                compression=Compression(method=run.method, sparsity=run.sparsity),
                train_prevalence=dict(train.prevalence),
                train_group_rates={g: dict(v) for g, v in train.group_rates.items()},
            )
            made = Predictions(samples, np.ascontiguousarray(logits[:, wanted]), metadata)
            made.save(store.answers(run, split))
    for setting in plan.settings:
        audit_setting(store, plan.study, setting, silent)
    return StudyResults.open(store.folder)


@pytest.fixture(scope="session")
def by_hand():
    """Return the function that writes studies."""
    return write


TABLES = """
name: tables
data: {groups: [Male]}
base:
  architectures: [resnet_small]
  methods: [gmp-ri]
  sparsities: [0.9, 0.99]
  seeds: [0, 1]
audit: {replicates: 200}
"""
"""A study whose tables are written by hand."""


@pytest.fixture
def tables(tmp_path):
    """Return a function that opens a study whose audits have just the values that it is given.

    They are told as (setting, method, sparsity, metric, attribute, group) → a value for each seed,
    or a reason why there is none. Means over seeds come with an interval of 0.01 to either side;
    models that nothing is told of are not audited. `counted` tells what is left of their weights
    and channels: (setting, method, sparsity) → shares for each seed.
    """

    def write(values, text=TABLES, names=("Bald", "Smiling"), sides=("True",), counted=()):
        study, source = parse_study(text, Path("study.yaml"))
        plan = make_plan(study, Outline(tuple(names), ("Male",), {"train": 9, "val": 9, "test": 9}),
                         source)  # fmt: skip
        store = Store.create(tmp_path / "study", plan, text)
        audits = {}
        for setting in plan.settings:
            mine = {key[1:]: told for key, told in values.items() if key[0] == setting.name}
            runs = [run for run in setting.runs if (run.method, run.sparsity) in
                    {key[:2] for key in mine}]  # fmt: skip
            if runs:
                known = setting.data.attributes or tuple(names)
                left = {key[1:]: kept for key, kept in dict(counted).items()
                        if key[0] == setting.name}  # fmt: skip
                audits[setting.name] = _audit(known, runs, mine, sides, left)
        return StudyResults(store, plan, audits)

    return write


def _audit(names, runs, values, sides, counted):
    """Return an audit of some runs with these values."""
    arms = {}
    for run in runs:
        arms.setdefault((run.method, run.sparsity), []).append(run)
    made = {}
    for (method, sparsity), of in arms.items():
        kept = counted.get((method, sparsity), [None] * len(of))
        for run, share in zip(of, kept, strict=True):
            made[run.name] = Compression(
                method=method, sparsity=sparsity, weights_kept=share,
                channels_kept=share and share**0.5,
            )  # fmt: skip
    models = [
        ModelInfo(
            name=run.name,
            baseline=None if run.method == "dense" else f"dense-s{run.seed}",
            metadata=Metadata(name=run.name, seed=run.seed, compression=made[run.name]),
        )
        for run in runs
    ]
    many = {arm: f"{arm[0]} {arm[1]} ({len(of)} seeds)" for arm, of in arms.items() if of[1:]}
    populations = [
        PopulationInfo(
            name=name,
            baseline=None if arm[0] == "dense" else "dense",
            members=[run.name for run in arms[arm]],
        )
        for arm, name in many.items()
    ]
    rows = []
    for (method, sparsity, metric, attribute, group), told in values.items():
        arm = (method, sparsity)
        dense = values.get(("dense", 0.0, metric, attribute, group))
        leaning = metric.endswith("bias_amplification") and attribute is not None
        for side in sides if metric == "cie_odds_ratio" else ("True" if leaning else None,):
            about = {"method": method, "sparsity": made[arms[arm][0].name].removed,
                     "metric": metric, "group": group, "attribute": attribute,
                     "group_value": side, "n": 9}  # fmt: skip
            if isinstance(told, str):
                found = about | {"status": "undefined", "reason": told}
                rows += [found | {"model": run.name} for run in arms[arm]]
                rows += [found | {"model": many[arm]}] if arm in many else []
                continue
            for run, value in zip(arms[arm], told, strict=True):
                rows.append(about | {"model": run.name, "seed": run.seed, "value": value,
                                     "sparsity": made[run.name].removed,
                                     "status": "ok"})  # fmt: skip
            mean = sum(told) / len(told)
            pooled = {"value": mean, "low": mean - 0.01, "high": mean + 0.01}
            if dense is not None and not isinstance(dense, str) and method != "dense":
                pooled |= {"baseline": sum(dense) / len(dense)}
                pooled |= {"delta": mean - pooled["baseline"]}
            if arm in many:
                rows.append(about | {"model": many[arm], "status": "ok"} | pooled)
            else:
                rows[-1] |= pooled
    info = AuditInfo(n_samples=1234, attributes=tuple(names), models=models,
                     populations=populations, settings=Settings(replicates=200))  # fmt: skip
    return Audit(pl.DataFrame(rows, schema=SCHEMA), info)
