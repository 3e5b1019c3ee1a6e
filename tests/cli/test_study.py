"""`prunescope study` with good input and bad."""

from pathlib import Path

import pytest

STUDY = """
name: small
data: {size: 32, n_train: 48, n_val: 12, n_test: 40, attributes: [Smiling, Bald], groups: [Male]}
base:
  architectures: [resnet_small]
  methods: [gmp-ri]
  sparsities: [0.9]
  recipe: {steps: 20, batch_size: 6, learning_rate: 0.1}
audit: {replicates: 0}
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "small.yaml").write_text(STUDY)
    return tmp_path / "small.yaml"


def test_init_writes_what_plan_reads(prunescope, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = prunescope("study", "init")
    assert ran.code == 0
    assert "prunescope study plan study.yaml" in ran.out
    told = prunescope("study", "plan", "study.yaml", "--no-time", "--json").json
    assert told["study"] == "my-study"
    assert len(told["settings"]) == 5
    again = prunescope("study", "init")
    assert again.code == 2
    assert "study.yaml exists and is left alone" in again.err


def test_plan_says_what_is_shared_and_how_long_it_takes(prunescope, study):
    ran = prunescope("study", "plan", study, "--processes", 2)
    assert ran.code == 0
    assert "2 runs, 1 of them dense; 40 training steps; about" in " ".join(ran.out.split())
    told = prunescope("study", "plan", study, "--json").json
    assert [run["steps"] for run in told["runs"]] == [20, 20]
    assert all(run["seconds"] > 0 for run in told["runs"])
    assert told["seconds"] == pytest.approx(sum(run["seconds"] for run in told["runs"]), abs=0.2)


def test_run_then_status(prunescope, study, tmp_path):
    waiting = prunescope("study", "status", study)
    assert waiting.code == 2
    assert "small holds no study: expected plan.json" in waiting.err
    ran = prunescope("study", "run", study, "--json")
    assert ran.code == 0
    assert (ran.json["runs"], ran.json["finished"]) == (2, 2)
    assert (tmp_path / "small" / "audits" / "resnet_small" / "audit.parquet").exists()
    for name in (study, tmp_path / "small"):
        told = prunescope("study", "status", name, "--json").json
        assert set(told["statuses"].values()) == {"finished"}
    assert "2 runs: 2 finished" in prunescope("study", "status", study).out


def test_report_judges_what_is_finished(prunescope, study, tmp_path):
    study.write_text(STUDY.replace("n_test: 40", "n_test: 200"))
    assert prunescope("study", "run", study).code == 0
    for name in (study, tmp_path / "small"):
        told = prunescope("study", "report", name, "--json").json
        assert told["report"] == str(Path(told["folder"]) / "report" / "report.html")
        assert Path(told["report"]).exists()
    assert {claim["verdict"] for claim in told["claims"]} <= {"held", "failed", "undecided"}
    assert len(told["claims"]) >= 10
    ran = prunescope("study", "report", study, "-o", tmp_path / "else")
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == str(tmp_path / "else" / "report.html")
    assert told["claims"][0]["title"].split()[0] in ran.out
    assert (tmp_path / "else" / "tables" / "claims.tex").exists()


def test_a_run_that_fails_is_told_with_exit_code_1(prunescope, study):
    study.write_text(STUDY.replace("learning_rate: 0.1", "learning_rate: 1.0e+30"))
    ran = prunescope("study", "run", study)
    assert ran.code == 1
    assert "0 of 2 runs finished" in ran.out
    assert "what failed: prunescope study status small" in ran.err
    told = prunescope("study", "status", study)
    assert "diverged" in " ".join(told.out.split())
    assert "2 failed" in told.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("report", "small.yaml"), "small holds no study: expected plan.json"),
        (("plan", "none.yaml"), "'prunescope study init none.yaml' writes one to start from"),
        (("run", "small.yaml", "--processes", "0"), "Invalid value for '--processes'"),
        (("run", "small.yaml", "--device", "tpu"), "unknown device 'tpu'"),
    ],
)
def test_bad_input(prunescope, study, arguments, message):
    ran = prunescope("study", *arguments)
    assert ran.code in (1, 2)
    assert message in ran.err
