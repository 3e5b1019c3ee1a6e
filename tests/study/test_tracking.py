"""MLflow and TensorBoard are told of finished runs, once each."""

import json

import pytest

from prunescope.errors import ConfigError
from prunescope.study.running import Store, read_log
from prunescope.study.tracking import KEY, key_figures, track_mlflow, track_tensorboard

# the warnings are those of MLflow's own store and of its libraries
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def study(done):
    _, outcome = done
    return Store(outcome.folder, outcome.plan.study.asked), outcome.plan


def test_mlflow_has_parameters_curves_figures_and_artifacts(study, tmp_path):
    from mlflow import MlflowClient

    store, plan = study
    uri = f"sqlite:///{tmp_path / 'runs.db'}"
    client = MlflowClient(uri)
    number = client.create_experiment("tiny", artifact_location=f"file://{tmp_path}/artifacts")
    half = client.create_run(number, tags={KEY: plan.runs[0].key})  # as if it had been killed
    assert track_mlflow(store, plan, uri) == len(plan.runs)
    assert track_mlflow(store, plan, uri) == 0

    found = {run.data.tags[KEY]: run for run in client.search_runs([number])}
    assert found.keys() == {run.key for run in plan.runs}
    assert half.info.run_id not in {run.info.run_id for run in found.values()}
    [sparse] = [run for run in plan.runs if run.name == "gmp-pt-90-s1"]
    told = found[sparse.key]
    assert told.info.status == "FINISHED"
    assert told.data.params["method"] == "gmp-pt"
    assert told.data.params["sparsity"] == "0.9"
    assert told.data.params["recipe.steps"] == "20"
    assert told.data.params["parent"] == sparse.parent.key
    history = client.get_metric_history(told.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [
        (line["step"], pytest.approx(line["loss"])) for line in read_log(store.log(sparse))
    ]
    figures = key_figures(store, plan)[sparse.key]
    assert told.data.metrics["accuracy"] == pytest.approx(figures["accuracy"])
    assert {"flip_rate", "rare_value_ratio"} <= figures.keys()
    names = {item.path for item in client.list_artifacts(told.info.run_id)}
    assert names == {"run.json", "log.jsonl", "predictions"}
    path = client.download_artifacts(told.info.run_id, "run.json", str(tmp_path))
    with open(path) as file:  # noqa: PTH123 - MLflow's own path
        assert json.load(file)["seed"] == 1


def test_tensorboard_has_curves_and_figures(study, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    store, plan = study
    assert track_tensorboard(store, plan, tmp_path / "logs") == len(plan.runs)
    assert track_tensorboard(store, plan, tmp_path / "logs") == 0
    run = plan.runs[0]
    events = EventAccumulator(str(tmp_path / "logs" / run.key))
    events.Reload()
    points = [(event.step, event.value) for event in events.Scalars("training/loss")]
    assert points == [
        (line["step"], pytest.approx(line["loss"])) for line in read_log(store.log(run))
    ]
    [accuracy] = events.Scalars("audit/accuracy")
    assert accuracy.value == pytest.approx(key_figures(store, plan)[run.key]["accuracy"])


def test_unfinished_runs_are_left_out(study, tmp_path):
    store, plan = study
    store.answers(plan.runs[1], "test").unlink()
    assert track_tensorboard(store, plan, tmp_path / "logs") == len(plan.runs) - 1
    assert not (tmp_path / "logs" / plan.runs[1].key).exists()


def test_a_store_that_cannot_be_used(study):
    store, plan = study
    with pytest.raises(ConfigError, match="the MLflow store nonsense://x cannot be used"):
        track_mlflow(store, plan, "nonsense://x")
