"""The stages of a run: train, prune, predict. Each reads folders and files, and leaves one."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunescope.data import DataConfig, Dataset
from prunescope.errors import DataError, PrunescopeWarning, settings_of, shorten
from prunescope.predictions import (
    Adjustments,
    Compression,
    DatasetInfo,
    Embeddings,
    Metadata,
    Predictions,
    adjust,
    check_parquet,
    check_suffix,
    predict,
    settle,
    with_layers,
)
from prunescope.predictions.scores import Scores

if TYPE_CHECKING:
    from torch import Tensor, nn

    from prunescope.models import Checkpoint, Classifier, Provenance
    from prunescope.runtimes import FileModel, Function
    from prunescope.training import Callback, Progress, Recipe

OnStep = Callable[["Progress"], None]


def state_folder(out: Path) -> Path:
    """Return where the unfinished training of a model is kept, beside its folder."""
    out = out.resolve()
    return out.with_name(f".{out.name}.unfinished")


def model_name(method: str, sparsity: float) -> str:
    """Return the name of a pruned model's folder and of its rows in tables.

    Examples
    --------
    >>> model_name("gmp-pt", 0.995), model_name("ac/dc", 0.9)
    ('gmp-pt-99.5', 'acdc-90')
    """
    return f"{method.replace('/', '')}-{100 * sparsity:.10g}"


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
    from prunescope.models import (
        Provenance,
        build_model,
        check_target,
    )
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
    return _kept(out, model, provenance)


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
    from prunescope.models import (
        Classifier,
        Provenance,
        check_target,
        fresh_copy,
        weights_digest,
    )
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
    provenance = Provenance.of(
        pruned.model,
        dataset,
        recipe=pruned.recipe,
        compression=pruned.compression
        if fresh
        else _after(dense, left_after(dense.provenance.compression, pruned.compression)),
        seed=pruned.compression["seed"] if fresh else dense.provenance.seed,
        parent=None if fresh else weights_digest(dense.model),
        data=data,
    )
    return _kept(out, pruned.model, provenance, pruned.masks)


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
    from prunescope.models import (
        Classifier,
        Provenance,
        check_target,
        weights_digest,
    )
    from prunescope.pruning import Masks

    check_target(out)
    dataset = match_attributes(dataset, pruned)
    if dense is not None:
        _check_alike(dense, pruned)
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
    provenance = Provenance.of(
        made.model,
        dataset,
        recipe=made.recipe,
        compression=_after(pruned, told),
        seed=pruned.provenance.seed,
        parent=weights_digest(pruned.model),
        data=data,
    )
    return _kept(out, made.model, provenance, pruned.masks), made.notes


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
    from prunescope.models import (
        Provenance,
        check_target,
        weights_digest,
    )
    from prunescope.pruning import quantize

    check_target(out)
    dataset = match_attributes(dataset, parent)
    quantized = quantize(parent.model, dataset, **choices)
    told = {**parent.provenance.compression, "method": "int8", "bits": 8, "calibration": choices}
    provenance = Provenance.of(
        quantized,
        dataset,
        compression=_after(parent, told),
        seed=parent.provenance.seed,
        parent=weights_digest(parent.model),
        data=data,
    ).model_copy(update={"recipe": parent.provenance.recipe})
    return _kept(out, quantized, provenance)


def _after(parent: Checkpoint, compression: dict[str, Any]) -> dict[str, Any]:
    """Tell a compression together with the one that came before it, if any."""
    before = parent.provenance.compression
    if before["method"] == "dense":
        return compression
    method = f"{before['method']}+{compression['method']}"
    return {**compression, "method": method, "before": before}


def _kept(
    out: Path,
    model: Classifier,
    provenance: Provenance,
    masks: Mapping[str, Tensor] | None = None,
) -> Checkpoint:
    """Save a finished model and drop its training state, in the first of several processes."""
    from prunescope.models import load_checkpoint, save_checkpoint
    from prunescope.training import Processes

    processes = Processes.current()
    if processes.first:
        save_checkpoint(out, model, provenance, masks)
        shutil.rmtree(state_folder(out), ignore_errors=True)
    processes.wait()
    return load_checkpoint(out, factory=factory_of(provenance))


def predict_split(
    checkpoint: Checkpoint,
    dataset: Dataset,
    split: str,
    out: Path,
    *,
    name: str | None = None,
    adjustments: Adjustments | None = None,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    embeddings: Path | None = None,
) -> Predictions:
    """Ask a model about one split and write the answers.

    Parameters
    ----------
    checkpoint : Checkpoint
    dataset : Dataset
        All splits, with the model's attributes in any order.
    split : str
    out : path
        Parquet file.
    name : str, optional
        The model's name in tables; default: the file's stem.
    adjustments : Adjustments, optional
        What is done to its logits: those written are mapped, less the threshold, so that 0 decides.
    embeddings : path, optional
        Parquet file for what the last layer sees, which is written in the same pass.
    """
    check_suffix(out)
    part = match_attributes(dataset.split(split), checkpoint)
    metadata = metadata_of(checkpoint, part, split, name or out.stem)
    return _answered(
        lambda: predict(checkpoint.model, part, metadata, device=device, progress=progress),
        metadata, part, out, adjustments, checkpoint.model, embeddings,
    )  # fmt: skip


def predict_elsewhere(
    model: FileModel | Function | nn.Module,
    dataset: Dataset,
    split: str,
    out: Path,
    *,
    name: str | None = None,
    about: Mapping[str, Any] | None = None,
    scores: Scores = "logits",
    adjustments: Adjustments | None = None,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    embeddings: Path | None = None,
) -> Predictions:
    """Ask a model that prunescope did not make about one split and write the answers.

    Parameters
    ----------
    model : FileModel, Function or torch.nn.Module
    dataset : Dataset
        All splits. The rates of the training split are kept with the answers, where there is one.
    split : str
    out : path
        Parquet file.
    name : str, optional
        The model's name in tables; default: the file's stem.
    about : mapping, optional
        What is told of the model.
    scores : {"logits", "probability"}
        What the model gives.
    adjustments : Adjustments, optional
        As for `predict_split`.
    embeddings : path, optional
        As for `predict_split`; for a module alone.
    """
    check_suffix(out)
    part = dataset.split(split)
    trained: dict[str, Any] = {}
    if "train" in dataset.splits:
        rates = dataset.split("train").samples.rates()
        trained = {"train_prevalence": rates.prevalence, "train_group_rates": rates.group_rates}
    with settings_of("the note of how the model was compressed"):
        compression = Compression(**getattr(model, "compression", {}))
    metadata = Metadata(
        name=name or out.stem,
        task=part.samples.task,
        split=split,
        model=dict(about or {}),
        compression=compression,
        dataset=_about_data(part),
        **trained,
    )
    return _answered(
        lambda: predict(model, part, metadata, scores=scores, device=device, progress=progress),
        metadata, part, out, adjustments, model, embeddings,
    )  # fmt: skip


def _answered(
    ask: Callable[[], Predictions],
    metadata: Metadata,
    part: Dataset,
    out: Path,
    adjustments: Adjustments | None,
    model: FileModel | Function | nn.Module,
    embeddings: Path | None,
) -> Predictions:
    """Ask, do to the logits what the adjustments say, and write them; and embeddings if wanted."""
    if adjustments is not None:
        adjustments.check([str(metadata.name)], part.samples.attributes)
    found = ask() if embeddings is None else _asked_and_seen(ask, model, embeddings)
    mine = None if adjustments is None else adjustments.of(found.name)
    if mine is not None:
        found = settle(adjust(found, mine))
    found.save(out)
    return found


def _asked_and_seen(
    ask: Callable[[], Predictions], model: FileModel | Function | nn.Module, out: Path
) -> Predictions:
    """Ask, and write what the last layer saw."""
    from prunescope.models import penultimate  # torch is imported when it is needed

    check_parquet(out)
    module = with_layers(model)
    with penultimate(module) as seen:
        found = ask()
    Embeddings.of(seen.values(), found.samples.ids).save(out)
    return found


def metadata_of(checkpoint: Checkpoint, dataset: Dataset, split: str, name: str) -> Metadata:
    """Say in a prediction file where its model comes from."""
    from prunescope.models import weights_digest

    provenance = checkpoint.provenance
    return Metadata(
        name=name,
        task=dataset.samples.task,
        split=split,
        model={"arch": provenance.model.arch, "image_size": provenance.model.image_size},
        compression=Compression(**provenance.compression),
        seed=provenance.seed,
        dataset=_about_data(dataset),
        train_prevalence=provenance.train_prevalence,
        train_group_rates=provenance.train_group_rates,
        weights=weights_digest(checkpoint.model),
        parent=provenance.parent,
    )


def _about_data(dataset: Dataset) -> DatasetInfo:
    samples = dataset.samples
    return DatasetInfo(name=dataset.name, fingerprint=dataset.fingerprint, cluster=samples.cluster)


def match_attributes(dataset: Dataset, checkpoint: Checkpoint) -> Dataset:
    """Return a data set with its attributes in the order in which a model answers them.

    Raises
    ------
    DataError
        They are not the same.
    """
    spec, samples = checkpoint.provenance.model, dataset.samples
    if (spec.task, spec.attributes) == (samples.task, samples.attributes):
        return dataset
    if spec.task != samples.task or sorted(spec.attributes) != sorted(samples.attributes):
        raise DataError(
            f"the model answers {shorten(spec.attributes)} ({spec.task}); the data set asks "
            f"{shorten(samples.attributes)} ({samples.task}). Expected the same attributes in any "
            "order: name them with the option for attributes"
        )
    return replace(dataset, samples=samples.ordered(spec.attributes))


def _check_alike(dense: Checkpoint, pruned: Checkpoint) -> None:
    """Raise where a dense model's answers are not in the order of the pruned one's."""
    has, other = dense.provenance.model.attributes, pruned.provenance.model.attributes
    if has != other:
        raise DataError(
            f"the dense model answers {shorten(has)}; the pruned one {shorten(other)}. Expected "
            "the same attributes in the same order: give the model that it was pruned from"
        )


def factory_of(provenance: Provenance) -> str | None:
    """Return the factory of a model that this process itself made with it."""
    from prunescope.models import is_factory

    return provenance.model.arch if is_factory(provenance.model.arch) else None
