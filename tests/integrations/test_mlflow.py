"""MLflow's evaluation finds the evaluator, which logs what the audit says."""

import re
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import MetricThreshold
from mlflow.models.evaluation.validation import ModelValidationFailedException
from typer.testing import CliRunner

import prunescope as ps
from prunescope.cli.app import app
from prunescope.errors import ConfigError, DataError
from prunescope.verdict import template

# the warnings are those of MLflow's own store, of its schemas and of its libraries
pytestmark = pytest.mark.filterwarnings("ignore")

N = 300


def draw():
    """Return a table: two attributes, three classes, scores of three models, a group, ids."""
    rng = np.random.default_rng(5)
    table = pd.DataFrame(
        {
            "file": [f"{i:03}.png" for i in range(N)],
            "sex": rng.choice(["f", "m"], N),
            "is_smile": rng.integers(0, 2, N),
            "is_hat": rng.integers(0, 2, N),
            "animal": rng.choice(["cat", "dog", "newt"], N),
        }
    )
    for model, noise in (("fp32", 0.5), ("int8", 1.0), ("pruned", 6.0)):
        for name in ("smile", "hat"):
            table[f"{model}_{name}"] = 4 * table[f"is_{name}"] - 2 + rng.normal(0, noise, N)
        for name in ("newt", "cat", "dog"):  # in another order than labels are counted in
            table[f"class_{model}_{name}"] = 3.0 * (table["animal"] == name) + rng.normal(
                0, noise, N
            )
    return table


@pytest.fixture(scope="module")
def evaluate(tmp_path_factory):
    """Return a function: options of MLflow's evaluation → its result, and the run."""
    folder = tmp_path_factory.mktemp("store")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'runs.db'}")
    number = mlflow.create_experiment("audits", artifact_location=(folder / "artifacts").as_uri())

    def run(data=None, *, model_type="any", evaluators="prunescope", **options):
        with mlflow.start_run(experiment_id=number) as active:
            result = mlflow.models.evaluate(
                data=draw() if data is None else data,
                model_type=model_type,
                evaluators=evaluators,
                **options,
            )
        return result, MlflowClient().get_run(active.info.run_id)

    yield run
    mlflow.set_tracking_uri(before)


def test_one_attribute_as_mlflow_tells_it(evaluate, tmp_path):
    """The figures are those of an audit of the same arrays, and a gate takes the artifacts."""
    table = draw()
    result, run = evaluate(
        table,
        targets="is_smile",
        predictions="pruned_smile",
        model_type="classifier",
        evaluator_config={
            "dense": "fp32_smile", "groups": ["sex"], "ids": "file", "replicates": 100,
        },
    )  # fmt: skip
    right = {
        model: (table[f"{model}_smile"] > 0) == (table["is_smile"] == 1)
        for model in ("fp32", "pruned")
    }
    assert result.metrics["dense/accuracy"] == pytest.approx(right["fp32"].mean())
    assert result.metrics["pruned_smile/accuracy"] == pytest.approx(right["pruned"].mean())
    assert result.metrics["pruned_smile/change/accuracy"] == pytest.approx(
        right["pruned"].mean() - right["fp32"].mean()
    )
    assert result.metrics["pruned_smile/passed"] == 0
    assert "dense/passed" not in result.metrics
    assert "pruned_smile/bias_amplification.sex" in result.metrics
    assert run.data.metrics == pytest.approx(result.metrics)
    assert run.data.tags["prunescope.verdict"] == "Do not ship."

    folder = tmp_path / "downloaded"
    folder.mkdir()
    MlflowClient().download_artifacts(run.info.run_id, "prunescope", str(folder))
    audit = folder / "prunescope"
    assert list(ps.Audit.load(audit).info.attributes) == ["is_smile"]
    gate = CliRunner().invoke(app, ["gate", str(audit)])
    assert (gate.exit_code, "Do not ship" in gate.output) == (1, True)
    assert result.artifacts["report"].content == (audit / "report.html").read_text("utf-8")
    assert result.artifacts["report"].uri == f"{run.info.artifact_uri}/prunescope/report.html"
    threshold = {"pruned_smile/passed": MetricThreshold(threshold=1, greater_is_better=True)}
    with pytest.raises(ModelValidationFailedException, match="pruned_smile/passed"):
        mlflow.validate_evaluation_results(threshold, result)
    assert re.search(r"\b\d{3}\.png", result.artifacts["report"].content)


def test_several_attributes_and_models_by_patterns(evaluate, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 2\ncriteria: [{metric: accuracy, gte: 0.9}]\n")
    config = {
        "labels": "is_*",
        "dense": "fp32_*",
        "compressed": {"int8": "int8_*", "90": "pruned_*"},
        "groups": ["sex"],
        "policy": str(policy),
        "replicates": 100,
    }
    table = draw()[lambda found: sorted(found.columns, reverse=True)]
    result, run = evaluate(table, evaluator_config=config)
    names = ["hat", "smile"]
    expected = ps.audit(
        table[[f"fp32_{name}" for name in names]].to_numpy(),
        {
            "int8": table[[f"int8_{name}" for name in names]].to_numpy(),
            "90": table[[f"pruned_{name}" for name in names]].to_numpy(),
        },
        labels=table[[f"is_{name}" for name in names]].to_numpy(),
        attributes=names,
        groups={"sex": table["sex"].to_numpy()},
        replicates=100,
    ).table
    for model in ("int8", "90"):
        for metric, group in (
            ("accuracy", None),
            ("auc", None),
            ("bias_amplification", "sex"),
        ):
            [row] = [
                row
                for row in expected.filter(model=model, metric=metric).iter_rows(named=True)
                if row["attribute"] is None and row["group_value"] is None and row["group"] == group
            ]
            figure = metric if group is None else f"{metric}.{group}"
            assert result.metrics[f"{model}/{figure}"] == pytest.approx(row["value"])
            assert result.metrics[f"{model}/change/{figure}"] == pytest.approx(row["delta"])
    assert (result.metrics["int8/passed"], result.metrics["90/passed"]) == (1, 0)
    assert "Ship" in run.data.tags["prunescope.verdict"]


def test_classes(evaluate):
    table = draw()
    result, _ = evaluate(
        table,
        targets="animal",
        model_type="classifier",
        evaluator_config={
            "dense": "class_fp32_*", "compressed": "class_pruned_*", "replicates": 0,
        },
    )  # fmt: skip
    scores = table[[f"class_pruned_{name}" for name in ("cat", "dog", "newt")]].to_numpy()
    chosen = np.array(["cat", "dog", "newt"])[scores.argmax(axis=1)]
    assert result.metrics["compressed/top1_accuracy"] == pytest.approx(
        (chosen == table["animal"]).mean()
    )


def test_probabilities(evaluate):
    table = draw()
    logits = [name for name in table if name.endswith("_smile") and name != "is_smile"]
    likely = table.assign(**{name: 1 / (1 + np.exp(-table[name])) for name in logits})
    config = {"dense": "fp32_smile", "replicates": 0}
    told = {"targets": "is_smile", "predictions": "int8_smile", "model_type": "classifier"}
    ours, _ = evaluate(table, evaluator_config=config, **told)
    theirs, _ = evaluate(likely, evaluator_config={**config, "scores": "probability"}, **told)
    assert theirs.metrics == pytest.approx(ours.metrics, abs=1e-6)


@pytest.mark.parametrize(
    ("config", "kind", "message"),
    [
        ({}, ConfigError, "what is true is not told: expected targets, or 'labels'"),
        ({"labels": "is_smile"}, ConfigError, "no compressed model is told"),
        ({"labels": "is_smile", "compressed": "int8"}, DataError, "unknown column 'int8'"),
        ({"labels": "was_*", "compressed": "int8_hat"}, DataError, r"unknown columns 'was_\*'"),
        ({"labels": "is_*", "compressed": "class_int8_*"}, DataError, "expected"),
        ({"labels": "is_*", "compressed": "*_*"}, ConfigError, "a pattern for several"),
        ({"labels": "is_*", "compressed": {"a/b": "int8_*"}}, ConfigError, "is called 'a/b'"),
        ({"labels": "is_*", "compressed": "int8_*", "groups": "sex"}, ConfigError, r"\['sex'\]"),
        (
            {"labels": "is_*", "compressed": "int8_*", "groups": ["se"]},
            DataError,
            "did you mean sex",
        ),
        ({"labels": "is_*", "compressed": "int8_*", "replicate": 5}, ConfigError, "replicate"),
        ({"labels": "is_*", "compressed": "int8_*", "policy": "no.yaml"}, ConfigError, "no.yaml"),
    ],
)
def test_what_makes_no_sense_is_told(evaluate, config, kind, message):
    with pytest.raises(kind, match=message):
        evaluate(evaluator_config={"dense": "fp32_*"} | config)


def test_models_and_arrays_are_refused(evaluate):
    with pytest.raises(ConfigError, match="leave model out"):
        evaluate(model=lambda table: table, evaluator_config={"dense": "fp32_*"})
    with pytest.raises(DataError, match="expected a table"):
        evaluate(np.zeros((3, 2)), targets=np.zeros(3), evaluator_config={"dense": "a"})


def test_evaluations_of_other_things_are_left_alone(evaluate):
    with pytest.raises(MlflowException, match="could not be evaluated by any"):
        evaluate(evaluator_config={"labels": "is_*"})


def test_it_is_found_where_torch_is_not_installed():
    """And so it breaks no other evaluation there."""
    code = """
import sys
from pathlib import Path
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "transformers", "lightning"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from mlflow.models import list_evaluators
assert "prunescope" in list_evaluators()
from prunescope.integrations.mlflow import AuditEvaluator
assert not {"prunescope.audit", "prunescope.models"} & sys.modules.keys()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_page(evaluate, tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "mlflow.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    drawn = draw()
    names = {f"{model}_smile": model for model in ("fp32", "int8")}
    table = drawn.rename(columns=names | {"is_smile": "smiling"})
    table[["fp32", "int8"]] = 1 / (1 + np.exp(-table[["fp32", "int8"]]))
    monkeypatch.chdir(tmp_path)
    Path("policy.yaml").write_text(template(), "utf-8")
    space = {"table": table, "faces": drawn}
    with mlflow.start_run(experiment_id=mlflow.get_experiment_by_name("audits").experiment_id):
        for block in blocks:
            exec(block, space)
    assert space["result"].metrics["int8/passed"] in (0, 1)
