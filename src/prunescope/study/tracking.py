"""Telling other tools of a study's runs: MLflow and TensorBoard.

Both are told of finished runs from what lies in the study's folder, so it does not matter which
engine made them, on which machine, or how often it was interrupted. Each run is told once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from prunescope.audit import Audit
from prunescope.audit.flat import flat_figures
from prunescope.errors import ConfigError, MissingExtraError
from prunescope.files import new_folder
from prunescope.study.plan import Plan, Run
from prunescope.study.running import Store, read_log

KEY, FOLDER = "prunescope.key", "prunescope.folder"
"""Tags of a run in MLflow: its key, and where its model and answers lie."""

CURVES = ("loss", "learning_rate")
"""What a training log has of each epoch."""


def track_mlflow(
    store: Store, plan: Plan, uri: str, progress: Callable[[int, int], None] | None = None
) -> int:
    """Write the finished runs to an MLflow store that does not know them yet; return how many.

    The experiment has the study's name. A run has its settings as parameters, its training curves
    and the key figures of its audit as metrics, and its settings, log and answers as artifacts; a
    tag says where its model lies, which is not copied.

    Parameters
    ----------
    store : Store
    plan : Plan
    uri : str
        Of the store: ``sqlite:///tracking.db``, ``http://host:5000``, ...
    progress : callable (done, of), optional

    Raises
    ------
    MissingExtraError
        MLflow is not installed.
    ConfigError
        The store cannot be used.
    """
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise MissingExtraError("tracking by MLflow", "mlflow") from error
    figures = key_figures(store, plan)
    finished = [run for run in plan.runs if store.finished(run)]
    n_told = 0
    try:
        client = MlflowClient(uri)
        experiment = _experiment(client, plan.study.name)
        for place, run in enumerate(finished):
            known = client.search_runs([experiment], f"tags.`{KEY}` = '{run.key}'")
            if not any(one.info.status == "FINISHED" for one in known):
                for half in known:  # of a call that was interrupted
                    client.delete_run(half.info.run_id)
                _to_mlflow(client, experiment, store, run, figures.get(run.key, {}))
                n_told += 1
            if progress is not None:
                progress(place + 1, len(finished))
    except MlflowException as error:
        raise ConfigError(f"the MLflow store {uri} cannot be used: {error}") from error
    return n_told


def _experiment(client: Any, name: str) -> str:  # noqa: ANN401 - of MLflow
    """Return the number of an experiment, made if it is not there."""
    known = client.get_experiment_by_name(name)
    number: str = known.experiment_id if known else client.create_experiment(name)
    return number


def _to_mlflow(
    client: Any,  # noqa: ANN401 - of MLflow
    experiment: str,
    store: Store,
    run: Run,
    figures: dict[str, float],
) -> None:
    from mlflow.entities import Metric, Param

    log = read_log(store.log(run))
    begun = int(1000 * log[0]["time"]) if log else None
    ended = int(1000 * log[-1]["time"]) if log else 0
    tags = {KEY: run.key, FOLDER: str(store.run(run).absolute())}
    made = client.create_run(experiment, start_time=begun, run_name=run.key, tags=tags)
    curves = [
        Metric(name, line[name], int(1000 * line["time"]), line["step"])
        for line in log
        for name in CURVES
        if math.isfinite(line[name])
    ]
    last = log[-1]["step"] if log else 0
    results = [Metric(name, value, ended, last) for name, value in figures.items()]
    parameters = [Param(name, str(value)) for name, value in _settings(run)]
    client.log_batch(made.info.run_id, metrics=curves + results, params=parameters)
    for file in (store.run(run) / "run.json", store.log(run)):
        if file.exists():
            client.log_artifact(made.info.run_id, str(file))
    for split in store.splits:
        client.log_artifact(made.info.run_id, str(store.answers(run, split)), "predictions")
    client.set_terminated(made.info.run_id, end_time=ended or None)


def track_tensorboard(store: Store, plan: Plan, folder: Path) -> int:
    """Write the training curves and key figures of finished runs for TensorBoard; return how many.

    Each run has a folder of its key; one that is there is left alone.

    Parameters
    ----------
    store : Store
    plan : Plan
    folder : path
        To be shown by ``tensorboard --logdir FOLDER``.

    Raises
    ------
    MissingExtraError
        TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError("tracking by TensorBoard", "tensorboard") from error
    figures = key_figures(store, plan)
    n_told = 0
    for run in plan.runs:
        target = folder / run.key
        if not store.finished(run) or target.exists():
            continue
        log = read_log(store.log(run))
        with new_folder(target) as part, SummaryWriter(str(part)) as writer:
            for line in log:
                for name in CURVES:
                    writer.add_scalar(f"training/{name}", line[name], line["step"], line["time"])
            for name, value in figures.get(run.key, {}).items():
                step, time = (log[-1]["step"], log[-1]["time"]) if log else (0, None)
                writer.add_scalar(f"audit/{name}", value, step, time)
        n_told += 1
    return n_told


def key_figures(store: Store, plan: Plan) -> dict[str, dict[str, float]]:
    """Return the means over attributes that the audits have of each run.

    Returns
    -------
    dict
        Key of a run → metric (by group: ``metric.group``) → value.
    """
    found: dict[str, dict[str, float]] = {}
    for setting in plan.settings:
        if not store.audit(setting).exists():
            continue
        table = Audit.load(store.audit(setting)).table
        found |= {run.key: flat_figures(table, run.name) for run in setting.runs}
    return found


def _settings(run: Run) -> Iterator[tuple[str, object]]:
    """Yield what a run is, flat."""
    told = run.model_dump(mode="json", exclude_defaults=True, exclude={"parent"})
    for name, value in told.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", setting) for inner, setting in value.items())
        else:
            yield name, value
    if run.parent is not None:
        yield "parent", run.parent.key
