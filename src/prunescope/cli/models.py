"""`prunescope train` and `prune`, and what commands about models share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prunescope.cli import options
from prunescope.cli.console import progress
from prunescope.cli.made import report_model

if TYPE_CHECKING:
    from prunescope.data import DataConfig, Dataset
    from prunescope.models import Checkpoint
    from prunescope.training import Recipe

RECIPE, WEIGHTS = "Recipe", "How the method prunes"
START = {"random": "small", "dense": "small-pt"}
"""The recipe to train by unless told otherwise, by what the training starts from."""

RecipeName = Annotated[
    str | None,
    typer.Option("--recipe", help="A recipe's name, or a .yaml file.", rich_help_panel=RECIPE),
]
Epochs = Annotated[
    float | None, typer.Option(help="Passes over the training data.", rich_help_panel=RECIPE)
]


@dataclass(frozen=True)
class Training:
    """How to train."""

    recipe: RecipeName = None
    epochs: Epochs = None
    seed: Annotated[
        int | None, typer.Option(help="Seed of weights and of the order.", rich_help_panel=RECIPE)
    ] = None

    def read(self, default: str) -> Recipe:
        """Read the recipe that is named, or the one by default, with what was given."""
        return read_recipe(self.recipe or default, epochs=self.epochs, seed=self.seed)

    def of(self, method: str) -> Recipe | None:
        """Return the recipe that a method prunes by: the one named, or its own; None: none."""
        from prunescope.errors import ConfigError, one_of
        from prunescope.pruning import METHODS

        if method not in METHODS:
            raise ConfigError(one_of("method", method, METHODS))
        if not (self.recipe or self.epochs is not None or METHODS[method].recipe):
            return None
        return self.read(START[METHODS[method].starts_from])


Factory = Annotated[
    str | None,
    typer.Option(
        help="module:factory, for a model made by one: it is imported and called.",
        rich_help_panel=options.RUNNING,
    ),
]
CheckpointFolder = Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Folder of a model.")]
AnyModel = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Folder of a model; or hf:NAME_OR_FOLDER or module:factory, with --data, for one that "
        "was trained elsewhere.",
    ),
]


def train(
    out: options.ModelOut = Path("dense"),
    arch: Annotated[
        str,
        typer.Option(
            help="An architecture, with the side it sees images at if you like (resnet18@64); "
            "hf:NAME_OR_FOLDER, or module:factory."
        ),
    ] = "resnet_small",
    device: options.Device = None,
    *,
    training: Training,
    data: options.Data,
    as_json: options.Json = False,
) -> None:
    """Train a dense model on the split 'train' and save it as a folder.

    Stopped half-way, the same command takes the training up again.
    """
    from prunescope.study import note_steps, train_model

    config = data.config(known=_known_of(arch, data.source))
    dataset = options.load(config)
    chosen = training.read(START["random"])
    with progress("train") as update:
        made = train_model(
            dataset.split("train"), arch, chosen, out,
            data=config, device=device, on_step=note_steps(update),
        )  # fmt: skip
    report_model(as_json, out, made)


def prune(
    model: AnyModel,
    method: Annotated[
        str | None,
        typer.Option(
            help="From the model: one-shot, reconstruct, gmp-pt, linear-pt, structured. From "
            "random weights: gmp-ri, ac/dc, rigl, imp, snip.",
            show_default="gmp-pt, or the plan's",
        ),
    ] = None,
    sparsity: Annotated[
        float | None,
        typer.Option(
            help="Share of the weights to remove, in [0, 1).", show_default="0.9, or the plan's"
        ),
    ] = None,
    out: options.ModelOut = Path("pruned"),
    score: Annotated[
        str | None,
        typer.Option(
            help="What makes a weight worth keeping: magnitude, random, taylor, fisher, fairgrape.",
            show_default="the method's",
            rich_help_panel=WEIGHTS,
        ),
    ] = None,
    distribution: Annotated[
        str | None,
        typer.Option(
            help="How what is kept is shared out among layers: global, uniform or erk.",
            show_default="the method's",
            rich_help_panel=WEIGHTS,
        ),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(
            help="What goes together: unstructured, 2:4, 1:4, block-1x4 or channel.",
            show_default="unstructured",
            rich_help_panel=WEIGHTS,
        ),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A plan of 'prunescope sensitivity --budget': each layer's sparsity or bits; by "
            "--method, where another is named.",
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(help="Layers to leave dense: names or patterns.", rich_help_panel=WEIGHTS),
    ] = None,
    layer_sparsity: Annotated[
        list[str] | None,
        typer.Option(
            help="A layer's own sparsity, LAYER=SPARSITY; the others share the rest.",
            rich_help_panel=WEIGHTS,
        ),
    ] = None,
    bits: Annotated[
        int | None,
        typer.Option(
            help="Bits of each weight that is left, by one-shot or reconstruct.",
            min=2,
            max=8,
            rich_help_panel=WEIGHTS,
        ),
    ] = None,
    calibration_images: Annotated[
        int | None,
        typer.Option(
            help="Images that reconstruct looks at, or taylor, fisher and fairgrape.",
            show_default="2048, or all; of scores 512",
            min=1,
            rich_help_panel=WEIGHTS,
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(help="Group whose values fairgrape treats alike.", rich_help_panel=WEIGHTS),
    ] = None,
    distill: Annotated[
        float | None,
        typer.Option(
            help="Share of the loss that MODEL's answers give, in [0, 1].", rich_help_panel=RECIPE
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="By which --distill divides the logits.", show_default="2", rich_help_panel=RECIPE
        ),
    ] = None,
    device: options.Device = None,
    factory: Factory = None,
    *,
    training: Training,
    data: options.Data,
    as_json: options.Json = False,
) -> None:
    """Prune a model, train it on, and save it with its masks.

    Methods that start from random weights take only the architecture of MODEL. Stopped
    half-way, the same command takes the training up again.
    """
    from prunescope.errors import ConfigError, settings_of, shorten
    from prunescope.pruning import check_choices
    from prunescope.sensitivity import Plan
    from prunescope.study import note_steps, prune_model
    from prunescope.training import Distill

    given = {
        "sparsity": sparsity, "score": score, "distribution": distribution, "pattern": pattern,
        "ignore": ignore or None, "layers": _sparsities(layer_sparsity or []) or None, "bits": bits,
    }  # fmt: skip
    told = {name: value for name, value in given.items() if value is not None}
    if plan is not None:
        if told:
            names = ["layer-sparsity" if name == "layers" else name for name in told]
            raise ConfigError(
                "--plan says the sparsity or bits of every layer, and its pattern: leave out "
                + shorten(f"--{name}" for name in names)
            )
        told = Plan.load(plan).choices
    choices: dict[str, Any] = {"method": "gmp-pt", "sparsity": 0.9, **told}
    choices |= {"calibration_images": calibration_images, "group": group}
    if method is not None:
        choices["method"] = method
    if distill is not None:
        with settings_of("distillation"):
            choices["distill"] = options.settings(Distill, weight=distill, temperature=temperature)
    elif temperature is not None:
        raise ConfigError("--temperature without --distill does nothing: give both, or neither")
    chosen = training.of(choices["method"])
    check_choices(**choices, recipe=chosen)
    dense, config, dataset = open_model(model, factory, data)
    with progress("prune") as update:
        made = prune_model(
            dense, dataset.split("train"), out=out, recipe=chosen, data=config, device=device,
            on_step=note_steps(update), seed=training.seed, **choices,
        )  # fmt: skip
    report_model(as_json, out, made)


def open_model(
    model: str, factory: str | None, data: options.Data, *, dense: str | None = None
) -> tuple[Checkpoint, DataConfig, Dataset]:
    """Load a model, wherever it was trained, and its data; `dense` is what it was pruned from."""
    from prunescope.errors import ConfigError
    from prunescope.models import load_checkpoint
    from prunescope.study import adopt_model, match_attributes

    if from_elsewhere(model):
        if data.source is None:
            raise ConfigError(f"{model} says nothing of its data: name them with --data")
        config = data.config(known=_known_of(model, data.source))
        dataset = options.load(config)
        before = None
        if dense is not None:
            before = (
                adopt_model(dense, dataset)
                if from_elsewhere(dense)
                else load_checkpoint(dense, factory=factory)
            ).model
        return adopt_model(model, dataset, dense=before, data=config), config, dataset
    if dense is not None:
        raise ConfigError(
            f"--dense is for a model from elsewhere: {model} says itself what is left of it"
        )
    checkpoint = load_checkpoint(model, factory=factory)
    config = data.config(checkpoint.provenance)
    return checkpoint, config, match_attributes(options.load(config), checkpoint)


def _known_of(model: str, source: str | None) -> dict[str, Any]:
    """Return what a pretrained model tells of its data; faces are drawn as they are asked for."""
    from prunescope.models import pretrained_data

    return {} if source in (None, "synthetic") else pretrained_data(model)


def from_elsewhere(model: str) -> bool:
    """Tell whether a model is named by its origin, not by a folder of prunescope's."""
    return ":" in model and not Path(model).exists()


def read_recipe(name: str, **given: Any) -> Recipe:  # noqa: ANN401 - checked by Recipe
    """Read a recipe by its name or from a file, changed by what was given."""
    from prunescope.errors import ConfigError, one_of, settings_of
    from prunescope.training import RECIPES, Recipe

    if name.endswith((".yaml", ".yml")):
        values = options.read_yaml(Path(name), "a recipe")
    elif name in RECIPES:
        values = RECIPES[name].model_dump(exclude_unset=True)
    else:
        raise ConfigError(one_of("recipe", name, [*RECIPES, "FILE.yaml"]))
    with settings_of("recipe"):
        return Recipe(**values).replace(**{k: v for k, v in given.items() if v is not None})


def _sparsities(given: list[str]) -> dict[str, float]:
    """Read LAYER=SPARSITY."""
    from prunescope.errors import ConfigError

    found = {}
    for text in given:
        layer, _, value = text.rpartition("=")
        try:
            found[layer] = float(value)
        except ValueError:
            layer = ""
        if not layer:
            raise ConfigError(f"--layer-sparsity {text}: expected LAYER=SPARSITY, such as 'fc=0.5'")
    return found


def parted(texts: Sequence[str]) -> tuple[list[str], str | None]:
    """Part what is said of files from the model that made the predictions."""
    from prunescope.errors import ConfigError
    from prunescope.predictions import is_about

    about = [text for text in texts if is_about(text)]
    rest = [text for text in texts if not is_about(text)]
    if len(rest) > 1:
        raise ConfigError(f"--model names {len(rest)} models, {', '.join(rest)}: expected one")
    return about, rest[0] if rest else None
