"""Loading a data set: read its table, decode its images once, put both together."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.data.backdoors import Backdoor, Planted, check_backdoor, choose, marked
from prunescope.data.cache import Entry, code_key, fetch, write_frame, write_pixels
from prunescope.data.celeba import is_celeba, read_celeba
from prunescope.data.columns import check_ids
from prunescope.data.config import IDENTITY_GROUPS, Columns, DataConfig
from prunescope.data.dataset import Dataset
from prunescope.data.decode import decode
from prunescope.data.labels import id_column, read_samples, to_frame
from prunescope.data.samples import Samples
from prunescope.data.tables import READERS, Table, read_folder
from prunescope.errors import DataError, ImageError, PrunescopeWarning, shorten

_HERE = Path(__file__).parent
_DECODER = (_HERE / "decode.py", _HERE / "framing.py")
_PLANTER = (_HERE / "backdoors.py",)
_DRAWERS = (_HERE / "synthetic.py", *sorted((_HERE / "faces").glob("*.py")))


class SkippedImagesWarning(PrunescopeWarning):
    """Samples were left out because their images are missing or damaged.

    Parameters
    ----------
    source : str
        The table.
    skipped : mapping of int to str
        Row, from 1 → what is wrong with its image.
    """

    def __init__(self, source: str, skipped: Mapping[int, str]) -> None:
        listed = shorten((f"row {row}: {reason}" for row, reason in skipped.items()), limit=20)
        samples = "1 sample" if len(skipped) == 1 else f"{len(skipped)} samples"
        super().__init__(f"{source}: {samples} left out; {listed}")
        self.source = source
        self.skipped = skipped


def load_dataset(config: DataConfig, progress: Callable[[int, int], None] | None = None) -> Dataset:
    """Load the data set that a configuration describes.

    Images are decoded in parallel on the first start and come from a memory-mapped cache on the
    next. The cache is keyed by what tells cheaply that images changed (`FileImages`,
    `EmbeddedImages`), the size, the frame and the code that decodes; labels are read anew each
    time. The data set's fingerprint is a hash of its pixels, labels, groups and splits themselves,
    so it does not depend on the kind of files or on where they lie. A backdoor's altered images are
    kept in the cache beside the clean ones.

    Parameters
    ----------
    config : DataConfig
    progress : callable (done, total), optional
        Called while images are made or decoded, not when they come from the cache.

    Raises
    ------
    DataError
        The source, a column, a label or a split is not what it should be.
    ImageError
        An image leaves its folder; or, unless bad images are skipped, is missing or damaged.
    ConfigError
        The backdoor does not fit: its attribute is unknown, or the task is multi-class.

    Warns
    -----
    SkippedImagesWarning
        Samples were left out.
    """
    if config.source == "synthetic":
        return _synthetic(config, progress)
    table = read_table(config)
    samples, splits = read_samples(table.frame, table.columns, table.source)
    if config.backdoor is not None:
        check_backdoor(samples, config.backdoor)
    if table.images.bad and config.on_bad_image == "error":
        row, reason = min(table.images.bad.items())
        if len(table.images.bad) > 1:
            reason += f" ({len(table.images.bad)} images are not there)"
        raise _bad_image(table.source, row, table.frame[table.columns.image_column][row], reason)
    entry = fetch(
        config.cache_folder,
        _key("decoded", table.images.key, config.size, config.frame, code_key(*_DECODER)),
        partial(_decode_all, table=table, config=config, progress=progress),
    )
    if samples.images is None:
        samples = _named(samples, entry.frame["image"], table)
    rows = _good_rows(entry.frame, table.source, config)
    return _assemble(table.name, samples.take(rows), splits[rows], entry, rows, config, progress)


def read_table(config: DataConfig) -> Table:
    """Choose the reader of a source."""
    path = Path(config.source).expanduser()
    if path.is_dir():
        return read_celeba(path, config) if is_celeba(path) else read_folder(path, config)
    expected = f"'synthetic', a {' or '.join(READERS)} file, or a folder"
    if not path.exists():
        raise DataError(f"{path} does not exist: expected {expected}")
    if path.suffix.lower() not in READERS:
        raise DataError(f"{path}: expected {expected}")
    return READERS[path.suffix.lower()](path, config)


def _decode_all(
    part: Path,
    *,
    table: Table,
    config: DataConfig,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Decode a table's images into a cache entry; bad ones are noted, or stop it."""
    names: list[str | None] = []
    reasons: dict[int, str] = {}

    def job(row: int, encoded: Path | bytes | None) -> NDArray[np.uint8] | None:
        try:
            if encoded is None:
                raise ImageError(table.images.bad.get(row, "holds no bytes"))
            return decode(encoded, config.size, config.frame)
        except ImageError as error:
            if config.on_bad_image == "error":
                raise _bad_image(table.source, row, names[row], str(error)) from error
            reasons[row] = str(error)
            return None

    def jobs() -> Iterator[Callable[[], NDArray[np.uint8] | None]]:
        for row, (name, encoded) in enumerate(table.images):
            names.append(name)
            yield partial(job, row, encoded)

    n = len(table.images)
    digests = write_pixels(part, (n, config.size), jobs(), progress)
    errors = [reasons.get(row) for row in range(n)]
    schema = {"image": pl.String, "digest": pl.Binary, "error": pl.String}
    write_frame(part, pl.DataFrame([names, digests, errors], schema=schema))


def _synthetic(config: DataConfig, progress: Callable[[int, int], None] | None) -> Dataset:
    """Draw synthetic faces, or take them from the cache."""
    columns = config.over(Columns(groups=IDENTITY_GROUPS))
    wanted = (config.n_train, config.n_val, config.n_test)

    def build(part: Path) -> None:
        from prunescope.data.synthetic import synthetic_faces  # slow to import, seldom needed

        draw = partial(synthetic_faces, size=config.size, seed=config.seed)
        few = draw(1, 1, 1)  # a wrong column name should not cost the time to draw them all
        frame = to_frame(few.samples, few.splits, few.samples.ids)
        samples, _ = read_samples(frame, columns, "synthetic")
        if config.backdoor is not None:
            check_backdoor(samples, config.backdoor)
        faces = draw(*wanted, progress=progress)
        jobs = (partial(faces.pixels.__getitem__, row) for row in faces.rows)
        digests = write_pixels(part, (len(faces), config.size), jobs)
        frame = to_frame(faces.samples, faces.splits, faces.samples.ids)
        write_frame(part, frame.with_columns(digest=pl.Series(digests, dtype=pl.Binary)))

    key = _key("synthetic", *wanted, config.size, config.seed, code_key(*_DRAWERS))
    entry = fetch(config.cache_folder, key, build)
    samples, splits = read_samples(entry.frame.drop("digest"), columns, "synthetic")
    rows = np.arange(len(samples))
    return _assemble("synthetic", samples, splits, entry, rows, config, progress)


def _assemble(
    name: str,
    samples: Samples,
    splits: NDArray[np.str_],
    entry: Entry,
    rows: NDArray[np.int64],
    config: DataConfig,
    progress: Callable[[int, int], None] | None,
) -> Dataset:
    """Join samples with their pixels, and plant the backdoor."""
    digests = entry.frame["digest"].gather(rows).to_numpy()
    fingerprint = _fingerprint(samples, splits, config.size, digests)
    frame = None if config.source == "synthetic" else config.frame
    dataset = Dataset(name, fingerprint, samples, entry.pixels, rows, splits, frame=frame)
    if config.backdoor is None:
        return dataset
    return _plant(dataset, config.backdoor, digests, config.cache_folder, progress)


def _plant(
    clean: Dataset,
    backdoor: Backdoor,
    digests: NDArray[np.object_],
    cache: Path,
    progress: Callable[[int, int], None] | None,
) -> Dataset:
    """Plant a backdoor; the images that carry it are made once, and come from the cache then.

    The cache is keyed by the clean images that are altered, not by why: other labels or groups,
    or shares that choose the same samples, find them there.
    """
    carriers = choose(clean.samples, clean.splits, backdoor)
    positions = np.flatnonzero(carriers).tolist()

    def altered(position: int) -> NDArray[np.uint8]:
        return backdoor.on(clean.images(np.array([position]))[0])

    def build(part: Path) -> None:
        jobs = (partial(altered, position) for position in positions)
        made = write_pixels(part, (len(positions), clean.size), jobs, progress)
        write_frame(part, pl.DataFrame({"digest": pl.Series(made, dtype=pl.Binary)}))

    content = hashlib.blake2b(b"".join(digests[carriers]), digest_size=16).hexdigest()
    key = _key("planted", content, clean.size, backdoor.kind, backdoor.area, code_key(*_PLANTER))
    entry = fetch(cache, key, build)
    digests = digests.copy()
    digests[carriers] = entry.frame["digest"].to_list()
    samples = marked(clean.samples, carriers)
    fingerprint = _fingerprint(samples, clean.splits, clean.size, digests)
    return Planted.of(clean, backdoor, carriers, entry.pixels, fingerprint)


def _fingerprint(
    samples: Samples, splits: NDArray[np.str_], size: int, digests: NDArray[np.object_]
) -> str:
    """Hash everything but names of files; `digests` are those of each sample's pixels."""
    told = {
        "size": size,
        "task": samples.task,
        "attributes": samples.attributes,
        "ids": samples.ids.to_list(),
        "splits": splits.tolist(),
        "groups": {name: g.to_series(name).to_list() for name, g in samples.groups.items()},
        "cluster": samples.cluster,
    }
    digest = hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=16)
    digest.update(samples.labels.tobytes())
    digest.update(b"".join(digests))
    return digest.hexdigest()


def _named(samples: Samples, names: pl.Series, table: Table) -> Samples:
    """Fill in the names that encoded images bring along; as ids, unless a column tells those.

    Names that are missing or repeated are no ids: row numbers stay, unless names were asked for.
    """
    numbers = pl.Series(range(1, len(names) + 1)).cast(pl.String)
    images = names.zip_with(names.is_not_null(), numbers)
    if id_column(table.frame, table.columns) is not None:
        return replace(samples, images=images)
    if table.columns.id_column is not None:
        check_ids(names, table.source)
    unique = not names.has_nulls() and names.n_unique() == len(names)
    return replace(samples, ids=names.alias("id") if unique else samples.ids, images=images)


def _good_rows(frame: pl.DataFrame, source: str, config: DataConfig) -> NDArray[np.int64]:
    """Return the rows whose image was decoded; raise an error, or warn, where some were not."""
    bad = frame.with_row_index("row").filter(pl.col("error").is_not_null())
    found = list(bad.select("row", "image", "error").iter_rows())
    if not found:
        return np.arange(frame.height)
    if config.on_bad_image == "error" or len(found) == frame.height:
        raise _bad_image(source, *found[0])
    skipped = {row + 1: f"image {name!r} {reason}" for row, name, reason in found}
    warnings.warn(SkippedImagesWarning(source, skipped), stacklevel=3)
    return np.flatnonzero(frame["error"].is_null().to_numpy())


def _bad_image(source: str, row: int, name: str | None, reason: str) -> ImageError:
    """Word the error for an image that is missing or damaged."""
    return ImageError(
        f"{source}: row {row + 1}: image {name!r} {reason}; mend it, or leave out the samples of "
        "bad images with on_bad_image = skip"
    )


def _key(kind: str, *told: object) -> str:
    """Return the name of a cache entry: what it holds, and a hash of all that it depends on."""
    digest = hashlib.blake2b(repr(told).encode(), digest_size=16).hexdigest()
    return f"{kind}-{digest}"
