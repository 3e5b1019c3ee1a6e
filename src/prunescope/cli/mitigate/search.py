"""`prunescope mitigate search`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prunescope.cli import models, options
from prunescope.cli.console import progress, result


def search(
    dense: models.AnyModel,
    budget: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BOUND",
            help="METRIC[WHERE] <= NUMBER, or >=; a number with a sign bounds the change from "
            "dense: 'accuracy >= -0.005', 'bias_amplification[Male] <= +0.02'. Repeat for several.",
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            help="Instead of --budget: a file of 'prunescope policy init'.",
            show_default="as shipped",
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="A method of 'prunescope prune'. Repeat for several.", show_default="gmp-pt"
        ),
    ] = None,
    sparsities: Annotated[
        str, typer.Option(help="Candidates, by commas.")
    ] = "0.5,0.6,0.7,0.8,0.85,0.9,0.925,0.95,0.97,0.98,0.99,0.995",
    warm: Annotated[
        bool,
        typer.Option(
            "--warm",
            help="Prune each candidate from the one below it, upwards until one does not hold.",
        ),
    ] = False,
    out: options.Out = Path("search"),
    replicates: Annotated[
        int, typer.Option(help="Bootstrap replicates.", rich_help_panel=options.STATISTICS)
    ] = 1000,
    confidence: Annotated[
        float, typer.Option(help="Level of the intervals.", rich_help_panel=options.STATISTICS)
    ] = 0.95,
    min_support: Annotated[
        int,
        typer.Option(help="Samples that an estimate needs.", rich_help_panel=options.STATISTICS),
    ] = 10,
    device: options.Device = None,
    factory: models.Factory = None,
    *,
    training: models.Training,
    data: options.Data,
    as_json: options.Json = False,
) -> None:
    """Prune as far as a budget, or a policy, allows.

    Candidates are pruned, a few only, and judged on the split 'val': one holds if the answer is
    ship, or ship with care. The choice is confirmed on the split 'test'. Exits with 0 if it is,
    with 1 if it is not or nothing holds. Stopped half-way, the same command goes on.
    """
    from prunescope.cli.mitigate.tables import print_search, search_data
    from prunescope.errors import ConfigError
    from prunescope.study import SearchPlan, chosen_model, run_search
    from prunescope.verdict import Policy, shipped

    if budget and policy is not None:
        raise ConfigError("--budget and --policy both say what is allowed: name one of them")
    allowed = shipped()
    if budget:
        allowed = Policy.of(budget)
    elif policy is not None:
        allowed = Policy.load(policy)
    candidates = options.numbers(sparsities)
    recipes = {name: training.of(name) for name in method or ["gmp-pt"]}
    model, config, dataset = models.open_model(dense, factory, data)
    plan = SearchPlan(
        policy=allowed,
        recipes=recipes,
        sparsities=candidates,
        warm=warm,
        seed=training.seed,
        data=config,
        device=device,
        audit={"replicates": replicates, "confidence": confidence, "min_support": min_support},
    )
    found = run_search(model, dataset, plan, out, show=progress)
    chosen = chosen_model(found, out)

    def show() -> None:
        print_search(found)
        if chosen is not None:
            typer.echo(f"model: {chosen}")

    result(as_json, {**search_data(found), "folder": str(out), "model": chosen}, show)
    if not found.confirmed:
        raise typer.Exit(1)
