"""The action and its workflow: they may do little, and their scripts do what they say."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
WORKFLOW = yaml.safe_load(
    (ROOT / "examples" / "github-actions" / "compression-gate.yml").read_text("utf-8")
)
JOBS = WORKFLOW["jobs"]
STEPS = {step.get("id"): step for step in ACTION["runs"]["steps"]}
SCRIPTS = [
    step["run"]
    for steps in (ACTION["runs"]["steps"], *(job["steps"] for job in JOBS.values()))
    for step in steps
    if "run" in step
]
PROGRAMS = Path(sys.executable).parent
"""Where `prunescope` and `python3` of these tests lie."""


class Runner:
    """Runs steps of the action as GitHub's runner does, in an environment with nothing else."""

    def __init__(self, folder, **given):
        self.folder = folder
        self.inputs = {name: one.get("default") for name, one in ACTION["inputs"].items()} | given
        self.outputs, self.outcomes = {}, {}

    def value(self, text):
        """Fill in what stands in ``${{ }}``: the first of its alternatives that is not empty."""
        return re.sub(r"\$\{\{ (.+?) \}\}", lambda found: self._first(found[1]), text)

    def _first(self, expression):
        known = {f"inputs.{name}": value for name, value in self.inputs.items()}
        known |= self.outputs
        for one in expression.split(" || "):
            if value := one.strip("'") if one.startswith("'") else known.get(one, ""):
                return value
        return ""

    def step(self, name, **more):
        """Run a step's script; return how it ended."""
        step = STEPS[name]
        assert step["shell"] == "bash"
        for file in ("output", "summary.md", "step.sh"):
            (self.folder / file).write_text(step["run"] if file == "step.sh" else "")
        (self.folder / "temp").mkdir(exist_ok=True)
        env = {
            "PATH": f"{PROGRAMS}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "PYTHONPATH": str(ROOT / "src"),
            "OMP_NUM_THREADS": "1",
            "RUNNER_TEMP": str(self.folder / "temp"),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(self.folder / "step.sh")],
            env=env | {key: self.value(value) for key, value in step["env"].items()} | more,
            cwd=self.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        lines = iter((self.folder / "output").read_text("utf-8").splitlines())
        for line in lines:
            key, mark, value = re.fullmatch(r"([\w-]+)(=|<<)(.*)", line).groups()
            if mark == "<<":
                assert re.fullmatch(r"\w{32}", value)
                value = "\n".join(iter(lines.__next__, value))
            self.outputs[f"steps.{name}.outputs.{key}"] = value
        return done

    def output(self, name):
        return self.value(ACTION["outputs"][name]["value"])


def test_they_may_do_no_more_than_they_must():
    assert WORKFLOW[True] == {"pull_request": None}  # YAML's reading of `on`; not ..._target
    assert WORKFLOW["permissions"] == {}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "gate": {"contents": "read"},
        "comment": {"pull-requests": "write"},
    }
    assert not any("uses" in step for step in JOBS["comment"]["steps"])
    used = [step["uses"] for step in [*JOBS["gate"]["steps"], *STEPS.values()] if "uses" in step]
    assert [one.split("@")[0] for one in used] == [
        *("actions/checkout", "OWNER/prunescope", "actions/setup-python"),
        "actions/upload-artifact",
    ]
    with_token = [name for name, step in STEPS.items() if "github.token" in str(step)]
    assert with_token == ["comment"]
    assert "inputs.comment == 'true'" in STEPS["comment"]["if"]
    assert ACTION["inputs"]["comment"]["default"] == "false"


def test_no_text_from_outside_is_pasted_into_a_script():
    """`${{ }}` inside `run` would let a pull request's words become commands."""
    assert len(SCRIPTS) == 7
    for script in SCRIPTS:
        assert "${{" not in script
        done = subprocess.run(
            ["bash", "-n"], input=script, text=True, capture_output=True, check=False
        )
        assert done.stderr == ""


def test_every_input_and_output_is_used_and_known():
    text = yaml.safe_dump(ACTION)
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(ACTION["inputs"])
    for step, name in re.findall(r"steps\.(\w+)\.outputs\.([\w-]+)", text):
        written = STEPS[step].get("run", "python-path=")  # what setup-python gives
        assert f"{name}=" in written or f"{name}<<" in written
    [gate] = [step for step in JOBS["gate"]["steps"] if step.get("id") == "gate"]
    required = {name for name, one in ACTION["inputs"].items() if one.get("required")}
    assert required <= set(gate["with"]) <= set(ACTION["inputs"])
    assert JOBS["gate"]["outputs"] == {"markdown": "${{ steps.gate.outputs.markdown }}"}
    assert "markdown" in ACTION["outputs"]


@pytest.fixture(scope="module")
def audited(answers, tmp_path_factory):
    """Return a runner that has audited files whose names would be commands, were they pasted."""
    folder = tmp_path_factory.mktemp("work")
    dense, sparse = answers(folder)
    odd = sparse.rename(folder / "$(touch hacked) 'x; touch hacked.parquet")
    runner = Runner(
        folder,
        dense=f"{dense.name}\n",
        compressed=f"\n  {odd.name}\n",
        arguments="--replicates=50\n--title=Today; touch hacked\n--format\njson\n",
    )
    audit = runner.step("audit")
    assert audit.returncode == 0, audit.stderr
    return runner


def test_it_audits_what_it_is_told_to(audited):
    folder = Path(audited.output("folder"))
    assert folder.parent == audited.folder / "temp"
    report = json.loads((folder / "audit" / "report.json").read_text("utf-8"))
    assert report["title"] == "Today; touch hacked"
    assert not (audited.folder / "hacked").exists()


@pytest.mark.parametrize(("limit", "passed"), [(-0.9, True), (0.9, False)])
def test_it_judges_and_hands_the_verdict_on(audited, limit, passed):
    policy = "policy `touch hacked`.yaml"
    (audited.folder / policy).write_text(
        f"version: 2\ncriteria: [{{metric: accuracy, relative: true, gte: {limit}}}]\n"
    )
    audited.inputs["policy"] = policy
    gate = audited.step("gate")
    assert gate.returncode == (0 if passed else 1), gate.stderr
    tell = audited.step("tell")
    assert tell.returncode == 0, tell.stderr
    folder = Path(audited.output("folder"))
    assert "<testsuite" in (folder / "gate.xml").read_text("utf-8")
    markdown = (folder / "gate.md").read_text("utf-8")
    assert markdown.startswith("## ✅ pass" if passed else "## ❌ fail")
    assert (audited.folder / "summary.md").read_text("utf-8") == markdown == tell.stdout
    assert audited.output("markdown").rstrip("\n") == markdown.rstrip("\n")
    assert audited.output("passed") == str(passed).lower()
    assert audited.output("verdict").startswith("Ship" if passed else "Do not ship")
    assert not (audited.folder / "hacked").exists()


def test_what_cannot_be_judged_ends_with_its_own_code_and_tells_nothing(answers, tmp_path):
    dense, _ = answers(tmp_path)
    runner = Runner(tmp_path, dense=dense.name, compressed="no-such.parquet")
    audit = runner.step("audit")
    assert audit.returncode == 2
    assert "no-such.parquet" in audit.stderr
    assert runner.output("folder") == ""  # and so none of these
    for name in ("tell", None):
        assert "steps.audit.outputs.folder != ''" in STEPS[name]["if"]

    runner.outputs["steps.audit.outputs.folder"] = str(tmp_path)
    runner.inputs["policy"] = "no-such.yaml"
    gate = runner.step("gate")
    assert gate.returncode == 2
    assert "no-such.yaml" in gate.stderr
    assert runner.step("tell").returncode == 0
    assert [runner.output(name) for name in ("passed", "verdict", "markdown")] == ["", "", ""]
    assert (tmp_path / "summary.md").read_text() == ""


@pytest.mark.parametrize("what", ["", "prunescope==0.1.0; touch hacked"])
def test_it_is_installed_apart_from_what_later_steps_use(tmp_path, what):
    """A Python that notes what it is told, and makes environments of itself."""
    python = tmp_path / "my python"
    python.write_text(
        '#!/bin/bash\nprintf "%s\\n" "$@" >> "$HOME/told"\n'
        'if [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; fi\n'
    )
    python.chmod(0o755)
    runner = Runner(tmp_path, install=what)
    runner.outputs["steps.python.outputs.python-path"] = str(python)
    assert runner.step("install").returncode == 0
    home = tmp_path / "temp" / "prunescope"
    given = [what] if what else ["-c", f"{ROOT}/constraints.txt", str(ROOT)]
    assert (tmp_path / "told").read_text().splitlines() == [
        *("-m", "venv", str(home)), *("-m", "pip", "install", "--quiet"), *given,
    ]  # fmt: skip
    assert runner.outputs["steps.install.outputs.program"] == f"{home}/bin/prunescope"
    assert runner.value(STEPS["gate"]["env"]["PRUNESCOPE"]) == f"{home}/bin/prunescope"
    assert not (tmp_path / "hacked").exists()
    assert STEPS["python"]["with"]["update-environment"] is False


def test_its_python_is_one_that_prunescope_names():
    classifiers = (ROOT / "pyproject.toml").read_text("utf-8")
    assert f'Python :: {ACTION["inputs"]["python-version"]["default"]}"' in classifiers


@pytest.mark.parametrize("step", [STEPS["comment"], *JOBS["comment"]["steps"]], ids=["step", "job"])
def test_the_comment_is_what_the_gate_wrote(step, tmp_path):
    fake = tmp_path / "gh"
    fake.write_text('#!/bin/bash\necho "$@" > arguments; cat > body\n')
    fake.chmod(0o755)
    assert set(step["env"]) == {"NUMBER", "MARKDOWN", "GH_TOKEN", "GH_REPO"}
    told = {"PATH": f"{tmp_path}:{os.defpath}", "NUMBER": "7", "MARKDOWN": "## $(id) `id`\n%s"}
    subprocess.run(["bash", "-e"], input=step["run"], text=True, check=True, env=told, cwd=tmp_path)
    assert (tmp_path / "body").read_text() == "## $(id) `id`\n%s\n"
    assert (tmp_path / "arguments").read_text().split()[:3] == ["pr", "comment", "7"]
