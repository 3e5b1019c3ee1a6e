"""docs/gate.md and docs/verdict.md are true: policy, keys, defaults, answers, states, numbers."""

import re
from itertools import product
from pathlib import Path
from typing import get_args

import pytest
import yaml
from scipy.stats import norm

from prunescope.cli.app import BAD_INPUT, FAULT, NOT_PASSED
from prunescope.verdict import WORDS, Criterion, Judged, Policy, Row, shipped
from prunescope.verdict.judge import LEAST_SHARED
from prunescope.verdict.judgement import State

DOCS = Path(__file__).parents[2] / "docs"
GATE, VERDICT = (DOCS.joinpath(name).read_text("utf-8") for name in ("gate.md", "verdict.md"))


def table(text, heading):
    """Return the cells of the table under a heading row."""
    rows = text.split(f"{heading}\n|")[1].split("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def test_the_policy_shown_is_one():
    policy = Policy.parse(re.findall(r"```yaml\n(version.*?)```", GATE, re.DOTALL)[0])
    assert [one.title for one in policy.criteria] == [
        "Accuracy falls",
        "Rare answers fade",
        "Recall of smiles",
        "flip_rate[attribute:Bald] <= 0.1 and flip_rate[attribute:Eyeglasses] <= 0.1",
    ]
    first, second = (
        {one.name: one for one in shipped().criteria}[n.name] for n in policy.criteria[:2]
    )
    assert policy.criteria[0].limits == first.limits
    assert policy.criteria[1].limits == second.limits


def test_the_table_of_keys_has_every_key_and_its_default():
    rows = table(GATE, "| key | means | default |")
    keys = [(key, row[2]) for row in rows for key in re.findall(r"`(\w+)`", row[0])]
    fields = {**Policy.model_fields, **Criterion.model_fields}
    assert sorted(key for key, _ in keys) == sorted(fields)
    for key, told in keys:
        default = fields[key].default
        if told == "must be there":
            assert fields[key].is_required()
        elif isinstance(default, bool | str):
            assert yaml.safe_load(re.match(r"`(\w+)`", told)[1]) == default
        else:
            assert default is None


def test_every_exit_code_is_told():
    codes = [int(row[0]) for row in table(GATE, "| exit code | means |")]
    assert codes == [0, NOT_PASSED, BAD_INPUT, FAULT]


@pytest.mark.parametrize(
    ("text", "heading"),
    [(VERDICT, "| answer | it says | do this |"), (VERDICT, "| answer | when |")],
)
def test_every_answer_is_told(text, heading):
    assert {row[0].strip("*") for row in table(text, heading)} == set(WORDS.values())


def test_every_state_is_told():
    outcomes = {Judged(criterion="", metric="", state=s).outcome for s in get_args(State)}
    assert {row[0] for row in table(GATE, "| it is | when |")} == outcomes
    assert {name for name in outcomes if f"- **{name}**" in VERDICT} == outcomes


def test_numbers_of_the_method():
    alpha = 0.05
    assert f"{norm.isf(alpha) / norm.isf(alpha / 2):.3f} (e − x) at 95%" in VERDICT
    m = len(shipped().of_task("multilabel"))
    assert (
        f"m = {m} the critical value of one row goes from {norm.isf(alpha):.2f} to "
        f"{norm.isf(alpha / m):.2f}" in " ".join(VERDICT.split())
    )
    assert f"less than {LEAST_SHARED:.0%} of them" in GATE
    assert f"Below {LEAST_SHARED:.0%} in common" in VERDICT


def shape(text):
    """Leave the form of a sentence: without figures, names of what it is about, and of units."""
    text = re.sub(r"^[A-Z][\w=]*( by [\w=]+)?: ", "", text)
    text = re.sub(r"images of \w+", "images of X", text)
    return re.sub(r"[+−±]?\d[\d,.]*", "#", text)


def shapes():
    """Return the forms of sentences that the judge makes of hand-made rows."""
    place = {"attribute": None, "group": None, "group_value": None, "q": 0.01, "n": 900}
    figures = [
        {"metric": "accuracy", "value": 0.9, "baseline": 0.95, "low": -0.06, "high": -0.04},
        {"metric": "auc", "value": 0.9, "baseline": 0.95, "low": -0.06, "high": -0.04},
        {"metric": "bias_amplification", "value": 0.1, "baseline": 0.05, "low": 0.04, "high": 0.06},
        {"metric": "equal_opportunity_difference", "value": 0.2, "baseline": 0.1, "low": 0.05}
        | {"high": 0.2},
        {"metric": "excess_accuracy_gap", "value": 0.01, "baseline": None, "low": 0.0, "high": 0.1},
    ]
    units = ["images", "images of Bald on the side of a group with fewer"]
    counts = product([None, 50], units, [-0.1, 0.06], [1, 3], [0, 2])
    for figure, (more, unit, reach, n, untold) in product(figures, counts):
        row = Row(
            **place,
            **figure,
            damage=0.05,
            reach=reach,
            more=more,
            unit=unit,
            state="open",
            reason=None,
        )
        for state in ("broken", "open", "held"):
            told = {"n_rows": 9, "n_broken": n, "n_open": n, "n_untold": untold, "limit": 0.02}
            told |= {"metric": figure["metric"], "rows": [row], "state": state}
            yield shape(Judged(criterion="", **told).text)


def test_the_sentences_shown_have_the_form_of_those_that_are_said():
    made = set(shapes())
    block = re.search(r"```\n\$ prunescope gate demo.*?```", GATE, re.DOTALL)[0]
    joined = re.sub(r"\n {10,}", " ", block)
    names = {one.title for one in shipped().criteria}
    lines = re.findall(r"(?m)^(?:broken|open|held)(?:, \w+)? +(.*)$", joined)
    quoted = re.findall(r"- \*\*(?:held|broken|open)\*\*[^`]*`([^`]*)`", VERDICT)
    assert (len(lines), len(quoted)) == (13, 3)
    for line in (*lines, *(" ".join(one.split()) for one in quoted)):
        name, _, told = line.partition(": ")
        assert name in names
        assert shape(told) in made, told
