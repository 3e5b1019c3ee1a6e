"""What a run has come to so far, kept on disk: so that a killed one goes on where it was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from prunescope.errors import CheckpointError
from prunescope.files import replacing
from prunescope.inputs import read_safetensors
from prunescope.training.processes import Processes

SUFFIX = ".safetensors"


class Unfinished:
    """Files of tensors, each written all at once, in a folder of one run.

    Of several processes the first writes. All take up what is there when they begin, and nothing
    that comes later: so they take the same turns.

    Parameters
    ----------
    folder : path or None
        None: nothing is kept.
    key : str
        All that the tensors depend on.
    """

    def __init__(self, folder: Path | None, key: str) -> None:
        self.folder, self.key = folder, key
        self._there = [] if folder is None else [path.name for path in folder.glob(f"*{SUFFIX}")]
        Processes.current().wait()

    def read(self, name: str) -> dict[str, Tensor]:
        """Return the tensors of a file, none where there is none.

        Raises
        ------
        CheckpointError
            It is damaged, or of another run.
        """
        if self.folder is None or name + SUFFIX not in self._there:
            return {}
        path = self.folder / f"{name}{SUFFIX}"
        try:
            tensors, header = read_safetensors(path, "pt")
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"cannot go on from {path}: {error}; remove {self.folder} and start again"
            ) from error
        if header.get("key") != self.key:
            raise CheckpointError(
                f"{self.folder} holds what another run has not finished: go on with the model, "
                "data and settings that it began with, remove it, or choose another folder"
            )
        return tensors

    def write(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Write a file, all at once."""
        if self.folder is None or not Processes.current().first:
            return
        plain = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
        with replacing(self.folder / f"{name}{SUFFIX}") as beside:
            save_file(plain, beside, {"key": self.key})
