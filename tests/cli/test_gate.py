"""`prunescope gate` and `prunescope policy init`, with good input and bad."""

from xml.etree import ElementTree as ET

import polars as pl
import pytest
from prunescope.gate import Verdict

from prunescope.audit import Audit

POLICY = """\
version: 1
conditions:
  - name: accuracy holds up
    metric: accuracy
    relative: true
    gte: {gte}
  - name: answers stay sure
    metric: uncertainty
    lte: 0
    severity: warning
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gate") / "audit"


@pytest.fixture
def audit(prunescope, answers, tmp_path, folder):
    """The folder of an audit, made once."""
    if not folder.exists():
        dense, sparse = answers(tmp_path)
        made = prunescope("audit", dense, "--compressed", sparse, "-o", folder, "--replicates", 100)
        assert made.code == 0
    return folder


@pytest.fixture
def policy(tmp_path):
    """Return a function that writes a policy."""

    def write(text=POLICY, gte=-0.9):
        path = tmp_path / "policy.yaml"
        path.write_text(text.replace("{gte}", str(gte)))
        return path

    return write


def test_a_gate_that_passes_and_one_that_fails(prunescope, audit, policy, tmp_path):
    junit, markdown = tmp_path / "junit.xml", tmp_path / "new" / "gate.md"
    ran = prunescope("gate", audit, "--policy", policy(), "--junit", junit, "--markdown", markdown)
    assert ran.code == 0
    assert "sparse: 1 warn, 1 pass" in ran.out
    assert ran.out.splitlines()[-1] == "gate passed, with warnings for 1 of 1 model: sparse"
    assert ET.parse(junit).getroot().get("failures") == "0"
    assert markdown.read_text().startswith("## ⚠️ warn: prunescope gate")

    ran = prunescope("gate", audit, "--policy", policy(gte=0.9), "--junit", junit)
    assert ran.code == 1
    assert ran.out.splitlines()[-1] == "gate not passed by 1 of 1 model: sparse"
    assert ET.parse(junit).getroot().get("failures") == "1"
    assert "over all:" in ran.out


def test_json_says_what_decided(prunescope, audit, policy):
    path = policy(gte=0.9)
    ran = prunescope("gate", audit, "--policy", path, "--json")
    assert ran.code == 1
    told = ran.json
    about = {key: told.pop(key) for key in ("audit", "policy", "passed")}
    assert about == {"audit": str(audit), "policy": str(path), "passed": False}
    [model] = Verdict.model_validate(told).models
    first, second = model.checks
    assert (first.status, second.status) == ("fail", "warn")
    table = Audit.load(audit).table
    row = table.filter(
        pl.col("attribute").is_null(), pl.col("group").is_null(), model="sparse", metric="accuracy"
    ).row(0, named=True)
    assert first.row.value == row["delta"]
    assert first.row.excess == pytest.approx(0.9 - row["delta_low"])


def test_a_policy_is_written_once_and_runs(prunescope, audit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = prunescope("policy", "init")
    assert (ran.code, ran.out.split(":")[0]) == (0, "policy.yaml")
    again = prunescope("policy", "init")
    assert again.code == 2
    assert "policy.yaml exists and is left alone" in again.err
    assert prunescope("policy", "init", "strict.yaml", "--json").json == {"policy": "strict.yaml"}
    ran = prunescope("gate", audit, "--json")
    assert ran.code == 1
    assert len(ran.json["models"][0]["checks"]) == 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("", "expected a policy as lines of 'key: value'"),
        ("- accuracy", "expected a policy as lines"),
        (POLICY.replace("uncertainty", "uncertainy"), "policy.yaml:7: constraint 'uncertainy"),
        (POLICY.replace("lte: 0", "attribute: Balt\n    lte: 0"), "did you mean Bald?"),
        (POLICY.replace("lte: 0", "group: Mael\n    lte: 0"), "unknown group 'Mael': did you mean"),
        (POLICY.replace("lte: 0", "lte: none"), "policy.yaml:9: conditions.1.lte: 'none' is text"),
        (POLICY.replace("version: 1", "version: 1\nmodels: dense"), "unknown compressed model"),
    ],
)
def test_bad_policies(prunescope, audit, policy, change, message):
    ran = prunescope("gate", audit, "--policy", policy(change))
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_other_bad_input(prunescope, audit, policy, tmp_path):
    ran = prunescope("gate", audit, "--policy", tmp_path / "absent.yaml")
    assert ran.code == 2
    assert "'prunescope policy init" in ran.err
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
    damaged.mkdir()
    for path in audit.iterdir():
        (damaged / path.name).write_bytes(path.read_bytes()[: 99 if path.name == file else None])
    ran = prunescope("gate", damaged, "--policy", policy())
    assert ran.code == 2
    assert "cannot be read" in ran.err


def test_an_audit_without_intervals(prunescope, answers, policy, tmp_path):
    dense, sparse = answers(tmp_path)
    out = tmp_path / "audit"
    prunescope("audit", dense, "--compressed", sparse, "-o", out, "--replicates", 0)
    ran = prunescope("gate", out, "--policy", policy())
    assert ran.code == 2
    assert "policy.yaml:3: the audit has no intervals" in ran.err
    by_value = POLICY.replace("version: 1", "version: 1\ndefaults: {by: value}")
    assert prunescope("gate", out, "--policy", policy(by_value)).code == 0
