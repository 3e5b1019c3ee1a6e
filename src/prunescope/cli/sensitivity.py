"""`prunescope sensitivity`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from prunescope.cli import models, options, output
from prunescope.cli.console import progress, result, say

if TYPE_CHECKING:
    from prunescope.sensitivity import Plan, Sensitivity


def sensitivity(
    model: models.AnyModel,
    out: options.Out = Path("sensitivity"),
    kind: Annotated[
        Literal["sparsity", "bits", "channels"],
        typer.Option(
            help="What levels are: shares of a layer's weights; bits of each of its weights; "
            "shares of its channels, with those of the layers that depend on them."
        ),
    ] = "sparsity",
    levels: Annotated[
        str | None,
        typer.Option(help="Levels, by commas, such as 0.5,0.9.", show_default="of the kind"),
    ] = None,
    pattern: Annotated[
        str,
        typer.Option(
            help="Which weights become zero: as for 'prune', with --kind sparsity.",
            rich_help_panel=models.WEIGHTS,
        ),
    ] = "unstructured",
    method: Annotated[
        Literal["one-shot", "reconstruct"],
        typer.Option(
            help="What makes a layer's weights: the smallest go, or the nearest are "
            "taken; or those that stay make up for it.",
            rich_help_panel=models.WEIGHTS,
        ),
    ] = "one-shot",
    together: Annotated[
        list[str] | None,
        typer.Option(
            help="Layers that are compressed together: a name or pattern. Repeat.",
            rich_help_panel=models.WEIGHTS,
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            help="Layers to leave out: names or patterns.", rich_help_panel=models.WEIGHTS
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="BOUND",
            help="'bytes <= SHARE' or 'macs <= SHARE' of the dense layers': writes plan.yaml, how "
            "far to compress each layer, for 'prunescope prune --plan'.",
        ),
    ] = None,
    least: Annotated[
        Literal["harm", "error"] | None,
        typer.Option(help="What --budget makes least, added up over layers.", show_default="harm"),
    ] = None,
    split: Annotated[str, typer.Option(help="Split whose samples are judged on.")] = "val",
    device: options.Device = None,
    factory: models.Factory = None,
    *,
    data: options.Data,
    min_support: options.MinSupport = 10,
    replicates: options.Replicates = 512,
    confidence: options.Confidence = 0.95,
    seed: options.Seed = 0,
    title: options.Title = None,
    as_json: options.Json = False,
) -> None:
    """Compress each layer alone, and see whom it hurts.

    Writes sensitivity.parquet, layers.parquet, together.parquet, sensitivity.json and
    sensitivity.html to the folder --out. Stopped half-way, the same command goes on.
    """
    from prunescope.errors import ConfigError
    from prunescope.report import write_sensitivity
    from prunescope.sensitivity import check_budget, layer_sensitivity, plan_layers
    from prunescope.study.stages import match_attributes, metadata_of, state_folder

    if budget is not None:
        check_budget(budget, kind)
    elif least is not None:
        raise ConfigError("--least without --budget does nothing: give both, or neither")
    asked = None if levels is None else options.numbers(levels)
    opened, _, dataset = models.open_model(model, factory, data)
    part = match_attributes(dataset.split(split), opened)
    told = metadata_of(opened, part, split, "dense")
    state = state_folder(out)
    with progress("sensitivity") as update:
        found = layer_sensitivity(
            opened.model, match_attributes(dataset, opened), kind=kind, levels=asked,
            pattern=pattern, method=method, together=together or (), ignore=ignore or (),
            budget=budget, split=split, metadata=told, seed=seed, device=device,
            state_dir=state, progress=update,
            min_support=min_support, replicates=replicates, confidence=confidence,
        )  # fmt: skip
    output.outdated(out, "sensitivity.html", "plan.yaml")
    found.save(out)
    plan = None
    if budget is not None:
        plan = plan_layers(found, budget, least=least or "harm")
        plan.save(out / "plan.yaml")
    page = write_sensitivity(found, out, plan=plan, title=title)
    shutil.rmtree(state, ignore_errors=True)  # another budget would have gone on from it
    for note in _notes(found):
        say(f"note: {note}")
    made = {
        "folder": str(out), "report": str(page), "layers": found.layers.to_dicts(),
        "cost": found.cost, "plan": None if plan is None else plan.model_dump(),
    }  # fmt: skip
    result(as_json, made, lambda: _show(found, plan, page))


def _notes(found: Sensitivity) -> list[str]:
    """Say what is not as one may expect."""
    info = found.info
    notes = [*info.warnings, *info.notes]
    if info.whole:
        notes.append(f"every pass was a whole one: {info.whole}")
    for layer, level, reason in found.left_out.rows():
        at = "" if level is None else f" at {level:g}"
        notes.append(f"{layer}{at} was not looked at: {reason}")
    return notes


def _show(found: Sensitivity, plan: Plan | None, page: Path) -> None:
    from prunescope.cli.tables import print_sensitivity

    print_sensitivity(found, plan)
    if plan is not None:
        typer.echo(f"plan: {page.with_name('plan.yaml')}, for 'prunescope prune MODEL --plan FILE'")
    typer.echo(f"\nreport: {page}")
