"""A model's file as one thing: pixels in, scores out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.data.dataset import Dataset
from prunescope.data.framing import Frame
from prunescope.data.samples import Task
from prunescope.errors import CheckpointError, ConfigError, DataError, first_line, one_of, shorten
from prunescope.runtimes.asking import OnBatch, Pixels, ask_all, check_scores
from prunescope.runtimes.intake import Channels, Intake, Layout
from prunescope.runtimes.note import read_note
from prunescope.runtimes.runner import Runner, open_runner
from prunescope.runtimes.tensors import TensorInfo


@dataclass(frozen=True)
class FileModel:
    """A model's file, ready to be asked.

    Parameters
    ----------
    path : path
    runner : Runner
    intake : Intake
    output : TensorInfo
        Which of its outputs has the scores.
    attributes : tuple of str or None
        What the scores stand for; None where the file does not tell.
    task : str or None
        As the file tells.
    compression : dict
        How it was compressed, as far as the file tells.
    frame : Frame or None
        How its images are cut and resized: option of `prunescope.data.DataConfig`. None where the
        file does not tell; then a data set's own way is taken.
    """

    path: Path
    runner: Runner
    intake: Intake
    output: TensorInfo
    attributes: tuple[str, ...] | None
    task: Task | None
    compression: dict[str, Any]
    frame: Frame | None = None

    @property
    def about(self) -> dict[str, str]:
        """What is noted with its answers."""
        return {"file": self.path.name, "runtime": self.runner.runtime}

    def infer(self, dataset: Dataset, *, progress: OnBatch | None = None) -> NDArray[np.float64]:
        """Return the scores (N, A) of all images, in the order of the data set.

        Integers are returned as what they stand for. Where the model takes a fixed number of
        images at a time, the last batch is filled up with its last image.

        Parameters
        ----------
        dataset : Dataset
            Of images as large as the model takes.
        progress : callable, optional
            Gets the number of images done and of all, after every batch.

        Raises
        ------
        DataError
            The images have another size, or the data set asks for other attributes.
        CheckpointError
            The model fails on a batch.
        """
        if self.intake.side not in (None, dataset.size):
            raise DataError(
                f"{self.path} takes images of {self.intake.side} px: got {dataset.size} px; load "
                "the data at that size"
            )
        asked = dataset.samples.attributes
        if self.task not in (None, dataset.samples.task):
            raise DataError(
                f"{self.path} is {self.task}, and the labels of {dataset.name} are "
                f"{dataset.samples.task}: expected the same kind of task"
            )
        columns = self._columns(asked)

        def answer(pixels: Pixels) -> NDArray[Any]:
            return self._answer(pixels, len(asked))[:, columns]

        return ask_all(dataset, answer, fixed=self.intake.batch, progress=progress)

    def _columns(self, asked: tuple[str, ...]) -> list[int]:
        """Return which of the outputs answers each attribute of the data."""
        if self.attributes is None:
            return list(range(len(asked)))
        if set(self.attributes) != set(asked):
            raise DataError(
                f"{self.path} answers {shorten(self.attributes)}; the data set asks "
                f"{shorten(asked)}. Expected the same names: choose them with --attributes"
            )
        return [self.attributes.index(name) for name in asked]

    def _answer(self, pixels: Pixels, n_attributes: int) -> NDArray[np.float64]:
        """Return the real scores (B, A) of images."""
        try:
            answer = self.runner.run(self.intake.encode(pixels), self.output.name)
        except Exception as error:  # what runtimes raise has no root
            raise CheckpointError(
                f"{self.path}: {self.runner.runtime} fails on {len(pixels)} images of "
                f"{pixels.shape[-1]} px: {first_line(error, kind=True)}"
            ) from error
        source = f"{self.path}: output {self.output.name}"
        scores = check_scores(answer, len(pixels), n_attributes, source)
        if self.output.quantization is not None:
            return self.output.quantization.real(scores)
        return scores.astype(np.float64)


def open_model(
    path: str | Path,
    *,
    output: str | None = None,
    layout: Layout | None = None,
    input_range: Sequence[float] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    channels: Channels = "rgb",
) -> FileModel:
    """Open a model's file, and find out how to ask it.

    What the file tells is read from it: the layout of its input and the size of its images, how its
    integers are meant, and, of a file that `prunescope export` wrote, its attributes, the range of
    its images and how they are cut and resized, also after another tool quantised it.

    Parameters
    ----------
    path : path
        Its suffix names the runtime: see `RUNTIMES`.
    output : str, optional
        The output that has the scores, where there are several.
    layout, input_range, mean, std, channels
        As for `Intake.of`.

    Raises
    ------
    CheckpointError
        The file is absent or damaged.
    ConfigError
        The model does not take images alone, or its file does not tell what was left out.
    MissingExtraError
        The runtime is not installed.
    """
    path = Path(path)
    runner = open_runner(path)
    if len(runner.inputs) != 1:
        raise ConfigError(
            f"{path} has {len(runner.inputs)} inputs, {shorten(runner.inputs)}: expected one, the "
            "images; export the model with the others fixed"
        )
    note = read_note(runner.notes, path)
    if note is not None and input_range is None and mean is None and std is None:
        input_range = (0.0, 1.0)
    try:
        intake = Intake.of(
            runner.inputs[0], layout=layout, input_range=input_range,
            mean=mean, std=std, channels=channels,
        )  # fmt: skip
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return FileModel(
        path=path,
        runner=runner,
        intake=intake,
        output=_choose(runner, output, path),
        attributes=None if note is None else note.attributes,
        task=None if note is None else note.task,
        compression={} if note is None else note.compression or {},
        frame=None if note is None else note.frame,
    )


def _choose(runner: Runner, name: str | None, path: Path) -> TensorInfo:
    """Return the output with the scores."""
    outputs = {one.name: one for one in runner.outputs}
    if name is None:
        if len(outputs) != 1:
            raise ConfigError(
                f"{path} has {len(outputs)} outputs, {shorten(runner.outputs)}: say which has the "
                "scores with --output"
            )
        [name] = outputs
    if name not in outputs:
        raise ConfigError(f"{path}: {one_of('output', name, outputs)}")
    chosen = outputs[name]
    if chosen.dtype.kind != "f" and chosen.quantization is None:
        raise ConfigError(
            f"{path}: output {chosen} holds integers, and the file does not tell what they stand "
            "for: expected scores, one per attribute or class; choose another with --output, or "
            "export the model with scores as floats"
        )
    return chosen
