"""docs/glossary.md has every metric that an audit can emit, with its name, direction and unit."""

import re
from pathlib import Path

import numpy as np
import pytest

from prunescope.audit import audit
from prunescope.audit.verdicts import HIGHER, LOWER, TARGETS
from prunescope.verdict.glossary import GLOSSARY, unit_of
from prunescope.verdict.numbers import AMPLIFICATION, GAP, ODDS, RANKING, RATIO, SHARE

DOCS = Path(__file__).parents[2] / "docs"
FOUND = re.findall(
    r'(?ms)^<a id="(\w+)"></a>\n\n### ([^\n]*) \(`\1`\)\n\n(.*?)(?=\n+(?:##|<a id)|\Z)',
    (DOCS / "glossary.md").read_text("utf-8"),
)
ENTRIES = {metric: " ".join(body.split()) for metric, _, body in FOUND}
NAMES = {metric: name for metric, name, _ in FOUND}
DEFINED = set(
    re.findall(r"(?m)`(\w+)`", "".join(
        row.split("|")[1]
        for row in (DOCS / "metrics.md").read_text("utf-8").split("## Columns")[0].splitlines()
        if row.startswith("| `")
    ))
)  # fmt: skip
UNITS = {
    SHARE: "in percent", GAP: "in points", AMPLIFICATION: "in points", RATIO: "a ratio",
    RANKING: "from 0 to 1", ODDS: "a ratio of odds",
}  # fmt: skip


def direction(metric):
    if metric in TARGETS:
        return f"Best at {TARGETS[metric]:g}"
    sides = {**dict.fromkeys(HIGHER, "Higher"), **dict.fromkeys(LOWER, "Lower")}
    return f"{sides.get(metric, 'Neither way')} is better"


def emitted(build, task):
    """Return the metrics of an audit of two dense and two compressed models with a trigger."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (200, 3))
    if task == "multiclass":
        labels = np.eye(3, dtype=int)[labels[:, 0] + labels[:, 1]]
    groups = {name: rng.random(200) < 0.5 for name in ("Male", "backdoor")}
    models = [
        build(labels, labels * 2 - 1 + rng.normal(0, noise, labels.shape), groups=groups, task=task,
              name=f"{noise}-{seed}", seed=seed)
        for noise in (0.5, 1.0) for seed in (0, 1)
    ]  # fmt: skip
    return set(audit(models[:2], models[2:], replicates=20).table["metric"])


@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
def test_every_metric_of_an_audit_has_an_entry(build, task):
    found = emitted(build, task)
    assert len(found) > 20
    assert found <= ENTRIES.keys()


def test_every_defined_metric_has_an_entry():
    assert len(DEFINED) > 35
    assert ENTRIES.keys() >= DEFINED | GLOSSARY.keys()


@pytest.mark.parametrize("metric", sorted(DEFINED))
def test_direction_and_unit_are_those_of_the_code(metric):
    [(told, unit)] = re.findall(r"\*([^*;]+); ([^*]+)\.\*", ENTRIES[metric])
    assert told == direction(metric)
    if metric != "correlation_shift":  # it has no bound, so it is no share
        assert unit == UNITS[unit_of(metric)]


@pytest.mark.parametrize("metric", sorted(GLOSSARY))
def test_the_name_is_that_of_the_report(metric):
    assert NAMES[metric].startswith(GLOSSARY[metric].label)
