"""An evaluator for MLflow: audits compressed models whose answers stand in one table.

MLflow finds it by its entry point, so that ``evaluators="prunescope"`` is enough::

    mlflow.models.evaluate(
        data=table, targets="smiling", predictions="int8", model_type="classifier",
        evaluators="prunescope",
        evaluator_config={"dense": "fp32", "groups": ["sex"], "scores": "probability"},
    )
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from prunescope.errors import ConfigError, DataError, MissingExtraError, one_of

try:
    from mlflow import MlflowClient
    from mlflow.entities import Metric
    from mlflow.models.evaluation.base import EvaluationResult, ModelEvaluator
except ImportError as error:
    raise MissingExtraError("evaluating by MLflow", "mlflow") from error

if TYPE_CHECKING:
    import pandas as pd

    from prunescope.audit import Audit
    from prunescope.verdict import Policy, Verdict

__all__ = ["AuditEvaluator"]

FOLDER = "prunescope"
"""Where a run's artifacts lie: what ``prunescope audit -o`` writes."""

VERDICT = "prunescope.verdict"
"""The tag of a run that tells the verdict."""


class AuditEvaluator(ModelEvaluator):
    """Compares compressed models with the dense one, by columns of a table with a row per image.

    It answers where ``evaluator_config`` has ``dense``, so that evaluations of other things are
    left alone. A *column* below is a name, or a pattern such as ``"int8_*"``, where the star stands
    for each attribute or class.

    Its metrics are the audit's over all attributes: ``int8/accuracy``, ``int8/change/accuracy``
    from dense, ``int8/bias_amplification.sex``, ``dense/accuracy``, and ``int8/passed``, which is 1
    where the model may be shipped. The audit with its report is an artifact, the verdict a tag.

    The keys of ``evaluator_config``:

    dense : column
        Scores of the dense model.
    compressed : column, or dict of str to column
        Scores of the compressed ones by name; default: the column named by ``predictions``.
    labels : column
        What is true; default: the one named by ``targets``. One column beside several of scores
        holds classes.
    groups : sequence of str
        Columns to slice by.
    ids : str
        Column; default: the index, where it names rows.
    scores : {"logits", "probability"}
    policy : path or Policy
        What a model has to keep to be shipped; default: the shipped one.
    any other
        A setting of `prunescope.audit`, such as ``replicates``.

    Examples
    --------
    >>> AuditEvaluator.can_evaluate(model_type="classifier", evaluator_config={"dense": "fp32"})
    True
    """

    @classmethod
    def can_evaluate(
        cls,
        *,
        model_type: str | None,
        evaluator_config: Mapping[str, Any] | None,
        **_: object,
    ) -> bool:
        """Tell whether an evaluation is about a dense model."""
        return "dense" in (evaluator_config or {})

    def evaluate(
        self,
        *,
        model_type: str | None,
        dataset: Any,  # noqa: ANN401 - MLflow's
        run_id: str,
        evaluator_config: Mapping[str, Any],
        model: object | None = None,
        **_: object,
    ) -> EvaluationResult:
        """Audit, and log to the run.

        Raises
        ------
        ConfigError
            A model is given instead of its answers, or a key makes no sense.
        DataError
            The data are no table, or lack a column.
        """
        from prunescope.verdict import Policy, shipped

        if model is not None:
            raise ConfigError(
                "prunescope evaluates a table with the answers of all models: leave model out, and "
                "name the columns by predictions, or by 'compressed' in evaluator_config"
            )
        settings = dict(evaluator_config)
        asked = settings.pop("policy", None)
        policy = asked if isinstance(asked, Policy) else asked and Policy.load(asked)
        found = _audit(_table(dataset), dataset, settings)
        policy = policy or shipped()
        verdict = policy.judge(found)
        metrics = _metrics(found, verdict)
        client, now = MlflowClient(), int(1000 * time.time())
        client.log_batch(run_id, [Metric(name, value, now, 0) for name, value in metrics.items()])
        client.set_tag(run_id, VERDICT, verdict.text)
        artifacts = {"report": _log_report(client, run_id, found, policy)}
        return EvaluationResult(metrics, artifacts, run_id)  # type: ignore[no-untyped-call]


def _table(dataset: Any) -> pd.DataFrame:  # noqa: ANN401 - MLflow's
    """Return the whole table that was given, of which MLflow took columns out."""
    import pandas as pd

    features = dataset.features_data
    if not isinstance(features, pd.DataFrame):
        raise DataError(
            f"the data are {type(features).__name__}: expected a table (pandas) with a row per "
            "image, and columns of labels, scores and groups"
        )
    taken = {}
    if dataset.has_targets:
        taken[dataset.targets_name] = dataset.labels_data
    if dataset.has_predictions:
        taken[dataset.predictions_name] = dataset.predictions_data
    return features.assign(**taken)


def _audit(table: pd.DataFrame, dataset: Any, config: dict[str, Any]) -> Audit:  # noqa: ANN401
    """Audit the columns that a configuration names; what is left of it are settings."""
    from prunescope.audit import audit

    labels = config.pop("labels", dataset.targets_name if dataset.has_targets else None)
    if labels is None:
        raise ConfigError("what is true is not told: expected targets, or 'labels' in the config")
    compressed = config.pop("compressed", None)
    if compressed is None and not dataset.has_predictions:
        raise ConfigError(
            "no compressed model is told: expected predictions, or 'compressed' in the config"
        )
    if compressed is None:
        compressed = {dataset.predictions_name: dataset.predictions_name}
    elif not isinstance(compressed, Mapping):
        compressed = {"compressed": compressed}
    for name in compressed:
        if re.fullmatch(r"[\w. -]+", name) is None:
            raise ConfigError(
                f"a compressed model is called {name!r}: expected letters, digits, spaces, _, - "
                "and ., as names of metrics in MLflow begin with it; 'compressed' may be {name: "
                "column}"
            )
    truth, dense = _columns(table, labels), _columns(table, config.pop("dense"))
    if len(truth) == 1 < len(dense):
        about = {"labels": table[labels], "classes": list(dense)}
    else:
        about = {"labels": table[[*truth.values()]].set_axis([*truth], axis=1)}
    groups, ids = config.pop("groups", ()), config.pop("ids", None)
    if isinstance(groups, str):
        raise ConfigError(f"groups is {groups!r}: expected a list of columns, such as [{groups!r}]")

    def scores(columns: dict[str, str]) -> pd.DataFrame:
        alone = len(columns) == len(truth) == 1  # a name of its own says nothing
        return table[[*columns.values()]].set_axis([*(truth if alone else columns)], axis=1)

    return audit(
        scores(dense),
        {name: scores(_columns(table, one)) for name, one in compressed.items()},
        **about,
        groups={name: table[_known(table, name)] for name in groups},
        ids=None if ids is None else table[_known(table, ids)],
        **config,
    )


def _columns(table: pd.DataFrame, asked: object) -> dict[str, str]:
    """Return the columns that are meant, by the attribute or class that each is about."""
    from prunescope.predictions.columns import star

    if not isinstance(asked, str) or asked.count("*") > 1:
        raise ConfigError(
            f"column {asked!r}: expected the name of one, or a pattern for several, int8_*"
        )
    if "*" not in asked:
        return {asked: _known(table, asked)}
    found = {part: name for name in map(str, table) if (part := star(name, asked))}
    if not found:
        raise DataError(one_of("columns", asked, map(str, table)))
    return found


def _known(table: pd.DataFrame, name: str) -> str:
    if name not in table:
        raise DataError(one_of("column", name, map(str, table)))
    return name


def _metrics(found: Audit, verdict: Verdict) -> dict[str, float]:
    from prunescope.audit.flat import flat_figures

    metrics: dict[str, float] = {}
    for model in found.info.models:
        name, table = model.name, found.table
        told = {f"{name}/{metric}": value for metric, value in flat_figures(table, name).items()}
        if model.baseline is not None:
            changes = flat_figures(table, name, "delta")
            told |= {f"{name}/change/{metric}": value for metric, value in changes.items()}
            told[f"{name}/passed"] = float(verdict.of(name).passed)
        metrics |= told
    return metrics


def _log_report(client: MlflowClient, run_id: str, found: Audit, policy: Policy) -> object:
    """Log the audit and its report as artifacts, and return the page as MLflow has it."""
    from mlflow.models.evaluation.artifacts import TextEvaluationArtifact

    from prunescope.report import build, write_report

    with TemporaryDirectory() as folder:
        found.save(folder)
        [page] = write_report(build(found, policy=policy), folder)
        client.log_artifacts(run_id, folder, FOLDER)
        text = Path(page).read_text(encoding="utf-8")
    uri = client.get_run(run_id).info.artifact_uri
    where = f"{uri}/{FOLDER}/{page.name}"
    return TextEvaluationArtifact(where, text)  # type: ignore[no-untyped-call]
