"""`prunescope gain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prunescope.cli import options
from prunescope.cli.console import progress, result, say
from prunescope.cli.models import Factory

if TYPE_CHECKING:
    import polars as pl

BATCHES = (1, 32)
FIGURES = {
    "n_prunable_weights": "prunable weights",
    "n_parameters": "parameters",
    "n_nonzero_parameters": "non-zero parameters",
    "macs": "MACs per image",
    "macs_effective": "MACs, zeros skipped",
    "bytes_weights": "bytes of weights",
    "bytes_zlib": "the same, zlib {level}",
    "bytes_onnx": "bytes of ONNX file",
    **{f"ms_batch_{batch}": f"ms per batch of {batch}" for batch in BATCHES},
}


def gain(
    dense: Annotated[Path, typer.Argument(metavar="DENSE", help="Folder of the dense model.")],
    pruned: Annotated[
        list[Path], typer.Argument(metavar="PRUNED...", help="Folders of compressed models.")
    ],
    threads: Annotated[int, typer.Option(help="To compute with.")] = 2,
    repeats: Annotated[int, typer.Option(help="Times to ask each model.")] = 30,
    latency: Annotated[bool, typer.Option("--latency/--no-latency", help="Time them.")] = True,
    factory: Factory = None,
    as_json: options.Json = False,
) -> None:
    """Show what compression gains in weights, work, bytes and time, beside the dense model.

    Times are of ONNX Runtime on this machine's CPU, the models in turns; of torch where the extra
    'export' is not installed.
    """
    from prunescope.models import load_checkpoint
    from prunescope.pruning import gains
    from prunescope.pruning.gain import ZLIB_LEVEL, onnx_missing

    folders = [dense, *pruned]
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    checkpoints = [load_checkpoint(folder, factory=factory) for folder in folders]
    batches = BATCHES if latency else ()
    with progress("gain") as update:
        table = gains(
            checkpoints, names,
            batches=batches, threads=threads, repeats=repeats, progress=update,
        )  # fmt: skip
    missing = onnx_missing()
    setting: dict[str, Any] = {"zlib_level": ZLIB_LEVEL}
    if latency:
        runtime = "ONNX Runtime" if missing is None else "torch"
        setting |= {"runtime": runtime, "threads": threads, "repeats": repeats}
    if missing is not None:
        instead = ", and times of torch" if latency else ""
        say(f"note: no size of an ONNX file{instead}: {missing}")
    data: dict[str, Any] = {**setting, "models": table.to_dicts()}
    result(as_json, data, lambda: _show(table, setting))


def _show(table: pl.DataFrame, setting: dict[str, Any]) -> None:
    """Print a column per model, with ratios to the dense one, and then the notes."""
    from rich.markup import escape
    from rich.table import Table

    from prunescope.cli.terminal import Terminal

    models = table.to_dicts()
    grid = Table("", title="What compression gains (× the dense model)")
    for model in models:
        grid.add_column(escape(model["model"]), justify="right")
    for name, label in FIGURES.items():
        if name in table.columns:
            cells = [_cell(model, name) for model in models]
            grid.add_row(label.format(level=setting["zlib_level"]), *cells)
    console = Terminal()
    console.print(grid)
    if "threads" in setting:
        threads = "1 thread" if setting["threads"] == 1 else f"{setting['threads']} threads"
        console.print(
            f"Times: {setting['runtime']}, {threads}, median of {setting['repeats']} rounds "
            "[quartiles]",
            markup=False,
        )
    for model in models:
        if model["note"]:
            console.print(f"{model['model']}: {model['note']}", markup=False)


def _cell(model: dict[str, Any], name: str) -> str:
    value = model[name]
    if value is None:
        return "–"
    ratio = f"×{model[f'{name}_ratio']:.3g}"
    if not name.startswith("ms_"):
        return f"{value:,} {ratio}"
    return f"{value:.2f} \\[{model[f'{name}_low']:.2f}, {model[f'{name}_high']:.2f}] {ratio}"
