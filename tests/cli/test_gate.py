"""`prunescope gate` and `prunescope policy init`, with good input and bad."""

import shutil
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import polars as pl
import pytest

import prunescope as ps
from prunescope.audit import Audit
from prunescope.verdict import Policy, Verdict, shipped, template

POLICY = """\
version: 2
criteria:
  - name: accuracy holds up
    metric: accuracy
    relative: true
    gte: {gte}
  - name: answers stay sure
    metric: uncertainty
    lte: 0
    severity: moderate
    decides: false
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gate") / "audit"


def audited(answers, place, out, **settings):
    dense, sparse = (ps.Predictions.load(path) for path in answers(place))
    ps.audit(dense, sparse, **{"replicates": 100, **settings}).save(out)
    return out


@pytest.fixture
def audit(answers, tmp_path, folder):
    """The folder of an audit, made once."""
    return folder if folder.exists() else audited(answers, tmp_path, folder)


@pytest.fixture
def policy(tmp_path):
    """Return a function that writes a policy."""

    def write(text=POLICY, gte=-0.9):
        path = tmp_path / "policy.yaml"
        path.write_text(text.replace("{gte}", str(gte)))
        return path

    return write


def lines(text):
    """Undo what the width of the terminal does to lines."""
    return " ".join(text.split())


def test_a_gate_that_passes_says_why_and_so_does_one_that_fails(
    prunescope, audit, policy, tmp_path
):
    junit, markdown = tmp_path / "junit.xml", tmp_path / "new" / "gate.md"
    ran = prunescope("gate", audit, "--policy", policy(), "--junit", junit, "--markdown", markdown)
    assert ran.code == 0
    assert f"Judged by {tmp_path}/policy.yaml, at 0.95 confidence." in ran.out.replace("\n", "")
    assert "sparse: Ship with care (1 broken, 1 held)" in ran.out
    told = lines(ran.out)
    assert "held accuracy holds up: 98.7 → 73.7% (−28.9" in told
    assert "limit at least −90.0 points from dense" in told
    assert "broken, moderate answers stay sure: " in told
    assert ran.out.splitlines()[-2:] == ["Ship with care.", "gate passed by 1 model: sparse"]
    assert ET.parse(junit).getroot().get("failures") == "0"
    assert markdown.read_text().startswith("## ✅ pass: prunescope gate")

    ran = prunescope("gate", audit, "--policy", policy(gte=0.9), "--junit", junit)
    assert ran.code == 1
    assert ran.out.splitlines()[-2:] == ["Do not ship.", "gate not passed by 1 of 1 model: sparse"]
    assert ET.parse(junit).getroot().get("failures") == "1"
    assert "broken, severe accuracy holds up: 98.7 → 73.7% (−28.9" in lines(ran.out)


def test_without_a_policy_the_shipped_criteria_judge_and_that_is_said(
    prunescope, audit, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(POLICY.format(gte=-0.9))  # not read unless named
    ran = prunescope("gate", audit)
    assert ran.code == 1
    assert lines(ran.out).startswith(
        "Judged by the criteria that prunescope ships with ('prunescope policy init' writes them, "
        "to be changed), at 0.95 confidence."
    )
    expected = shipped().judge(Audit.load(audit))
    assert ran.out.splitlines()[-2:] == [expected.text, f"gate {expected.gate}"]
    for one in expected.models[0].criteria:
        assert f"{one.criterion}: {one.text}" in lines(ran.out)
    told = prunescope("gate", audit, "--json").json
    assert told["policy"] is None
    assert [one["criterion"] for one in told["models"][0]["criteria"]] == [
        one.title for one in shipped().of_task("multilabel")
    ]


def test_json_says_what_decided(prunescope, audit, policy):
    path = policy(gte=0.9)
    ran = prunescope("gate", audit, "--policy", path, "--json")
    assert ran.code == 1
    told = ran.json
    about = {key: told.pop(key) for key in ("audits", "policy", "passed")}
    assert about == {"audits": [str(audit)], "policy": str(path), "passed": False}
    [model] = Verdict.model_validate(told).models
    first, second = model.criteria
    assert (first.outcome, second.outcome) == ("broken, severe", "broken, moderate")
    row = Audit.load(audit).overall.row(
        by_predicate=(pl.col("model") == "sparse") & (pl.col("metric") == "accuracy"), named=True
    )
    [decides] = first.rows
    assert (decides.value, decides.low, decides.high) == (
        row["value"], row["delta_low"], row["delta_high"],
    )  # fmt: skip
    assert decides.damage == pytest.approx(0.9 - row["delta"])


def test_several_audits_are_judged_in_one_call(prunescope, audit, policy, tmp_path):
    """Not passed if any is not; all stand in each file, by model and audit."""
    other = tmp_path / "other"
    found = Audit.load(audit)
    worse = pl.col("model") == "sparse", pl.col("metric") == "accuracy"
    table = found.table.with_columns(
        [
            pl.when(*worse).then(pl.col(name) - 0.5).otherwise(name).alias(name)
            for name in ("delta", "delta_low", "delta_high")
        ]
    )
    Audit(table, found.info).save(other)
    path, junit, markdown = policy(gte=-0.3), tmp_path / "gate.xml", tmp_path / "gate.md"
    assert prunescope("gate", audit, "--policy", path).code == 0
    assert prunescope("gate", other, "--policy", path).code == 1
    for order in ((audit, other), (other, audit)):
        assert prunescope("gate", *order, "--policy", path).code == 1
    twice = prunescope("gate", audit, audit, "--policy", path, "--json").json
    assert twice == prunescope("gate", audit, "--policy", path, "--json").json
    ran = prunescope(
        "gate", audit, other, "--policy", path, "--junit", junit, "--markdown", markdown
    )
    first, second = f"sparse ({audit})", f"sparse ({other})"
    assert f"gate not passed by 1 of 2 models: {second}"[:70] in lines(ran.out).replace("- ", "-")
    assert [suite.get("name") for suite in ET.parse(junit).getroot()] == [first, second]
    assert markdown.read_text("utf-8").count("\n### ") == 2
    told = prunescope("gate", audit, other, "--policy", path, "--json").json
    assert told["audits"] == [str(audit), str(other)]
    assert told["answers"] == {first: "care", second: "stop"}


def test_an_error_about_one_of_several_audits_names_it(
    prunescope, answers, audit, policy, tmp_path
):
    bare = audited(answers, tmp_path, tmp_path / "bare", identity=[])
    told = POLICY.replace("lte: 0\n", "lte: 0\n    group: Male\n")
    assert prunescope("gate", audit, "--policy", policy(told, -0.9)).code == 0
    ran = prunescope("gate", audit, bare, "--policy", policy(told, -0.9))
    assert (ran.code, ran.out) == (2, "")
    assert "policy.yaml:7: criterion 'answers stay sure': no group was audited" in ran.err
    assert ran.err.rstrip().endswith(f"so in {bare}")
    ran = prunescope("gate", audit, tmp_path / "absent", "--policy", policy())
    assert (ran.code, ran.out) == (2, "")


def test_a_policy_is_written_once_and_runs(prunescope, audit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = prunescope("policy", "init")
    assert (ran.code, ran.out.split(":")[0]) == (0, "policy.yaml")
    assert (tmp_path / "policy.yaml").read_text("utf-8") == template()
    again = prunescope("policy", "init")
    assert again.code == 2
    assert "policy.yaml exists and is left alone" in again.err
    ran = prunescope("policy", "init", "-o", "strict.yaml", "--json")
    assert ran.json == {"policy": "strict.yaml", "audit": None}
    by_default = prunescope("gate", audit, "--json").json
    by_file = prunescope("gate", audit, "--policy", "policy.yaml", "--json").json
    assert by_file == by_default | {"policy": "policy.yaml"}


def test_a_policy_is_fitted_to_an_audit(prunescope, answers, tmp_path):
    bare, path = audited(answers, tmp_path, tmp_path / "bare", identity=[]), tmp_path / "p.yaml"
    ran = prunescope("policy", "init", bare, "-o", path)
    assert ran.code == 0
    assert f"'prunescope gate {bare} --policy {path}'" in ran.out
    assert path.read_text("utf-8") == template(Audit.load(bare))
    assert not [one for one in Policy.load(path).criteria if one.group or one.task]
    assert prunescope("gate", bare, "--policy", path).code == 1


@pytest.mark.parametrize("name", ["mine.yaml", "mine.yml"])
def test_a_file_in_the_place_of_the_audit_is_told_how(prunescope, tmp_path, name):
    ran = prunescope("policy", "init", tmp_path / name)
    assert ran.code == 2
    assert f"to write a policy there, 'prunescope policy init -o {tmp_path / name}'" in ran.err
    assert not (tmp_path / name).exists()
    ran = prunescope("policy", "init", tmp_path / "absent", "-o", tmp_path / name)
    assert ran.code == 2
    assert "absent holds no audit" in ran.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("", "expected a policy as lines of 'key: value'"),
        ("- accuracy", "expected a policy as lines"),
        ("version: 1\nconditions: [{metric: a, gte: 0}]", "unknown metric 'a'"),
        (POLICY.replace("uncertainty", "uncertainy"), "policy.yaml:7: criterion 'answers"),
        (POLICY.replace("lte: 0", "attribute: Balt\n    lte: 0"), "did you mean Bald?"),
        (POLICY.replace("lte: 0", "group: Mael\n    lte: 0"), "unknown group 'Mael': did you mean"),
        (POLICY.replace("lte: 0", "lte: none"), "policy.yaml:9: criteria.1.lte: 'none' is text"),
        (POLICY.replace("version: 2", "version: 2\nmodels: dense"), "unknown key 'models'"),
    ],
)  # fmt: skip
def test_bad_policies(prunescope, audit, policy, change, message):
    ran = prunescope("gate", audit, "--policy", policy(change))
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_other_bad_input(prunescope, audit, policy, tmp_path):
    ran = prunescope("gate", audit, "--policy", tmp_path / "absent.yaml")
    assert ran.code == 2
    assert f"'prunescope policy init -o {tmp_path / 'absent.yaml'}' writes one" in ran.err
    ran = prunescope("gate", tmp_path / "absent", "--policy", policy())
    assert ran.code == 2
    assert "absent holds no audit" in ran.err
    ran = prunescope("gate", audit, "--policy", policy(), "--model", "sparce")
    assert ran.code == 2
    assert "unknown compressed model 'sparce': did you mean sparse?" in ran.err
    assert prunescope("gate", audit, "--policy", policy(), "--model", "sparse").code == 0
    ran = prunescope("gate", audit, "--policy", policy(), "--junit", tmp_path)
    assert ran.code == 2
    assert "cannot write" in ran.err


@pytest.mark.parametrize("file", ["audit.parquet", "audit.json"])
def test_a_damaged_audit(prunescope, audit, policy, tmp_path, file):
    damaged = tmp_path / "damaged"
    shutil.copytree(audit, damaged)
    (damaged / file).write_bytes((audit / file).read_bytes()[:99])
    ran = prunescope("gate", damaged, "--policy", policy())
    assert ran.code == 2
    assert "cannot be read" in ran.err


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), float("-inf")])
def test_figures_that_are_no_numbers_do_not_pass(prunescope, audit, policy, tmp_path, figure):
    """Whatever the status says: something went wrong, or another tool made it."""
    damaged = tmp_path / "damaged"
    made = Audit.load(audit)
    figures = [pl.lit(figure).alias(name) for name in ("value", "delta")]
    replace(made, table=made.table.with_columns(figures)).save(damaged)
    for gte in (-0.9, 0.9):
        ran = prunescope("gate", damaged, "--policy", policy(gte=gte))
        assert ran.code == 1
        assert "its figures are no numbers: the audit's table is damaged" in lines(ran.out)
    assert prunescope("gate", damaged).code == 1


def test_an_audit_without_intervals_cannot_tell(prunescope, answers, policy, tmp_path):
    out = audited(answers, tmp_path, tmp_path / "audit", replicates=0)
    ran = prunescope("gate", out, "--policy", policy())
    assert ran.code == 1
    assert "open, decides accuracy holds up: 98.7 → 73.7%, it has no interval" in lines(ran.out)
    assert "Cannot tell." in ran.out


@pytest.mark.parametrize(("allow", "code", "told"), [
    ([], 1, "not judged, decides Samples in common: the files share 60 of 200 samples (30.0%)"),
    (["--allow-missing"], 0, "not asked Samples in common: the files share 60 of 200 samples "
     "(30.0%), which --allow-missing allows"),
])  # fmt: skip
def test_files_that_share_too_few_samples(
    prunescope, answers, policy, tmp_path, monkeypatch, allow, code, told
):
    monkeypatch.setattr("prunescope.cli.audit._write", lambda *_: None)  # no report is needed
    dense, sparse = answers(tmp_path)
    pruned = ps.Predictions.load(sparse)
    pruned.take(np.arange(60)).save(sparse)
    out = tmp_path / "audit"
    more = ["-o", out, "--replicates", 0, *allow]
    assert prunescope("audit", dense, "--compressed", sparse, *more).code == 0
    bound = "version: 2\ncriteria: [{metric: accuracy, gte: 0.1, decides: false}]"
    ran = prunescope("gate", out, "--policy", policy(bound))
    assert (ran.code, told in lines(ran.out)) == (code, True)
