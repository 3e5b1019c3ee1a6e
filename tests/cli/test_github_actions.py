"""The workflow for GitHub Actions: it parses, may do little, and its commands do what it says."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

WORKFLOW = Path(__file__).parents[2] / "examples" / "github-actions" / "compression-gate.yml"


@pytest.fixture(scope="module")
def jobs():
    return yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"]


def steps(job):
    return {step.get("name", step.get("uses")): step for step in job["steps"]}


def test_it_may_do_no_more_than_it_must(jobs):
    workflow = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    assert workflow[True] == {"pull_request": None}  # YAML's reading of `on`; not ..._target
    assert workflow["permissions"] == {}
    assert {name: job["permissions"] for name, job in jobs.items()} == {
        "gate": {"contents": "read"},
        "comment": {"pull-requests": "write"},
    }
    used = {
        step["uses"].split("@")[0]
        for job in jobs.values()
        for step in job["steps"]
        if "uses" in step
    }
    assert used == {"actions/checkout", "actions/setup-python"}
    assert not any("uses" in step for step in jobs["comment"]["steps"])


def test_no_text_from_outside_is_pasted_into_a_script(jobs):
    """`${{ }}` inside `run` would let a pull request's words become commands."""
    scripts = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert len(scripts) == 6
    assert not any("${{" in script for script in scripts)
    for script in scripts:
        done = subprocess.run(
            ["bash", "-n"], input=script, text=True, capture_output=True, check=False
        )
        assert done.stderr == ""


@pytest.mark.parametrize(("limit", "code"), [(-0.9, 0), (0.9, 1)])
def test_its_commands_judge_and_hand_the_summary_on(
    jobs, prunescope, answers, tmp_path, monkeypatch, limit, code
):
    monkeypatch.chdir(tmp_path)
    Path("answers").mkdir()
    _, sparse = answers(Path("answers"))
    sparse.rename("answers/pruned.parquet")
    Path("policy.yaml").write_text(
        f"version: 2\ncriteria: [{{metric: accuracy, relative: true, gte: {limit}}}]\n"
    )
    gate = steps(jobs["gate"])
    for name, expected in (("audit", 0), ("gate", code)):
        program, *arguments = shlex.split(gate[name]["run"])
        assert program == "prunescope"
        assert prunescope(*arguments).code == expected
    assert Path("gate.xml").exists()

    monkeypatch.setenv("GITHUB_OUTPUT", "output")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    subprocess.run(["bash", "-e"], input=gate["tell"]["run"], text=True, check=True)
    markdown = Path("gate.md").read_text("utf-8")
    assert Path("summary.md").read_text("utf-8") == markdown
    found = re.fullmatch(
        r"markdown<<(\w{32})\n(.*)\1\n", Path("output").read_text("utf-8"), re.DOTALL
    )
    assert found[2].rstrip("\n") == markdown.rstrip("\n")


def test_the_comment_is_what_the_gate_wrote(jobs, tmp_path, monkeypatch):
    fake = tmp_path / "gh"
    fake.write_text('#!/bin/bash\necho "$@" > arguments; cat > body\n')
    fake.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("NUMBER", "7")
    monkeypatch.setenv("MARKDOWN", "## $(id) `id`\n%s")
    [step] = jobs["comment"]["steps"]
    assert set(step["env"]) >= {"NUMBER", "MARKDOWN", "GH_TOKEN", "GH_REPO"}
    subprocess.run(["bash", "-e"], input=step["run"], text=True, check=True)
    assert Path("body").read_text() == "## $(id) `id`\n%s\n"
    assert Path("arguments").read_text().split()[:3] == ["pr", "comment", "7"]
