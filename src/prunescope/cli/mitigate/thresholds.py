"""`prunescope mitigate thresholds`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prunescope.cli import options, output
from prunescope.cli.bundles import Without
from prunescope.cli.console import result


def thresholds(
    pruned: Annotated[
        list[str],
        typer.Argument(metavar="PRUNED...", help="Predictions of pruned models, validation split."),
    ],
    criterion: Annotated[
        str | None,
        typer.Option(
            help="prevalence, dense-rate, dense-tpr, f1, balanced-accuracy; with --group also "
            "equal-tpr, equal-balanced-accuracy. For classes: prevalence, dense-rate, "
            "macro-recall, macro-f1."
        ),
    ] = None,
    calibrate: Annotated[
        str | None,
        typer.Option(
            help="temperature or isotonic: logits become log-odds. For classes: temperature."
        ),
    ] = None,
    dense: Annotated[
        str | None, typer.Option(help="Predictions of the dense model on the same split.")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="Give each value of this group its own thresholds or offsets: it must then be "
            "known of each sample that is answered."
        ),
    ] = None,
    floor: Annotated[
        list[str] | None,
        typer.Option(
            help="What no threshold or offset may lead to less of: 'tpr >= 0.8', or "
            "'tpr >= -0.02' for a change. For classes also 'macro_recall', 'top1_accuracy'.",
            show_default="with --group 'balanced_accuracy >= -0'; for classes 'macro_recall >= -0'",
        ),
    ] = None,
    test: options.Test = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="File to write.", callback=output.file)
    ] = Path("adjustments.json"),
    *,
    answers: Annotated[options.Answers, Without("thresholds")],
    judging: options.Judging,
    as_json: options.Json = False,
) -> None:
    """Choose thresholds, or calibrate, on a validation split: a file for `audit --thresholds`.

    A model of classes gets offsets, which are added to the logits of its classes.

    With --test, tells what that does to data that fitted nothing.
    """
    from prunescope.cli.mitigate import tables
    from prunescope.errors import ConfigError
    from prunescope.mitigate import Candidate, fit_adjustment, judge
    from prunescope.mitigate.splits import check_apart, side_by_side
    from prunescope.predictions import Adjustments

    files = answers.of([*pruned, *([dense] if dense else []), *(test or [])])
    beside = None if dense is None else files.load([dense])[0]
    models = {model.name: model for model in files.load(pruned)}
    if len(models) < len(pruned):
        raise ConfigError("two of the models have one name: expected a name of its own for each")
    fitted = [
        fit_adjustment(
            model, criterion=criterion, calibration=calibrate, dense=beside, group=group,
            floors=floor, min_support=judging.min_support,
        )
        for model in models.values()
    ]  # fmt: skip
    judged = []
    if test is not None:
        tested, dense_test = files.load(options.pair("--test", test))
        if tested.name not in models:
            raise ConfigError(f"--test: {tested.name!r} is none of the models that were fitted")
        tested, dense_test = side_by_side(check_apart(models[tested.name], tested), dense_test)
        mine = next(one for one in fitted if one.model == tested.name)
        candidate = Candidate("adjusted", mine.apply(tested), mine.adjustment.needs, "nothing")
        judged.append(judge(dense_test, tested, [candidate], **vars(judging)))
    Adjustments(adjustments={one.model: one.adjustment for one in fitted}).save(out)

    def show() -> None:
        for one in fitted:
            tables.print_adjustment(one)
        for effects in judged:
            tables.print_comparison(effects)
        typer.echo(f"\napply it: prunescope audit ... --thresholds {out}")

    data = {
        "file": str(out),
        "adjustments": {one.model: one.adjustment.model_dump(mode="json") for one in fitted},
        "thresholds": {one.model: one.table.to_dicts() for one in fitted},
        "effects": [tables.comparison_data(one) for one in judged],
    }
    result(as_json, data, show)
