"""`prunescope mitigate compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prunescope.cli import models, options, output
from prunescope.cli.bundles import Without
from prunescope.cli.console import progress, result, say

if TYPE_CHECKING:
    from prunescope.study import Models

MODELS = "Models (instead of predictions, and for measures that train)"


def compare(
    validation: Annotated[
        list[str] | None,
        typer.Option(
            "--fit",
            metavar="PRUNED DENSE",
            help="Predictions of the pruned and of the dense model, to fit measures to.",
            rich_help_panel=options.FILES,
        ),
    ] = None,
    test: options.Test = None,
    checkpoints: Annotated[
        list[str] | None,
        typer.Option(
            "--models",
            metavar="PRUNED DENSE",
            help="Folders of the two models: they answer the splits val and test, and the pruned "
            "one is trained again by measures that train.",
            rich_help_panel=MODELS,
        ),
    ] = None,
    measures: Annotated[
        str | None,
        typer.Option(
            help="By commas: prevalence, dense-rate, dense-tpr, f1, balanced-accuracy, "
            "temperature, isotonic, route-dense, route-images, route-person; for classes also "
            "macro-recall, macro-f1, and of those before prevalence, dense-rate, temperature, "
            "route-dense, route-person; with --group also "
            "group-prevalence, group-equal-tpr; with --models also finetune-none, "
            "finetune-distill, finetune-balance-labels; with both also finetune-constrain, "
            "finetune-balance-groups.",
            show_default="all that can be taken",
        ),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            "--also",
            metavar="FILE...",
            help="Test predictions of other models to set beside them, such as one that is less "
            "sparse.",
        ),
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="The group that measures by group treat apart.")
    ] = None,
    share: Annotated[float, typer.Option(help="Share of the answers that routing sends.")] = 0.05,
    score: Annotated[str, typer.Option(help="What makes an answer risky, for routing.")] = (
        "own-margin"
    ),
    macs: options.Macs = None,
    out: options.Out = Path("comparison"),
    recipe: models.RecipeName = None,
    epochs: models.Epochs = None,
    device: options.Device = None,
    factory: models.Factory = None,
    groups: options.Identity = None,
    *,
    data: Annotated[
        options.Data,
        Without("images", "size", "attributes", "groups", "cluster", "on_bad_image"),
    ],
    answers: Annotated[options.Answers, Without("about_file")],
    judging: options.Judging,
    as_json: options.Json = False,
) -> None:
    """Fit measures on a validation split, judge them on a test split, and rank them.

    Writes comparison.json, comparison.parquet and comparison.html to the folder --out, and with
    --models what the models answered and what was trained. Stopped half-way, the same command goes
    on.
    """
    from prunescope.cli.mitigate import tables
    from prunescope.errors import ConfigError
    from prunescope.mitigate import Candidate, Scene, measures_for
    from prunescope.mitigate import compare as set_beside
    from prunescope.report import write_comparison
    from prunescope.study import TRAINED, trained_for

    files = answers.of([*(validation or []), *(test or []), *(also or [])])
    choices: dict[str, Any] = {
        "share": share,
        "score": score,
        "macs": options.two_numbers("--macs", macs),
        "min_support": judging.min_support,
    }
    opened = None
    if checkpoints is not None:
        if validation or test:
            raise ConfigError("--models answer both splits themselves: leave out the predictions")
        beside = files.load(also or [])
        opened = _open(checkpoints, factory, data, recipe, epochs, out, group, device)
        scene = opened.scene(progress, **choices)
    else:
        paths = [*options.pair("--fit", validation), *options.pair("--test", test)]
        pruned_fit, dense_fit, pruned_test, dense_test, *beside = files.load(
            [*paths, *(also or ())]
        )
        scene = Scene(dense_fit, pruned_fit, dense_test, pruned_test, group=group, **choices)
    named = options.names(measures)
    if named is None:
        named = [*measures_for(scene), *(trained_for(group) if opened else [])]
    trained = [name for name in named if name in TRAINED]
    if trained and opened is None:
        raise ConfigError(f"{trained[0]} trains the pruned model: give both with --models")
    others = [] if opened is None else opened.train(trained, progress)
    others += [
        Candidate(model.name, model, "nothing but its logits", "its own", "another model")
        for model in beside
    ]
    with progress("measures") as update:
        found = set_beside(
            scene, [name for name in named if name not in TRAINED], others, progress=update,
            identity=options.names(groups), **vars(judging),
        )  # fmt: skip
    output.outdated(out, "comparison.html")
    found.save(out)
    page = write_comparison(found, out)
    for note in found.info.notes:
        say(f"note: {note}")

    def show() -> None:
        tables.print_comparison(found)
        typer.echo(f"\nreport: {page}")

    told = {**tables.comparison_data(found), "folder": str(out), "report": str(page)}
    result(as_json, told, show)


def _open(
    checkpoints: list[str],
    factory: str | None,
    data: options.Data,
    recipe: str | None,
    epochs: float | None,
    out: Path,
    group: str | None,
    device: str | None,
) -> Models:
    """Load the two models and their data."""
    from prunescope.models import load_checkpoint
    from prunescope.study import Models

    pruned_folder, dense_folder = options.pair("--models", checkpoints)
    pruned, config, dataset = models.open_model(pruned_folder, factory, data)
    return Models(
        pruned,
        load_checkpoint(dense_folder, factory=factory),
        dataset,
        models.read_recipe(recipe or models.START["dense"], epochs=epochs),
        out,
        data=config,
        group=group,
        device=device,
        names=(Path(pruned_folder).resolve().name, Path(dense_folder).resolve().name),
    )
