"""`prunescope mitigate finetune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prunescope.cli import models, options
from prunescope.cli.console import progress, say
from prunescope.cli.made import report_model

CONSTRAIN, DISTILL = "Constrain", "Distill"


def finetune(
    pruned: models.CheckpointFolder,
    measure: Annotated[
        str,
        typer.Option(
            help="none (the control), distill, constrain, balance-groups or balance-labels."
        ),
    ],
    dense: Annotated[
        Path | None,
        typer.Option(help="Model that it was pruned from, for distill and constrain."),
    ] = None,
    out: options.ModelOut = Path("finetuned"),
    group: Annotated[
        list[str] | None,
        typer.Option(help="Group for constrain and balance-groups. Repeat for several."),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="Accuracy that a group may lose beyond the average.",
            show_default="0.01",
            rich_help_panel=CONSTRAIN,
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            help="How fast multipliers follow violations.",
            show_default="0.5",
            rich_help_panel=CONSTRAIN,
        ),
    ] = None,
    buffer: Annotated[
        int | None,
        typer.Option(
            help="Outcomes over which a group's accuracy is taken.",
            show_default="512",
            rich_help_panel=CONSTRAIN,
        ),
    ] = None,
    min_support: Annotated[
        int | None,
        typer.Option(
            help="Labels below which a group has no constraint.",
            show_default="30",
            rich_help_panel=CONSTRAIN,
        ),
    ] = None,
    weight: Annotated[
        float | None,
        typer.Option(
            help="Share of the loss that the dense model's answers give, in [0, 1].",
            show_default="0.5",
            rich_help_panel=DISTILL,
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="By which logits are divided.", show_default="2", rich_help_panel=DISTILL
        ),
    ] = None,
    max_ratio: Annotated[
        float | None,
        typer.Option(
            help="For balance-labels: how much more a rare label counts at most.", show_default="2"
        ),
    ] = None,
    device: options.Device = None,
    factory: models.Factory = None,
    *,
    training: models.Training,
    data: options.Data,
    as_json: options.Json = False,
) -> None:
    """Train a pruned model again with another aim; its masks stay as they are.

    What a measure is worth is its difference from --measure none at the same recipe. Stopped
    half-way, the same command takes the training up again.
    """
    from prunescope.errors import settings_of
    from prunescope.mitigate.finetune import Constraint
    from prunescope.models import load_checkpoint
    from prunescope.study import finetune_model, note_steps
    from prunescope.training import Distill

    parent, config, dataset = models.open_model(str(pruned), factory, data)
    with settings_of("constraint"):
        constraint = options.settings(
            Constraint, tolerance=tolerance, rate=rate, buffer=buffer, min_support=min_support
        )
    with settings_of("distillation"):
        distillation = options.settings(Distill, weight=weight, temperature=temperature)
    with progress("finetune") as update:
        made, notes = finetune_model(
            parent, None if dense is None else load_checkpoint(dense, factory=factory),
            dataset.split("train"), measure, out,
            recipe=training.read(models.START["dense"]), data=config,
            device=device, on_step=note_steps(update), groups=group or (), constraint=constraint,
            distillation=distillation, max_ratio=max_ratio,
        )  # fmt: skip
    for note in notes:
        say(f"note: {note}")
    report_model(as_json, out, made, notes=list(notes))
