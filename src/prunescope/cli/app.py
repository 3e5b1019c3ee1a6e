"""The program `prunescope`: its commands, and how errors reach a person."""

from __future__ import annotations

import shutil
import sys
import traceback
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer

from prunescope.cli import (
    audit,
    data,
    demo,
    explain,
    export,
    forecast,
    gain,
    gate,
    models,
    power,
    predict,
    quantize,
    samples,
    sensitivity,
    slices,
    study,
    view,
)
from prunescope.cli.arguments import arguments
from prunescope.cli.bundles import unbundled
from prunescope.cli.console import flushed, plain_warnings, say
from prunescope.cli.mitigate import compare, finetune, route, search, thresholds
from prunescope.cli.output import places
from prunescope.cli.start import STOPPED, TOLD_WHEN_STOPPED
from prunescope.cli.streams import any_console
from prunescope.errors import PrunescopeError

NOT_PASSED = 1
"""Exit code of a gate, or of another check, that is not passed: of nothing else."""

BAD_INPUT = 2
"""Exit code of bad usage or data."""

FAULT = 3
"""Exit code of a command that ended by a fault of the program."""

NARROW = 60
"""Columns of a terminal below which help is plain text: in a table it would be cut off."""

app = typer.Typer(
    name="prunescope",
    help="Prune vision classifiers and see what pruning did that accuracy hides.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS: dict[str, dict[str, Callable[..., None]]] = {
    "Start here": {"demo": demo.demo},
    "Judge": {
        "audit": audit.audit,
        "report": audit.report,
        "gate": gate.gate,
        "policy init": gate.init,
        "policy power": power.power,
    },
    "Look closer": {
        "view": view.view,
        "review export": view.export,
        "explain": explain.explain,
        "slices": slices.slices,
        "groups": slices.groups,
        "sensitivity": sensitivity.sensitivity,
        "samples": samples.samples,
    },
    "Foretell": {"forecast": forecast.forecast, "forecast score": forecast.score},
    "Mend": {
        "mitigate thresholds": thresholds.thresholds,
        "mitigate route": route.route,
        "mitigate compare": compare.compare,
        "mitigate search": search.search,
        "mitigate finetune": finetune.finetune,
    },
    "Make models": {
        "train": models.train,
        "prune": models.prune,
        "quantize": quantize.quantize,
        "predict": predict.predict,
        "export": export.export,
        "gain": gain.gain,
    },
    "Data": {"data info": data.info, "data make": data.make},
    "Study": {
        "study init": study.init,
        "study plan": study.plan,
        "study run": study.run,
        "study status": study.status,
        "study track": study.track,
        "study report": study.report,
    },
}
"""Panel of the help → what a person types → what it calls."""

NAMES = frozenset(name for commands in COMMANDS.values() for name in commands)
"""What a person can type."""

for panel, commands in COMMANDS.items():
    for name, command in commands.items():
        app.command(name, rich_help_panel=panel)(unbundled(command))


def _version(asked: bool) -> None:
    if asked:
        from prunescope import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Prune vision classifiers and see what pruning did that accuracy hides."""


def run() -> NoReturn:
    """Run the command line and exit."""
    with any_console():
        app.rich_markup_mode = "rich" if shutil.get_terminal_size().columns >= NARROW else None
        _run()


def _run() -> NoReturn:
    """Run the command line, and leave by `SystemExit`."""
    try:
        with plain_warnings(), flushed(), places():
            app(args=arguments(sys.argv[1:], NAMES))
            sys.exit()
    except SystemExit as ended:
        if ended.code == STOPPED:
            say(TOLD_WHEN_STOPPED)
        if ended.code == NOT_PASSED and not isinstance(ended.__context__, typer.Exit):
            sys.exit(FAULT)  # not said by a command: input ended, say
        raise
    except (PrunescopeError, OSError) as error:
        say(f"error: {error}")
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        raise
    except BaseException:  # also what libraries written in Rust raise
        say(traceback.format_exc())
        say(
            "this is a fault of prunescope, not of your data: please report it with the lines above"
        )
        sys.exit(FAULT)
