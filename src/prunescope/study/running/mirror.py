"""Where machines that share no folder leave their runs for each other: any URL of fsspec."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from prunescope.errors import ConfigError, DataError, MissingExtraError
from prunescope.files import replacing
from prunescope.study.plan import Run
from prunescope.study.running.store import ANSWERS, LOG, MODEL, RUNS, SPEC, Store


@dataclass(frozen=True)
class Mirror:
    """Runs at a URL, each in a folder as in a study's own.

    A run is there when its answers are: they are copied last.

    Parameters
    ----------
    url : str
        Such as ``s3://bucket/study`` or ``file:///shared/study``.

    Raises
    ------
    ConfigError
        The URL is of a kind that is unknown, or cannot be reached.
    """

    url: str

    @cached_property
    def _place(self) -> tuple[Any, str]:
        """The file system, and the path on it."""
        try:
            import fsspec
        except ImportError as error:
            raise MissingExtraError("keeping results at a URL", "ray") from error
        try:
            found: tuple[Any, str] = fsspec.core.url_to_fs(self.url)
        except (ValueError, ImportError, OSError) as error:
            raise ConfigError(f"{self.url}: {error}; expected a URL that fsspec knows") from error
        return found

    def check(self) -> None:
        """Raise a `ConfigError` where nothing can be written."""
        files, root = self._place
        try:
            files.makedirs(f"{root}/{RUNS}", exist_ok=True)
        except Exception as error:  # each file system has errors of its own
            raise ConfigError(f"{self.url} cannot be written to: {error}") from error

    def finished(self, run: Run, splits: tuple[str, ...]) -> bool:
        """Tell whether all of a run is there."""
        files, _ = self._place
        return all(files.exists(self._path(run, ANSWERS, f"{split}.parquet")) for split in splits)

    def push(self, store: Store, run: Run) -> None:
        """Copy a run there, its answers last.

        Raises
        ------
        DataError
            It cannot be written.
        """
        files, _ = self._place
        try:
            for name in (SPEC, LOG, MODEL, ANSWERS):
                path = store.run(run) / name
                if path.is_dir():
                    for file in sorted(path.iterdir()):
                        self._put(files, str(file), self._path(run, name, file.name))
                elif path.exists():
                    self._put(files, str(path), self._path(run, name))
        except Exception as error:
            raise DataError(f"cannot write {run.key} to {self.url}: {error}") from error

    def pull(self, store: Store, run: Run) -> None:
        """Copy a finished run from there to a folder, its answers last.

        Raises
        ------
        DataError
            It cannot be read.
        """
        files, _ = self._place
        try:
            for name in (SPEC, LOG, MODEL, ANSWERS):
                if not files.exists(self._path(run, name)):
                    continue
                if files.isdir(self._path(run, name)):
                    for path in sorted(files.ls(self._path(run, name), detail=False)):
                        self._get(files, path, store.run(run) / name / path.rsplit("/", 1)[-1])
                else:
                    self._get(files, self._path(run, name), store.run(run) / name)
        except Exception as error:
            raise DataError(f"cannot read {run.key} from {self.url}: {error}") from error

    def _path(self, run: Run, *names: str) -> str:
        return "/".join((self._place[1], RUNS, run.key, *names))

    @staticmethod
    def _put(files: Any, source: str, target: str) -> None:  # noqa: ANN401 - of fsspec
        """Copy a file; where names can change, it appears whole."""
        files.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
        files.put_file(source, f"{target}.part")
        files.mv(f"{target}.part", target)

    @staticmethod
    def _get(files: Any, source: str, target: Path) -> None:  # noqa: ANN401 - of fsspec
        with replacing(target) as beside:
            files.get_file(source, str(beside))
