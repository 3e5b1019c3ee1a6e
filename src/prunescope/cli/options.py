"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from prunescope.cli import output
from prunescope.cli.console import progress
from prunescope.errors import settings_of

if TYPE_CHECKING:
    from prunescope.cli.files import Files
    from prunescope.data import DataConfig, Dataset
    from prunescope.models import Provenance

Made = TypeVar("Made")

Out = Annotated[
    Path, typer.Option("-o", "--out", help="Folder to write to.", callback=output.result)
]
ModelOut = Annotated[
    Path, typer.Option("-o", "--out", help="Folder of the model to write.", callback=output.model)
]
RUNNING = "Running"
Json = Annotated[
    bool,
    typer.Option("--json", help="Print the result as one JSON object.", rich_help_panel=RUNNING),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="cpu or cuda.", show_default="cuda where there is one", rich_help_panel=RUNNING
    ),
]

STATISTICS = "Statistics"

Clustered = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        rich_help_panel=STATISTICS,
        help="Group whose samples depend on each other: resampled as a whole.",
        show_default="the one that the files name",
    ),
]
MinSupport = Annotated[
    int, typer.Option(rich_help_panel=STATISTICS, help="Samples that an estimate needs.", min=1)
]
Replicates = Annotated[int, typer.Option(rich_help_panel=STATISTICS, help="Bootstrap replicates.")]
Confidence = Annotated[
    float, typer.Option(rich_help_panel=STATISTICS, help="Level of the intervals.")
]
Seed = Annotated[int, typer.Option(rich_help_panel=STATISTICS, help="Of all that is drawn.", min=0)]
Title = Annotated[str | None, typer.Option(help="Title of the page.")]

DATA, FILES = "Data", "Files"


@dataclass(frozen=True)
class Data:
    """A data set."""

    source: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="'synthetic'; a .csv or .parquet table; CelebA's folder; a folder with "
            "labels.csv; or a .yaml file with all options of a data set (docs/data.md).",
            show_default="the data the model was trained on, else 'synthetic'",
            rich_help_panel=DATA,
        ),
    ] = None
    images: Annotated[
        Path | None,
        typer.Option(help="Folder that the table's image paths start from.", rich_help_panel=DATA),
    ] = None
    size: Annotated[
        int | None, typer.Option(help="Side of the square images, in pixels.", rich_help_panel=DATA)
    ] = None
    attributes: Annotated[
        str | None, typer.Option(help="Columns to predict, by commas.", rich_help_panel=DATA)
    ] = None
    groups: Annotated[
        str | None, typer.Option(help="Columns that name groups, by commas.", rich_help_panel=DATA)
    ] = None
    cluster: Annotated[
        str | None,
        typer.Option(help="Column of samples that depend on each other.", rich_help_panel=DATA),
    ] = None
    on_bad_image: Annotated[
        str | None,
        typer.Option(help="'error' or 'skip' an image that is damaged.", rich_help_panel=DATA),
    ] = None

    def config(
        self, model: Provenance | None = None, known: dict[str, Any] | None = None
    ) -> DataConfig:
        """Put a data set's options together, overridden by what was given.

        Without a source, the data are those that the model was trained on; with one, they are read
        at the size and with the attributes that the model knows, or that are `known` otherwise.
        Another size undoes the way to make images that goes with it.
        """
        from prunescope.data import DataConfig

        source, given = self.source, asdict(self)
        del given["source"]
        for role in ("attributes", "groups"):
            given[role] = names(given[role])
        values: dict[str, Any] = {}
        known = known or {}
        if model is not None and source is not None:
            spec = model.model
            known = {"size": spec.image_size, "frame": spec.frame}
            if spec.task == "multilabel":
                known["attributes"] = spec.attributes
        if source is None:
            values = model.data.model_dump(exclude_unset=True) if model and model.data else {}
        elif source.endswith((".yaml", ".yml")):
            values = read_yaml(Path(source), "a data set's options")
            _start_paths_at(Path(source).parent, values)
        else:
            values = {"source": source}
        _start_paths_at(Path(), values)
        for more in (values, {name: value for name, value in given.items() if value is not None}):
            if more.get("size", known.get("size")) != known.get("size"):
                known.pop("frame", None)
            known = known | more
        with settings_of("data options"):
            return DataConfig(**known)


@dataclass(frozen=True)
class Answers:
    """How to read files of predictions."""

    scores: Annotated[
        Literal["logits", "probability"],
        typer.Option(
            help="What the columns logit__* hold, of files that --model does not tell it of.",
            rich_help_panel=FILES,
        ),
    ] = "logits"
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="NEW=OLD",
            help="A column has another name: id=filename, or 'logit__*=*_score' for many. "
            "Repeat for several.",
            rich_help_panel=FILES,
        ),
    ] = None
    about: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="FILE:KEY=VALUE,...",
            help="What a file does not tell, or not rightly: its model's name, method, sparsity, "
            "seed, and scores (logits, probability). Repeat for several.",
            rich_help_panel=FILES,
        ),
    ] = None
    about_file: Annotated[
        Path | None,
        typer.Option(
            "--models",
            metavar="YAML",
            help="The same for many: file: {name: ..., sparsity: ...}, seen from the YAML's "
            "folder.",
            rich_help_panel=FILES,
        ),
    ] = None
    thresholds: Annotated[
        Path | None,
        typer.Option(
            help="Above which score an answer is yes, per attribute (and model): .json, .yaml or "
            ".csv; or what 'mitigate thresholds' wrote.",
            show_default="logit 0",
            rich_help_panel=FILES,
        ),
    ] = None

    def of(self, sources: Sequence[str], about: Sequence[str] | None = None) -> Files:
        """Read what is told of the files `sources`, or what `about` tells instead."""
        from prunescope.cli.files import Files
        from prunescope.predictions import read_about, read_mapping

        told = read_about(about or self.about or (), self.about_file, sources)
        return Files(self.scores, read_mapping(self.mapping or ()), self.thresholds, told)


@dataclass(frozen=True)
class Judging:
    """How what measures do is judged, as `prunescope.mitigate.judge` takes it."""

    cluster: Clustered = None
    min_support: MinSupport = 10
    replicates: Replicates = 1000
    confidence: Confidence = 0.95
    seed: Seed = 0


TrainLabels = Annotated[
    Path | None,
    typer.Option(
        help="Predictions or labels of the training split, for its rates.",
        rich_help_panel=FILES,
    ),
]
Identity = Annotated[
    str | None,
    typer.Option("--groups", help="Groups to slice by, by commas.", show_default="every group"),
]
Test = Annotated[
    list[str] | None,
    typer.Option(
        "--test",
        metavar="PRUNED DENSE",
        help="Predictions of the pruned and of the dense model on a test split, to judge by.",
        rich_help_panel=FILES,
    ),
]
Macs = Annotated[
    str | None,
    typer.Option(
        metavar="DENSE,PRUNED",
        help="Multiplications for a sample, as 'prunescope gain' prints them.",
    ),
]


def names(text: str | None) -> list[str] | None:
    """Split a list of names at its commas.

    Examples
    --------
    >>> names("Male, Young")
    ['Male', 'Young']
    """
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def pair(option: str, paths: Sequence[str] | None) -> tuple[str, str]:
    """Return the two files or folders that an option takes: the pruned model's, the dense one's."""
    from prunescope.errors import ConfigError

    given = paths or ()
    if len(given) != 2:
        raise ConfigError(
            f"{option} takes two paths, the pruned model's and the dense one's: got {len(given)}"
        )
    return given[0], given[1]


def numbers(text: str) -> list[float]:
    """Read a list of numbers, such as sparsities, at its commas.

    Examples
    --------
    >>> numbers("0.8, 0.9")
    [0.8, 0.9]
    """
    from prunescope.errors import ConfigError

    try:
        return [float(part) for part in names(text) or []]
    except ValueError as error:
        raise ConfigError(f"{text}: expected numbers by commas, such as 0.8,0.9") from error


def two_numbers(option: str, text: str | None) -> tuple[float, float] | None:
    """Read two positive numbers with a comma between."""
    from prunescope.errors import ConfigError

    found = () if text is None else numbers(text)
    if text is not None and (len(found) != 2 or min(found) <= 0):
        raise ConfigError(f"{option} {text}: expected 2 positive numbers with a comma between")
    return (found[0], found[1]) if found else None


def settings(made: Callable[..., Made], **given: Any) -> Made | None:  # noqa: ANN401 - its fields
    """Make settings of what was given, the rest by default; None if nothing was.

    Examples
    --------
    >>> settings(dict, weight=0.5, temperature=None), settings(dict, weight=None)
    ({'weight': 0.5}, None)
    """
    told = {name: value for name, value in given.items() if value is not None}
    return made(**told) if told else None


def read_yaml(path: Path, what: str) -> dict[str, Any]:
    """Read a YAML file of settings."""
    from prunescope.errors import ConfigError
    from prunescope.inputs import parse_yaml, read_text

    try:
        _, values = parse_yaml(read_text(path))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; expected {what} as YAML") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected {what} as lines of 'name: value'")
    return values


def load(config: DataConfig) -> Dataset:
    """Load a data set, with a progress bar."""
    from prunescope.data import load_dataset

    with progress("images") as update:
        return load_dataset(config, update)


def _start_paths_at(folder: Path, values: dict[str, Any]) -> None:
    """Make the paths of a data set absolute, so that a model finds its data from anywhere."""
    for name in ("source", "images"):
        if isinstance(values.get(name), str | Path) and values[name] != "synthetic":
            values[name] = str((folder / Path(values[name]).expanduser()).absolute())
