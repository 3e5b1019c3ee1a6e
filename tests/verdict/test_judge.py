"""Audits written by hand, judged: what the rows come to, and what an audit lacks."""

import itertools
import re

import polars as pl
import pytest

from prunescope.errors import ConfigError
from prunescope.verdict import Criterion, Judge, Policy, shipped
from prunescope.verdict.judge import PRECEDENCE

LIMITS = {"moderate": 0.005, "severe": 0.02}


def change(delta, half=0.001, p=1e-6, **more):
    told = {"baseline": 0.95, "value": 0.95 + delta, "low": 0.9, "high": 1.0, "delta": delta}
    return told | {"delta_low": delta - half, "delta_high": delta + half, "p_value": p} | more


KINDS = {
    "severe": change(-0.03),
    "moderate": change(-0.01),
    "open": change(0.0, 0.05, 1.0),
    "not judged": {"status": "insufficient_support", "reason": "too few"},
    "held": change(0.0, 0.001, 1.0),
}
"""A row of each state, for LIMITS where single attributes are held to `moderate`, too."""


def policy(*told, **one):
    criteria = told or ({"metric": "accuracy", **LIMITS, **one},)
    return Policy(version=2, criteria=[Criterion(**{"metric": "accuracy", **c}) for c in criteria])


def judged(audit, *told, **one):
    return Judge(audit, policy(*told, **one)).findings("sparse")[0].judged


@pytest.mark.parametrize(
    ("first", "second"), list(itertools.combinations_with_replacement(KINDS, 2))
)
def test_what_two_rows_come_to(made, first, second):
    """Broken before open before held; where only some could be judged, it is open, not held."""
    rows = [{**KINDS[first], "group": "g", "group_value": "a"},
            {**KINDS[second], "group": "g", "group_value": "b"}]  # fmt: skip
    for audit in (made(*rows), made(*rows[::-1])):
        found = judged(audit, group="g")
        both = [first, second]
        worst = next(kind for kind in PRECEDENCE if kind in both)
        expected = {"severe": "broken", "moderate": "broken"}.get(worst, worst)
        if set(both) == {"not judged", "held"}:
            expected = "open"
        assert found.state == expected
        assert found.severity == (worst if expected == "broken" else None)
        assert found.n_rows == 2
        assert found.n_broken == sum(kind in ("severe", "moderate") for kind in both)
        assert found.n_open == both.count("open")
        assert found.n_untold == both.count("not judged")
        assert found.limit == (0.02 if worst == "severe" else 0.005)
        deciding = {worst} if expected != "open" else {"open", "not judged"}
        assert {row.state for row in found.rows} <= deciding


def test_the_row_that_decides_comes_first(made):
    names = ["a", "b", "c"]
    broken = [change(-0.03), change(-0.05), change(-0.04)]
    rows = [{**one, "attribute": name} for one, name in zip(broken, names, strict=True)]
    found = judged(made(*rows), attribute="*")
    assert [row.attribute for row in found.rows] == ["b", "c", "a"]
    reaching = [change(0.01, 0.06, 1.0), change(-0.01, 0.03, 1.0), change(0.0, 0.07, 1.0)]
    rows = [{**one, "attribute": name} for one, name in zip(reaching, names, strict=True)]
    found = judged(made(*rows), attribute="*")
    assert (found.state, [row.attribute for row in found.rows]) == ("open", ["c", "a", "b"])


def test_rows_beyond_a_dozen_are_counted(made):
    found = judged(made(*[change(-0.03, attribute=f"a{i}") for i in range(40)]), attribute="*")
    assert (len(found.rows), found.n_rows, found.n_broken) == (12, 40, 40)
    assert found.text.endswith("; and 39 more of 40 at or beyond a limit")


def test_an_unknown_metric_is_an_error_though_optional(made):
    told = {"metric": "acuracy", "gte": 0.1, "optional": True}
    with pytest.raises(ConfigError, match="unknown metric 'acuracy': did you mean accuracy"):
        policy(told).judge(made(change(0.0)))


def test_alpha_is_split_over_the_criteria_of_the_audits_task(made):
    """The chance of any false "do not ship" is that of all criteria together."""
    audit = made(change(-0.03, 0.02, 0.03))  # one-sided p = 0.015
    others = [{"metric": "accuracy", "gte": i} for i in (-5, -6)]
    of_classes = [{"metric": "tpr", "gte": i, "task": "multiclass"} for i in (-5, -6, -7)]
    assert judged(audit, LIMITS, *others, *of_classes).state == "broken"  # 0.015 <= 0.05 / 3
    assert judged(audit, LIMITS, *others, {"metric": "accuracy", "gte": -7}).state == "open"
    strict = made(change(-0.03, 0.02, 0.03), confidence=0.99)
    assert judged(strict, LIMITS).state == "open"


def test_every_group_one_group_and_one_value(made):
    rows = [change(0.0, 0.001, 1.0, group="Male", group_value="True"),
            change(-0.03, group="Male", group_value="False"),
            change(-0.05, group="Young", group_value="True")]  # fmt: skip
    audit = made(*rows)
    assert judged(audit, group="*").rows[0].place == "Young=True"
    assert judged(audit, group="Male").rows[0].place == "Male=False"
    assert judged(audit, group=["Male", "Young"]).n_rows == 3
    alone = judged(audit, group="Male", group_value=True)
    assert (alone.state, alone.n_rows) == ("held", 1)


def test_a_row_that_two_places_name_counts_once(made):
    audit = made(change(-0.03, group="Male", group_value="True"))
    assert judged(audit, group=["Male", "*"]).n_rows == 1


@pytest.mark.parametrize(
    ("metric", "row", "unit"),
    [
        ("accuracy", {}, "images"),
        ("accuracy", {"attribute": "Bald"}, "images"),
        ("tpr", {"attribute": "Bald"}, "images of Bald"),
        ("rare_value_ratio", {"attribute": "Bald"}, "images with the rarer label of Bald"),
        ("rare_value_ratio", {}, "images"),
    ],
)
def test_units_that_more_are_asked_of(made, metric, row, unit):
    for cluster, expected in ((None, unit), ("person", "values of person")):
        audit = made({**change(0.0, 0.5, 1.0), "metric": metric, **row}, cluster=cluster)
        found = judged(audit, {**LIMITS, "metric": metric, "attribute": row.get("attribute")})
        assert found.rows[0].unit == expected


def test_units_of_a_class_are_its_images_or_those_of_the_others(made):
    told = {"metric": "rare_value_ratio", "attribute": "cat"}
    audit = made({**change(0.0, 0.5, 1.0), **told}, task="multiclass")
    unit = judged(audit, {**LIMITS, **told}).rows[0].unit
    assert unit == "images of cat, or of the others if those are fewer"


def errors(audit, *told):
    with pytest.raises(ConfigError) as raised:
        policy(*told).judge(audit)
    return str(raised.value)


GROUPED = {"group": "Male", "group_value": "True"}


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"attribute": "Balt"}, "unknown attribute 'Balt': did you mean Bald? choose one of Bald"),
        ({"attribute": ["Bald", "x"]}, "unknown attribute 'x': choose one of Bald"),
        ({"group": "Mael"}, "unknown group 'Mael': did you mean Male? choose one of Male"),
        (
            {"group": "Male", "group_value": "yes"},
            "unknown value of Male 'yes': choose one of True",
        ),
        ({"metric": "tpr"}, "tpr has no such rows: expected tpr[attribute:NAME]"),
        (
            {"metric": "top1_accuracy"},
            "top1_accuracy is of models that choose a class, and these do not: give the criterion "
            "the 'task' that it is for",
        ),
        (
            {"metric": "backdoor_bias_amplification"},
            "no backdoor was audited: name the group that marks it, --trigger GROUP",
        ),
        ({"metric": "churn"}, "churn has no value here: two dense models, please"),
        (
            {"metric": "harmful_flip_rate", "relative": True},
            "harmful_flip_rate is compared with churn, which two dense models of different seeds "
            "tell; or leave out 'relative'",
        ),
        (
            {"metric": "excess_accuracy_gap", "group": "Male", "relative": True},
            "excess_accuracy_gap is a change by itself: leave out 'relative'",
        ),
        (
            {"metric": "bias_amplification", "group": "Male", "attribute": "Bald"},
            "bias_amplification is not applicable here: Bald is the group",
        ),
    ],
)
def test_what_an_audit_lacks_is_an_error_that_says_how_to_get_it(made, told, message):
    """With file and line; where the criterion is optional, it is told as not asked."""
    value = {"value": 0.5, "low": 0.4, "high": 0.6}
    rows = [
        change(0.0), change(0.0, attribute="Bald"), change(0.0, **GROUPED),
        {"metric": "tpr", "attribute": "Bald", **change(0.0)},
        {"metric": "churn", "status": "undefined", "reason": "two dense models, please"},
        {"metric": "harmful_flip_rate", **value},
        {"metric": "excess_accuracy_gap", **value, **GROUPED},
        {"metric": "bias_amplification", "attribute": "Bald", "group": "Male",
         "status": "not_applicable", "reason": "Bald is the group"},
    ]  # fmt: skip
    audit = made(*rows)
    assert message in errors(audit, {"gte": 0.1, **told})
    assert errors(audit, {"gte": 0.1, **told}).endswith("; or say 'optional: true'")
    verdict = policy({"gte": 0.1}, {"gte": 0.1, **told, "optional": True}).judge(audit)
    assert verdict.answer == "ship"
    assert verdict.models[0].criteria[1].state == "absent"
    assert verdict.models[0].criteria[1].text == message[:239] or message in (
        verdict.models[0].criteria[1].text
    )
    alone = policy({"gte": 0.1, **told, "optional": True}).judge(audit)
    assert (alone.answer, alone.passed) == ("unknown", False)  # nothing was judged


def test_an_audit_without_groups_says_how_to_have_some(made):
    audit = made(change(0.0))
    message = "no group was audited: give the files columns group__NAME; or say 'optional: true'"
    for told in ({"group": "*"}, {"group": "Male"}, {"metric": "bias_amplification"}):
        assert errors(audit, {"gte": 0, **told}).endswith(message)


def test_a_group_that_is_the_cluster_or_was_left_out(made):
    audit = made(change(0.0, **GROUPED), cluster="person", groups=("Male",))
    assert "person is the cluster of this audit" in errors(audit, {"gte": 0, "group": "person"})
    told = errors(audit, {"gte": 0, "group": "Young"})
    assert "unknown group 'Young': choose one of Male; the audit was made of --groups Male" in told


def test_a_metric_of_attributes_says_so_of_models_that_choose_a_class(made):
    audit = made({**change(0.0), "metric": "top1_accuracy"}, task="multiclass")
    told = errors(audit, {"metric": "harmful_flip_rate", "gte": 0})
    assert "harmful_flip_rate is of attributes, and these models choose a class" in told
    assert "unknown class 'x'" in errors(
        made(change(0.0, attribute="c"), task="multiclass"), {"gte": 0, "attribute": "x"}
    )


def test_all_that_an_audit_lacks_is_told_at_once_with_file_and_line(made):
    text = (
        "version: 2\ncriteria:\n  - {metric: acuracy, gte: 0}\n  - {metric: accuracy, gte: 0}\n"
        "  - name: mine\n    metric: accuracy\n    gte: 0\n    group: Mole\n"
    )
    with pytest.raises(ConfigError) as raised:
        Policy.parse(text, "p.yaml").judge(made(change(0.0)))
    lines = str(raised.value).splitlines()
    assert [re.match(r"p.yaml:(\d): criterion '([^']*)'", line).groups() for line in lines] == [
        ("3", "acuracy >= 0.0"),
        ("5", "mine"),
    ]


SEEDS = ("gmp-0", "gmp-1")
POPULATION = ("gmp (2 seeds)", list(SEEDS))


@pytest.fixture(scope="module")
def seeds(made):
    """Two seeds, one of them bad, their mean, and one model by itself, which is fine."""
    rows = [{**change(0.0, 0.001, 1.0), "model": m} for m in (POPULATION[0], "gmp-0", "alone")]
    bad = {**change(-0.05), "model": "gmp-1"}
    return made(*rows, bad, models=(*SEEDS, "alone"), populations=[POPULATION])


@pytest.mark.parametrize(
    ("models", "answers"),
    [
        (None, {"gmp-0": "ship", "gmp-1": "stop", "alone": "ship"}),
        (["alone"], {"alone": "ship"}),
        ([POPULATION[0]], {"gmp-0": "ship", "gmp-1": "stop"}),
        (["gmp-0", "gmp-0"], {"gmp-0": "ship"}),
    ],
)
def test_which_models_are_judged(seeds, models, answers):
    """A population stands for its seeds: one of them is shipped, not their mean."""
    verdict = policy().judge(seeds, models)
    assert {one.model: one.answer for one in verdict.models} == answers
    assert verdict.passed == ("stop" not in answers.values())
    assert verdict.answers == answers | (
        {POPULATION[0]: "stop" if "gmp-1" in answers else "ship"} if "gmp-0" in answers else {}
    )


@pytest.mark.parametrize("name", ["alne", "dense"])
def test_a_model_that_is_not_there(seeds, name):
    with pytest.raises(ConfigError, match=f"^unknown compressed model '{name}': .*alone"):
        policy().judge(seeds, [name])


def test_an_audit_of_nothing_compressed_is_refused(made):
    with pytest.raises(ConfigError, match="no dense model, or no compressed one"):
        policy().judge(made(change(0.0), models=("x",)).__class__(
            pl.DataFrame(schema=made(change(0.0)).table.schema), made(change(0.0), models=("x",))
            .info.model_copy(update={"models": []})
        ))  # fmt: skip


ASKED = "95% are asked for: answer the others, too, or audit with --allow-missing"


@pytest.mark.parametrize(
    ("shared", "allow", "state", "text"),
    [
        (1.0, False, None, ""),
        (0.95, False, "absent", "1,053 samples (95%)"),
        (0.9499, False, "not judged", f"1,053 samples (94.99%); {ASKED}"),
        (0.33, False, "not judged", f"3,030 samples (33.0%); {ASKED}"),
        (0.33, True, "absent", "3,030 samples (33.0%), which --allow-missing allows"),
    ],
)
def test_samples_that_only_some_files_answer(made, shared, allow, state, text):
    audit = made(change(0.0, 0.001, 1.0), shared=shared, allow_missing=allow)
    verdict = policy().judge(audit)
    assert verdict.answer == ("unknown" if state == "not judged" else "ship")
    first = verdict.models[0].criteria[0]
    if state is None:
        assert first.criterion != "Samples in common"
    else:
        assert (first.criterion, first.state) == ("Samples in common", state)
        assert first.text == f"the files share 1,000 of {text}"
    bad = policy().judge(made(change(-0.05), shared=shared, allow_missing=allow))
    assert bad.answer == "stop"


def test_too_few_samples_in_common_are_no_judgement_that_lets_pass(made):
    """Where nothing else is judged, samples in common do not stand in for it."""
    few = {"status": "insufficient_support", "reason": "few"}
    told = {**LIMITS, "decides": False}
    assert policy(told).judge(made(few, shared=0.97)).answer == "unknown"


def test_a_criterion_knows_its_findings_of_all_models(seeds):
    judge = Judge(seeds, policy())
    [criterion] = policy().criteria
    assert [one.judged.state for one in judge.of_all(criterion)] == ["held", "broken", "held"]
    assert judge.of_all(Criterion(metric="tpr", gte=0)) == []


def test_findings_hold_all_rows(made):
    rows = [change(-0.03, attribute=f"a{i}") for i in range(40)]
    [found] = Judge(made(*rows), policy(attribute="*")).findings("sparse")
    assert found.rows.height == 40
    assert {"damage", "reach", "q", "more", "state", "beyond_chance"} <= set(found.rows.columns)


def test_the_shipped_policy_judges_what_it_has_rows_for(made):
    """What is optional may lack; what is not is an error that names the shipped file."""
    with pytest.raises(ConfigError, match=r"criteria.yaml:\d+: criterion 'Right answers are lost'"):
        shipped().judge(made(change(0.0), change(0.0, attribute="a")))
