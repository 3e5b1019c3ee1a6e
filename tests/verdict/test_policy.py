"""Policies: read, refused with file and line, and judged on audits of several models."""

import re

import numpy as np
import polars as pl
import pytest
from prunescope.gate import Policy, template

from prunescope.audit import Audit, audit
from prunescope.data import Group, Samples
from prunescope.errors import ConfigError
from prunescope.predictions import Metadata, Predictions

GOOD = """\
version: 1
defaults:
  by: value
  min_support: 20
conditions:
  - name: accuracy holds up
    metric: accuracy
    gte: -0.05
    relative: true
  - metric: accuracy
    attribute: "*"
    gte: 0.5
    min_support: 5
"""


def parse(*changes):
    text = GOOD
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return Policy.parse(text)


def test_a_good_policy():
    first, second = parse().conditions
    assert (first.by, first.min_support, first.relative) == ("value", 20, True)
    assert (second.by, second.min_support, second.relative) == ("value", 5, False)
    assert second.title == "accuracy[attribute:*] >= 0.5"


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("version: 1\n", "", 1, "version is missing"),
        ("version: 1", "version: 2", 1, r"version: Input should be 1 \(got 2\)"),
        ("version: 1", "version: 1\nmodel: a", 2, "unknown key 'model': did you mean models?"),
        ("version: 1", "version: 1\nmodels: 5", 2, "expected a name or a list of names"),
        ("  by: value", "  by: mean", 3, r"defaults.by: .*'interval' or 'value' \(got 'mean'\)"),
        ("min_support: 20", "min_suport: 20", 4, "key in defaults 'min_suport': did you mean min"),
        ("min_support: 20", "metric: tpr", 4, "unknown key in defaults 'metric'"),
        ("gte: -0.05", "gt: -0.05", 8, "unknown key in conditions 'gt': did you mean gte"),
        ("gte: -0.05", "gte: '-0.05'", 8, "conditions.0.gte: '-0.05' is text: expected a number"),
        ("gte: -0.05", "gte: -5e-2", 8, r"'-5e-2' is text: expected .* 1.0e-3"),
        ("gte: -0.05", "gte: .nan", 8, r"conditions.0.gte: .*finite number \(got nan\)"),
        ("    gte: -0.05\n", "", 6, "conditions.0: no limit: expected 'gte: NUMBER'"),
        ("gte: -0.05", "gte: 1\n    lte: 0", 6, "no number is at least 1.0"),
        ("    metric: accuracy\n    gte", "    gte", 6, "conditions.0.metric is missing"),
        ("gte: 0.5", "gte: 0.5\n    gte: 0.6", 13, "'gte' stands twice"),
        ('"*"', "*", 11, r"not YAML: .*a \* stands in quotes"),
        ("- metric: accuracy", "- name: accuracy holds up\n    metric: tpr", 1,
         "two conditions are called 'accuracy holds up'"),
    ],
)  # fmt: skip
def test_errors_name_the_line_and_what_to_do(old, new, line, message):
    with pytest.raises(ConfigError, match=message) as raised:
        parse((old, new))
    first = str(raised.value).splitlines()[0]
    assert first.startswith(f"policy.yaml:{line}: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "policy.yaml: expected a policy as lines of 'key: value'"),
        ("- metric: accuracy", "expected a policy as lines"),
        ("version: 1\nconditions: []", "policy.yaml:2: conditions: List should have at least 1"),
        ("version: 1\nconditions: {metric: a}", "policy.yaml:2: conditions: .*valid list"),
        ("version: 1\nconditions: [accuracy]", r"policy.yaml:2: conditions.0: .*dictionary"),
        ("version: 1\nconditions: &a [*a]", "policy.yaml:2: conditions.0: "),
        ("version: 1\ndefaults: 3\nconditions: [{metric: a, gte: 1}]", "policy.yaml:2: defaults"),
    ],
)
def test_other_shapes_are_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        Policy.parse(text)


def test_every_problem_is_told_at_once():
    with pytest.raises(ConfigError) as raised:
        parse(("by: value", "by: mean"), ("gte: -0.05", "gte: x"), ("gte: 0.5", "gte: y"))
    lines = [re.match(r"policy.yaml:(\d+)", line)[1] for line in str(raised.value).splitlines()]
    assert lines == ["3", "8", "12"]


def test_load_says_how_to_make_one(tmp_path):
    path = tmp_path / "policy.yaml"
    with pytest.raises(ConfigError, match=r"'prunescope policy init .*' writes one to start from"):
        Policy.load(path)
    path.write_text(GOOD)
    assert Policy.load(path).conditions == parse().conditions


def rows_of(row, models):
    return [{**row, "model": model} for model in models] + [
        {**row, "model": model, "attribute": "Bald"} for model in models
    ]


SEEDS = ("gmp-0", "gmp-1")
POPULATION = ("gmp (2 seeds)", list(SEEDS))


@pytest.fixture(scope="module")
def seeds(made, row):
    """Two seeds, one of them bad, their mean, and one model by itself, which is fine."""
    models = [POPULATION[0], *SEEDS, "alone"]
    rows = rows_of(row, models)
    rows[2] |= {"delta": -0.2}
    return made(*rows, models=(*SEEDS, "alone"), populations=[POPULATION])


@pytest.mark.parametrize(
    ("models", "judged"),
    [
        ("all", {"gmp-0": "pass", "gmp-1": "fail", "alone": "pass"}),
        ("means", {POPULATION[0]: "pass", "alone": "pass"}),
        ("alone", {"alone": "pass"}),
        (["gmp-1", POPULATION[0], "gmp-1"], {"gmp-1": "fail", POPULATION[0]: "pass"}),
    ],
)
def test_which_models_are_judged(seeds, models, judged):
    verdict = parse().model_copy(update={"models": models}).judge(seeds)
    assert {one.model: one.status for one in verdict.models} == judged
    assert verdict.passed == ("fail" not in judged.values())
    assert verdict.status == ("pass" if verdict.passed else "fail")
    assert parse().judge(seeds, list(judged)) == verdict


def test_a_model_that_is_not_there(seeds):
    with pytest.raises(ConfigError, match=r"^unknown compressed model 'alne': did you mean alone"):
        parse().judge(seeds, ["alne"])
    for name in ("dense", "alne"):
        policy = parse(("version: 1", f"version: 1\nmodels: [alone, {name}]"))
        with pytest.raises(ConfigError, match=rf"^policy.yaml:2: unknown compressed.*'{name}'"):
            policy.judge(seeds)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "metric: accuracy\n    gte",
            "metric: acuracy\n    gte",
            "metric 'acuracy': did you mean a",
        ),
        ('"*"', "Balt", "unknown attribute 'Balt': did you mean Bald"),
        ('attribute: "*"', "group: Male", "unknown group 'Male'"),
        ('"*"', "[Bald, Smilin]", "unknown attribute 'Smilin'"),
    ],
)
def test_unknown_names_are_told_with_the_line_of_the_condition(made, row, old, new, message):
    audit = made(row, {**row, "attribute": "Bald"}, {**row, "attribute": "Smiling"})
    with pytest.raises(ConfigError, match=message) as raised:
        parse((old, new)).judge(audit)
    line = 6 if "acuracy" in new else 10
    assert str(raised.value).startswith(f"policy.yaml:{line}: ")


def test_all_unknown_names_are_told_at_once(made, row):
    policy = parse(
        ("gte: 0.5", "gte: 0.5\n    group: Mole"),
        ("metric: accuracy\n    gte", "metric: x\n    gte"),
    )
    with pytest.raises(ConfigError) as raised:
        policy.judge(made(row, {**row, "attribute": "Bald"}))
    assert len(str(raised.value).splitlines()) == 2


def test_a_value_of_rows_that_compare_values_is_refused(made, row):
    compared = {**row, "metric": "accuracy_difference", "group": "Male"}
    audit = made(compared, {**row, "group": "Male", "group_value": "True"})
    text = "{version: 1, conditions: [{metric: accuracy_difference, group: Male, lte: 1%s}]}"
    assert Policy.parse(text % "").judge(audit).passed
    with pytest.raises(ConfigError, match="compares the values of Male: leave out '=True'"):
        Policy.parse(text % ", group_value: true").judge(audit)


def test_without_intervals_only_values_can_be_judged(made, row):
    audit = made({"value": 0.9, "delta": 0.0}, {"value": 0.9, "attribute": "Bald"}, replicates=0)
    assert parse().judge(audit).passed
    with pytest.raises(ConfigError, match=r"policy.yaml:10: the audit has no intervals.*by: value"):
        parse(("min_support: 5", "by: interval")).judge(audit)


def test_rows_that_one_of_several_models_lacks_are_skipped_for_it(made, row):
    rows = [{**row, "model": m} for m in ("a", "b")] + [{**row, "model": "a", "attribute": "Bald"}]
    verdict = parse().judge(made(*rows, models=("a", "b")))
    statuses = {one.model: [check.status for check in one.checks] for one in verdict.models}
    assert statuses == {"a": ["pass", "pass"], "b": ["pass", "skip"]}
    assert "accuracy has no such rows" in verdict.models[1].checks[1].text
    assert verdict.passed


def test_a_policy_made_in_python_names_its_keys(made, row):
    policy = Policy(version=1, conditions=[{"metric": "acuracy", "gte": 1}])
    with pytest.raises(ConfigError, match=r"^conditions.0: constraint .* unknown metric"):
        policy.judge(made(row))


def test_the_template_is_a_policy_with_what_matters():
    policy = Policy.parse(template())
    metrics = {}
    for condition in policy.conditions:
        metrics.setdefault(condition.task, set()).add(condition.metric)
    assert metrics == {
        "multilabel": {"accuracy", "harmful_flip_rate", "rare_value_ratio", "excess_accuracy_gap"},
        "multiclass": {"top1_accuracy", "tpr", "top1_harmful_flip_rate", "excess_top1_gap"},
        None: {"bias_amplification", "uncertainty"},
    }
    assert {condition.severity for condition in policy.conditions} == {"error", "warning"}


def of_classes(found):
    """Return the same audit, of models that choose one class."""
    models = [
        model.model_copy(
            update={"metadata": model.metadata.model_copy(update={"task": "multiclass"})}
        )
        for model in found.info.models
    ]
    return Audit(found.table, found.info.model_copy(update={"models": models}))


def test_a_condition_of_another_task_is_not_judged(made, row):
    policy = Policy(
        version=1,
        conditions=[
            {"metric": "top1_accuracy", "task": "multiclass", "gte": 0.5},
            {"metric": "accuracy", "task": "multilabel", "gte": 0.99},
        ],
    )
    both = made({**row, "metric": "top1_accuracy"}, {**row, "metric": "accuracy"})
    judged = {"multilabel": both, "multiclass": of_classes(both)}
    told = {task: policy.judge(one).models[0].checks for task, one in judged.items()}
    found = {task: [(check.name, check.status) for check in of] for task, of in told.items()}
    assert found == {
        "multilabel": [("accuracy >= 0.99", "fail")],
        "multiclass": [("top1_accuracy >= 0.5", "pass")],
    }  # fmt: skip


def test_a_policy_without_a_condition_for_the_task_is_refused(made, row):
    policy = parse(("    relative: true", "    relative: true\n    task: multilabel"))
    alone = policy.model_copy(update={"conditions": policy.conditions[:1]})
    with pytest.raises(
        ConfigError, match="the audit's task is multiclass, and no condition is for"
    ):
        alone.judge(of_classes(made(row)))


def test_classes_that_are_lost_fail_the_template():
    """Of 200 classes half are given up: one-vs-rest accuracy hardly moves."""
    truth, places = np.arange(4000) % 200, np.arange(200)
    samples = Samples(
        ids=pl.Series([str(i) for i in range(4000)]),
        attributes=tuple(f"c{i}" for i in places),
        labels=(truth[:, None] == places).astype(np.int8),
        groups={"g": Group.from_series(pl.Series(np.arange(4000) // 200 % 2 == 0))},
        task="multiclass",
    )

    def answering(name, answers):
        logits = np.where(answers[:, None] == places, 9.0, -9.0)
        return Predictions(samples, logits, Metadata(name=name, task="multiclass"))

    dense, sparse = answering("dense", truth), answering("sparse", truth % 100)
    for compressed, status in ((sparse, "fail"), (answering("copy", truth), "pass")):
        verdict = Policy.parse(template()).judge(audit(dense, compressed, replicates=100))
        told = {check.name: check.status for check in verdict.models[0].checks}
        assert (
            told["top-1 accuracy holds up"]
            == told["no image that was right is lost too often"]
            == status
        )
        assert "accuracy holds up" not in told
        assert verdict.passed == (status == "pass")
