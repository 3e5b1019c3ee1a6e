"""Policies: read, or refused with file and line."""

import re

import pytest

from prunescope.errors import ConfigError
from prunescope.verdict import Criterion, Policy, shipped

GOOD = """\
version: 2
criteria:
  - name: accuracy holds up
    metric: accuracy
    gte: -0.05
    relative: true
  - metric: accuracy
    attribute: "*"
    moderate: 0.05
    severe: 0.1
    decides: false
"""


def parse(*changes):
    text = GOOD
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return Policy.parse(text)


def test_a_good_policy():
    first, second = parse().criteria
    assert (first.gte, first.relative, first.decides, first.severity) == (
        -0.05,
        True,
        True,
        "severe",
    )
    assert (second.limits, second.decides) == ([("severe", 0.1), ("moderate", 0.05)], False)
    assert second.title == "accuracy[attribute:*] worse by 0.05"


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("version: 2\n", "", 1, "version is missing"),
        ("version: 2", "version: 3", 1, r"version: Input should be 2 \(got 3\)"),
        ("version: 2", "version: 2\ncriterion: a", 2, "unknown key 'criterion': did you mean crit"),
        ("gte: -0.05", "gt: -0.05", 5, "unknown key in criteria 'gt': did you mean gte"),
        ("gte: -0.05", "by: value\n    gte: -0.05", 5, "unknown key in criteria 'by'"),
        ("gte: -0.05", "gte: '-0.05'", 5, "criteria.0.gte: '-0.05' is text: expected a number"),
        ("gte: -0.05", "gte: -5e-2", 5, r"'-5e-2' is text: expected .* 1.0e-3"),
        ("gte: -0.05", "gte: .nan", 5, r"criteria.0.gte: .*finite number \(got nan\)"),
        ("    gte: -0.05\n", "", 3, "criteria.0: expected limits of the damage"),
        ("gte: -0.05", "gte: 1\n    lte: 0", 3, "no number is at least 1.0"),
        ("    metric: accuracy\n    gte", "    gte", 3, "criteria.0.metric is missing"),
        ("severe: 0.1", "severe: 0.01", 7, r"criteria.1: moderate \(0.05\) lies beyond severe"),
        ("decides: false", "decides: 0", 11, r"criteria.1.decides: .*valid boolean \(got 0\)"),
        ("severe: 0.1", "severe: 0.1\n    severe: 0.2", 11, "'severe' stands twice"),
        ('"*"', "*", 8, r"not YAML: .*a \* stands in quotes"),
        ("- metric: accuracy", "- name: accuracy holds up\n    metric: tpr", 1,
         "two criteria are called 'accuracy holds up': give them names that differ"),
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
        ("version: 2\ncriteria: []", "policy.yaml:2: criteria: List should have at least 1"),
        ("version: 2\ncriteria: {metric: a}", "policy.yaml:2: criteria: .*valid list"),
        ("version: 2\ncriteria: [accuracy]", r"policy.yaml:2: criteria.0: .*dictionary"),
        ("version: 2\ncriteria: &a [*a]", "policy.yaml: not YAML: an alias holds itself"),
    ],
)
def test_other_shapes_are_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        Policy.parse(text)


def test_every_problem_is_told_at_once():
    with pytest.raises(ConfigError) as raised:
        parse(
            ("gte: -0.05", "gte: x"), ("severe: 0.1", "severe: y"), ("decides: false", "decide: 1")
        )
    lines = [re.match(r"policy.yaml:(\d+)", line)[1] for line in str(raised.value).splitlines()]
    assert lines == ["5", "10", "11"]


def test_the_first_version_is_read_as_criteria_that_bound():
    text = """
version: 1
models: means
defaults: {relative: true, min_support: 30, undefined: pass}
conditions:
  - {name: holds up, metric: accuracy, gte: -0.01}
  - {metric: tpr, attribute: "*", relative: false, gte: 0.5, by: value, severity: warning}
"""
    first, second = Policy.parse(text).criteria
    assert (first.title, first.relative, first.gte, first.severity, first.decides) == (
        "holds up", True, -0.01, "severe", True,
    )  # fmt: skip
    assert (second.title, second.severity, second.decides) == (
        "tpr[attribute:*] >= 0.5", "moderate", False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 1", "conditions"),
        ("version: 1\nconditions: []", "criteria"),
        ("version: 1\nconditions: [7]", "policy.yaml:2"),
        ("version: 1\nconditions: [{metric: accuracy, gtee: 1}]", "gtee"),
        ("version: 1\nconditions: [{metric: accuracy, gte: .nan}]", "policy.yaml:2"),
    ],
)
def test_what_is_wrong_in_the_first_version_is_told(text, message):
    with pytest.raises(ConfigError, match=message):
        Policy.parse(text)


def test_load_says_how_to_make_one(tmp_path):
    path = tmp_path / "policy.yaml"
    with pytest.raises(ConfigError, match=rf"'prunescope policy init -o {path}' writes one"):
        Policy.load(path)
    path.write_text(GOOD)
    assert Policy.load(path).criteria == parse().criteria


def test_criteria_of_a_task():
    both, classes = (
        Criterion(metric="auc", gte=0),
        Criterion(metric="tpr", gte=0, task="multiclass"),
    )
    policy = Policy(version=2, criteria=[both, classes])
    assert policy.of_task("multilabel") == [both]
    assert policy.of_task("multiclass") == [both, classes]
    with pytest.raises(
        ConfigError, match=r"^the audit's task is multilabel, and no criterion is for"
    ):
        Policy(version=2, criteria=[classes]).of_task("multilabel")
    alone = "version: 2\ncriteria:\n  - {metric: tpr, gte: 0, task: multiclass}"
    with pytest.raises(ConfigError, match=r"^policy.yaml:2: .* add one with 'task: multilabel'"):
        Policy.parse(alone).of_task("multilabel")


def test_criteria_of_different_tasks_may_have_one_name():
    first, second = "{name: a, metric: x, gte: 0, task: %s}", "{name: a, metric: y, gte: 0%s}"
    text = f"{{version: 2, criteria: [{first}, {second}]}}"
    assert len(Policy.parse(text % ("multilabel", ", task: multiclass")).criteria) == 2
    with pytest.raises(ConfigError, match="two criteria are called 'a'"):
        Policy.parse(text % ("multilabel", ""))


def test_bounds_in_text_are_a_policy_and_equal_ones_count_once():
    policy = Policy.of(["accuracy >= -0.01", "accuracy>=-0.01", "auc >= 0.9"])
    assert [one.title for one in policy.criteria] == ["accuracy >= -0.01", "auc >= 0.9"]
    with pytest.raises(ConfigError, match="needs a constraint"):
        Policy.of([])


def test_the_shipped_policy_has_what_matters():
    """Every task: what decides, and what is only named; every limit moderate before severe."""
    deciding = {
        task: {one.metric for one in shipped().of_task(task) if one.decides}
        for task in ("multilabel", "multiclass")
    }
    both = {"uncertainty", "auc", "rare_value_ratio", "bias_amplification"}
    assert deciding == {
        "multilabel": both | {"accuracy", "harmful_flip_rate"},
        "multiclass": both | {"top1_accuracy", "top1_harmful_flip_rate"},
    }
    for one in shipped().criteria:
        assert 0 < one.moderate < one.severe
        assert not (one.decides and one.single)
        assert one.optional == (one.group is not None)
        assert one.name[0].isupper()
    assert {one.metric for one in shipped().of_task("multiclass") if not one.decides} == {
        "macro_recall", "top_label_ece", "excess_top1_gap", "equal_opportunity_difference", "tpr",
        "rare_value_ratio", "bias_amplification",
    }  # fmt: skip
