"""What `policy init` writes: of an audit, what fits it; judged on it, never a mistake."""

import itertools
import re

import numpy as np
import polars as pl
import pytest

import prunescope as ps
from prunescope.data import Group, Samples
from prunescope.predictions import Metadata, Predictions
from prunescope.verdict import Policy, shipped, template
from prunescope.verdict.policy import SHIPPED


def planted(n, a, task="multilabel", groups=True, models=(("dense", 0), ("sparse", 1)), lean=0.0):
    """Audit models whose answers are the labels and noise, of a seed each."""
    rng = np.random.default_rng(3)
    labels = (rng.random((n, a)) < np.linspace(0.1, 0.5, a)).astype(np.int8)
    if task == "multiclass":
        labels = (rng.integers(0, a, n)[:, None] == np.arange(a)).astype(np.int8)
    samples = Samples(
        pl.Series([f"{i}" for i in range(n)]),
        tuple(f"a{i}" for i in range(a)),
        labels,
        {"Male": Group.from_series(pl.Series(rng.random(n) < 0.4 + 0.2 * labels[:, 0]))}
        if groups
        else {},
        task=task,
    )
    made = {}
    for name, seed in models:
        noise = np.random.default_rng(seed).normal(0, 1, labels.shape)
        logits = 4.0 * labels - 2 + noise - lean * (name != "dense")
        made[name] = Predictions(samples, logits, Metadata(name=name, task=task, seed=seed))
    dense = [made[name] for name in made if name.startswith("dense")]
    sparse = [made[name] for name in made if not name.startswith("dense")]
    return ps.audit(dense, sparse, replicates=100)


def names(text):
    return [one.title for one in Policy.parse(text).criteria]


def test_without_an_audit_it_is_the_shipped_file():
    assert template() == SHIPPED.read_text("utf-8")
    assert Policy.parse(template()).criteria == shipped().criteria


@pytest.mark.parametrize(
    ("task", "groups"), [*itertools.product(["multilabel", "multiclass"], [True, False])]
)
def test_of_an_audit_it_has_what_fits_its_task_and_its_groups(task, groups):
    text = template(planted(600, 3, task, groups))
    policy = Policy.parse(text)
    expected = [
        one.model_copy(update={"task": None, "optional": False})
        for one in shipped().of_task(task)
        if groups or one.group is None
    ]
    assert policy.criteria == expected
    assert "task:" not in text
    assert "optional" not in text
    assert ("# Groups: " in text) == groups
    assert text.count("  # Single attributes, classes, and cells") == 1
    assert not re.search(r"\n\n\n|\s\n", text.replace("\n\n", "\n"))
    assert text.startswith(SHIPPED.read_text("utf-8").split("  - name")[0])


def test_what_too_few_images_tell_of_is_named_and_left_out_unless_it_decides():
    audit = planted(12, 2)
    text = template(audit)
    assert "# Left out, as too few images tell of any of it: " in text
    left_out = text.split("tell of any of it: ")[1].rstrip(".\n").split(", ")
    assert "Rare answers fade" in left_out
    assert {"Scores rank worse", "Rates of answers drift"} <= set(names(text))
    assert set(left_out) | set(names(text)) == {
        one.title for one in shipped().of_task("multilabel")
    }
    for one in shipped().criteria:
        assert not (one.title in left_out and one.decides)
    assert Policy.parse(text).judge(audit).answer == "unknown"


def test_what_a_ruined_model_has_no_value_for_is_no_lack_of_images():
    """A model that never says yes leans nowhere: undefined, which is its own doing."""
    audit = planted(600, 1, lean=99.0)
    assert "Answers lean towards groups" in names(template(audit))
    assert not Policy.parse(template(audit)).judge(audit).passed


AUDITS = {
    "few": {"n": 12, "a": 2},
    "one": {"n": 1, "a": 1},
    "one attribute": {"n": 400, "a": 1},
    "classes": {"n": 90, "a": 9, "task": "multiclass"},
    "two classes": {"n": 60, "a": 2, "task": "multiclass", "groups": False},
    "few of classes": {"n": 5, "a": 4, "task": "multiclass"},
    "seeds": {"n": 80, "a": 2, "models": [("dense", 0), ("dense-1", 1), ("s-0", 0), ("s-1", 1)]},
    "ruined": {"n": 80, "a": 2, "lean": 99.0},
}


@pytest.mark.parametrize("told", AUDITS.values(), ids=AUDITS)
def test_its_output_judged_on_that_audit_is_a_verdict(told):
    audit = planted(**told)
    verdict = Policy.parse(template(audit)).judge(audit)
    assert [one.model for one in verdict.models] == [
        one.name for one in audit.info.models if one.baseline is not None
    ]
    assert Policy.parse(template()).judge(audit).models
    if told["n"] < 100:
        assert not verdict.passed
