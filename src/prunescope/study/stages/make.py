"""Stages that make a model: each leaves its folder, and takes up again what was stopped."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunescope.data import DataConfig, Dataset
from prunescope.errors import PrunescopeWarning
from prunescope.study.stages.keep import OnStep, check_alike, kept, match_attributes, state_folder

if TYPE_CHECKING:
    from prunescope.models import Checkpoint, Classifier, Provenance
    from prunescope.training import Callback, Recipe


def train_model(
    dataset: Dataset,
    arch: str,
    recipe: Recipe,
    out: Path,
    *,
    data: DataConfig | None = None,
    callbacks: Sequence[Callback] = (),
    device: str | None = None,
    on_step: OnStep | None = None,
) -> Checkpoint:
    """Train a dense model on a training split and save it; a killed training is taken up again.

    Parameters
    ----------
    dataset : Dataset
        The training split.
    arch : str
        As for `prunescope.models.build_model`.
    recipe : Recipe
    out : path
        Folder of the checkpoint.
    data : DataConfig, optional
        How the data set was loaded, kept with the model.
    callbacks : sequence of Callback
        Of the training.
    """
    from prunescope.models import Provenance, build_model, check_target
    from prunescope.training import train

    check_target(out)
    samples = dataset.samples
    model = build_model(
        arch,
        samples.attributes,
        image_size=dataset.size,
        task=samples.task,
        frame=dataset.frame,
        seed=recipe.seed,
    )
    train(
        model,
        dataset,
        recipe,
        callbacks=callbacks,
        resume_dir=state_folder(out),
        progress=on_step,
        device=device,
    )
    provenance = Provenance.of(model, dataset, recipe=recipe, seed=recipe.seed, data=data)
    return kept(out, model, provenance)


def adopt_model(
    arch: str,
    dataset: Dataset,
    *,
    dense: Classifier | None = None,
    data: DataConfig | None = None,
) -> Checkpoint:
    """Take in a model that was trained elsewhere, and may have been pruned there.

    Parameters
    ----------
    arch : str
        ``hf:NAME_OR_FOLDER`` or ``module:factory``, as for `prunescope.models.build_model`.
    dataset : Dataset
        With its training split, if it has one: the rates are counted there.
    dense : Classifier, optional
        What it was pruned from, which tells what is left of the channels.
    data : DataConfig, optional
        How the data set was loaded.

    Raises
    ------
    ConfigError
        The model answers something else.

    Warns
    -----
    PrunescopeWarning
        Something about the model has to be assumed.
    """
    from prunescope.models import Checkpoint, Classifier, Provenance, build_model
    from prunescope.pruning import pruned_elsewhere

    samples = dataset.samples
    model = build_model(
        arch, samples.attributes, image_size=dataset.size, task=samples.task,
        frame=dataset.frame, as_trained=True,
    )  # fmt: skip
    if model.spec.preprocessing.frame is not None:
        warnings.warn(
            f"images are first made squares of {dataset.size} px, and only then prepared by the "
            f"image processor of {arch}: leave out the size of the data to give it the files' own",
            PrunescopeWarning,
            stacklevel=2,
        )
    train = dataset.split("train") if "train" in dataset.splits else None
    found = pruned_elsewhere(model, len(samples.attributes), dense)
    if found is None:
        return Checkpoint(model.eval(), Provenance.of(model, train, data=data), None)
    assert isinstance(found.model, Classifier)  # as the model that went in
    provenance = Provenance.of(found.model, train, compression=found.compression, data=data)
    masks = None if found.masks is None else dict(found.masks)
    return Checkpoint(found.model, provenance, masks)


def prune_model(
    dense: Checkpoint,
    dataset: Dataset,
    method: str,
    sparsity: float,
    out: Path,
    *,
    recipe: Recipe | None = None,
    data: DataConfig | None = None,
    device: str | None = None,
    on_step: OnStep | None = None,
    **choices: Any,  # noqa: ANN401 - handed on to `prune`
) -> Checkpoint:
    """Prune a model and save it; a method that starts from random weights takes only its shape.

    Parameters
    ----------
    dense : Checkpoint
    dataset : Dataset
        The training split, with the same attributes in any order.
    method : str
        A key of `prunescope.pruning.METHODS`.
    sparsity : float
        In [0, 1).
    out : path
        Folder of the checkpoint.
    recipe : Recipe, optional
        Default: the method's own.
    **choices
        The other choices of `prunescope.pruning.prune`. What distils learns from `dense`.
    """
    from prunescope.models import Classifier, Provenance, check_target, fresh_copy
    from prunescope.pruning import METHODS, prune
    from prunescope.pruning.left import left_after

    check_target(out)
    dataset = match_attributes(dataset, dense)
    model = dense.model
    fresh = method in METHODS and METHODS[method].starts_from == "random"
    if fresh:
        seed = choices.get("seed")
        if seed is None:
            seed = recipe.seed if recipe else 0
        model = fresh_copy(model, seed)
    pruned = prune(
        model,
        dataset,
        method,
        sparsity,
        recipe=recipe,
        resume_dir=state_folder(out),
        progress=on_step,
        device=device,
        teacher=dense.model,
        **choices,
    )
    assert isinstance(pruned.model, Classifier)  # as the model that went in
    told: dict[str, Any] = {"recipe": pruned.recipe, "data": data}
    if fresh:
        made = pruned.compression
        provenance = Provenance.of(
            pruned.model, dataset, compression=made, seed=made["seed"], **told
        )
    else:
        made = left_after(dense.provenance.compression, pruned.compression)
        provenance = _child(dense, pruned.model, dataset, made, **told)
    return kept(out, pruned.model, provenance, pruned.masks)


def finetune_model(
    pruned: Checkpoint,
    dense: Checkpoint | None,
    dataset: Dataset,
    measure: str,
    out: Path,
    *,
    recipe: Recipe | None = None,
    data: DataConfig | None = None,
    device: str | None = None,
    on_step: OnStep | None = None,
    **choices: Any,  # noqa: ANN401 - handed on to `finetune`
) -> tuple[Checkpoint, tuple[str, ...]]:
    """Train a pruned model again with another aim, and save it with the masks that it has.

    Its compression has the sparsity and all else of the parent's, ``+MEASURE`` in its method, and
    what the measure was told as ``finetune``. A killed training is taken up again.

    Parameters
    ----------
    pruned : Checkpoint
    dense : Checkpoint or None
        What it was pruned from; some measures need it.
    dataset : Dataset
        The training split, with the same attributes in any order.
    measure : str
        A key of `prunescope.mitigate.finetune.MEASURES`.
    out : path
        Folder of the checkpoint.
    recipe : Recipe, optional
    **choices
        The other choices of `prunescope.mitigate.finetune.finetune`.

    Returns
    -------
    Checkpoint
    tuple of str
        What should be known of it.
    """
    from prunescope.mitigate.finetune import finetune
    from prunescope.models import Classifier, check_target
    from prunescope.pruning import Masks

    check_target(out)
    dataset = match_attributes(dataset, pruned)
    if dense is not None:
        check_alike(dense, pruned)
    made = finetune(
        pruned.model,
        None if pruned.masks is None else Masks(pruned.masks),
        None if dense is None else dense.model,
        dataset,
        measure,
        recipe=recipe,
        resume_dir=state_folder(out),
        progress=on_step,
        device=device,
        **choices,
    )
    assert isinstance(made.model, Classifier)  # as the model that went in
    before = pruned.provenance.compression
    told = {**before, "method": measure, "finetune": made.settings}
    provenance = _child(pruned, made.model, dataset, told, recipe=made.recipe, data=data)
    return kept(out, made.model, provenance, pruned.masks), made.notes


def quantize_model(
    parent: Checkpoint,
    dataset: Dataset,
    out: Path,
    *,
    data: DataConfig | None = None,
    **choices: int,
) -> Checkpoint:
    """Quantise a dense or pruned model to int8 and save it.

    Its compression has the sparsity and all else of the parent's, ``+int8`` in its method, and the
    width of its weights in ``bits``.

    Parameters
    ----------
    parent : Checkpoint
    dataset : Dataset
        The training split, with the same attributes in any order.
    out : path
        Folder of the checkpoint.
    **choices
        `n_batches`, `batch_size` and `seed`, as for `prunescope.pruning.quantize`.
    """
    from prunescope.models import check_target
    from prunescope.pruning import quantize

    check_target(out)
    dataset = match_attributes(dataset, parent)
    quantized = quantize(parent.model, dataset, **choices)
    told = {**parent.provenance.compression, "method": "int8", "bits": 8, "calibration": choices}
    provenance = _child(parent, quantized, dataset, told, data=data)
    trained = {"recipe": parent.provenance.recipe}
    return kept(out, quantized, provenance.model_copy(update=trained))


def _child(
    parent: Checkpoint,
    model: Classifier,
    dataset: Dataset,
    compression: dict[str, Any],
    **told: Any,  # noqa: ANN401 - handed on to `Provenance.of`
) -> Provenance:
    """Describe a model made from another, with the compression that came before its own, if any."""
    from prunescope.models import Provenance, weights_digest

    before = parent.provenance.compression
    if before["method"] != "dense":
        method = f"{before['method']}+{compression['method']}"
        compression = {**compression, "method": method, "before": before}
    return Provenance.of(
        model,
        dataset,
        compression=compression,
        seed=parent.provenance.seed,
        parent=weights_digest(parent.model),
        **told,
    )
