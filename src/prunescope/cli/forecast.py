"""`prunescope forecast` and `prunescope forecast score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from prunescope.cli import models, options, output
from prunescope.cli.bundles import Without
from prunescope.cli.console import progress, result, say

MODEL = "Model (tiers B and C)"
CALIBRATION = "Calibration"


def forecast(
    dense: Annotated[str, typer.Argument(metavar="DENSE", help="Predictions of the dense model.")],
    sparsity: Annotated[
        float, typer.Option(help="Share of the weights that pruning will remove, in (0, 1).")
    ] = 0.9,
    out: options.Out = Path("forecast"),
    tier: Annotated[
        Literal["A", "B", "C"] | None,
        typer.Option(
            help="What to use: A the predictions, B the model too, C a short training as well.",
            show_default="B with --model, else A",
        ),
    ] = None,
    scorer: Annotated[
        str | None,
        typer.Option(
            help="A: margin, band, temperature, prior-shrink, group-prior, spectral-shrink. B: "
            "augmentation, weight-noise, random-pruning, one-shot, reconstruction, ensemble. C: "
            "probe.",
            show_default="spectral-shrink, ensemble or probe",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL|FILE:KEY=VALUE,...",
            help="The model that made the predictions: its folder, or hf:NAME_OR_FOLDER or "
            "module:factory with --data. Or what a file does not tell, as for 'audit'.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    factory: Annotated[
        str | None,
        typer.Option(
            help="module:factory that made the model in the folder.", rich_help_panel=MODEL
        ),
    ] = None,
    recipe: models.RecipeName = None,
    device: options.Device = None,
    validation: Annotated[
        str | None,
        typer.Option(
            help="Predictions of the dense model on a labelled validation split.",
            rich_help_panel=CALIBRATION,
        ),
    ] = None,
    pruned_validation: Annotated[
        list[str] | None,
        typer.Option(
            "--pruned-validation",
            metavar="FILE...",
            help="Those of one or more pruned models: probabilities are calibrated on their flips.",
            rich_help_panel=CALIBRATION,
        ),
    ] = None,
    train_labels: options.TrainLabels = None,
    groups: options.Identity = None,
    min_support: options.MinSupport = 10,
    review: Annotated[
        int, typer.Option(help="Answers to list in review.csv, the riskiest first.", min=0)
    ] = 1000,
    seed: options.Seed = 0,
    title: options.Title = None,
    *,
    data: Annotated[options.Data, Without("size", "attributes", "groups", "cluster")],
    answers: Annotated[options.Answers, Without("about")],
    as_json: options.Json = False,
) -> None:
    """Tell what pruning would break, from the dense model alone.

    Writes forecast.parquet (a row per sample and attribute), attributes.parquet, forecast.json,
    review.csv and forecast.html to the folder --out.
    """
    from prunescope.cli.tables import forecast_data, print_forecast
    from prunescope.forecast import forecast as foresee
    from prunescope.predictions import train_rates_from
    from prunescope.report import write_forecast

    about, checkpoint = models.parted(model or ())
    paths = [dense, *([validation] if validation else []), *(pruned_validation or [])]
    files = answers.of(paths, about)
    loaded = files.load(paths)
    rates = None if train_labels is None else train_rates_from(train_labels, files.columns, ())
    opened = dataset = None
    if checkpoint is not None:
        opened, _, dataset = models.open_model(checkpoint, factory, data)
    elif data.source is not None:
        dataset = options.load(data.config())
    with progress("forecast") as update:
        found = foresee(
            loaded[0],
            sparsity=sparsity,
            scorer=scorer,
            tier=tier,
            model=None if opened is None else opened.model,
            dataset=None if opened is None else dataset,
            recipe=None if recipe is None else models.read_recipe(recipe),
            identity=options.names(groups),
            train_rates=rates,
            validation=loaded[1] if validation else None,
            pruned_validation=loaded[1 + bool(validation) :],
            min_support=min_support,
            seed=seed,
            device=device,
            progress=update,
        )
    output.outdated(out, "review.csv", "forecast.html")
    found.save(out)
    if review:
        found.save_review(out / "review.csv", review)
    page = write_forecast(found, out, title=title, dataset=dataset)
    for text in (*found.info.warnings, *found.info.notes):
        say(f"note: {text}")

    def show() -> None:
        print_forecast(found)
        typer.echo(f"\nreport: {page}")

    result(as_json, {**forecast_data(found), "folder": str(out), "report": str(page)}, show)


def score(
    folder: Annotated[Path, typer.Argument(metavar="FORECAST", help="Folder of a forecast.")],
    against: Annotated[
        list[str],
        typer.Option("--against", metavar="FILE...", help="Predictions of pruned models."),
    ],
    dense_seeds: Annotated[
        list[str] | None,
        typer.Option(
            "--dense-seeds",
            metavar="FILE...",
            help="Predictions of dense models of other seeds: the churn.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder to write to.", show_default="FORECAST/score"),
    ] = None,
    cluster: options.Clustered = None,
    replicates: options.Replicates = 1000,
    confidence: options.Confidence = 0.95,
    seed: options.Seed = 0,
    title: options.Title = None,
    *,
    answers: options.Answers,
    as_json: options.Json = False,
) -> None:
    """Judge a forecast by what pruning did.

    Writes score.parquet, levels.parquet, reliability.parquet, routing.parquet, score.json and
    score.html to the folder --out.
    """
    from prunescope.cli.tables import print_score, score_data
    from prunescope.forecast import Forecast
    from prunescope.forecast import score as judge
    from prunescope.report import write_score

    found = Forecast.load(folder)
    target = out or folder / "score"
    output.result(target)
    paths = [*against, *(dense_seeds or [])]
    loaded = answers.of(paths).load(paths)
    with progress("score") as update:
        judged = judge(
            found,
            loaded[: len(against)],
            dense_seeds=loaded[len(against) :],
            cluster=cluster,
            replicates=replicates,
            confidence=confidence,
            seed=seed,
            progress=update,
        )
    output.outdated(target, "score.html")
    judged.save(target)
    page = write_score(judged, target, title=title)
    for text in judged.info.notes:
        say(f"note: {text}")

    def show() -> None:
        print_score(judged)
        typer.echo(f"\nreport: {page}")

    result(as_json, {**score_data(judged), "folder": str(target), "report": str(page)}, show)
