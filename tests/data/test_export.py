import numpy as np
import polars as pl
import pytest
from PIL import Image

from prunescope.data import Dataset, Group, Samples, export_dataset, load_dataset
from prunescope.errors import DataError


def dataset(task="multilabel", n=5, seed=0):
    random = np.random.default_rng(seed)
    labels = np.eye(3, dtype=np.int8)[random.integers(0, 3, n)]
    if task == "multilabel":
        labels = random.integers(-1, 2, (n, 3)).astype(np.int8)
    return Dataset(
        name="made",
        fingerprint="?",
        samples=Samples(
            ids=pl.Series([f"../{i},é" for i in range(n)]),
            attributes=("A", "B b", "C"),
            labels=labels,
            groups={
                "band": Group.from_series(pl.Series(["x", None, "y", "x", "y"][:n])),
                "who": Group.from_series(pl.Series(range(n))),
                "yes": Group.from_series(pl.Series([True, None, False, True, True][:n])),
            },
            cluster="who",
            task=task,
        ),
        pixels=random.integers(0, 256, (n + 2, 3, 8, 8), np.uint8),
        rows=random.permutation(n + 2)[:n],
        splits=np.array(["train", "test", "val", "train", "test"][:n]),
    )


@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
def test_round_trip(tmp_path, make_config, task):
    made = dataset(task)
    calls = []
    export_dataset(made, tmp_path / "out" / "faces", lambda *counts: calls.append(counts))
    assert calls == [(done, 5) for done in range(1, 6)]
    read = load_dataset(make_config(tmp_path / "out" / "faces"))
    assert read.name == "faces"
    assert read.samples.ids.to_list() == made.samples.ids.to_list()
    assert read.samples.attributes == made.samples.attributes
    assert (read.samples.labels == made.samples.labels).all()
    assert (read.samples.task, read.samples.cluster) == (task, "who")
    assert set(read.samples.groups) == {"band", "who", "yes"}
    for name, group in made.samples.groups.items():
        assert read.samples.groups[name].to_series("").to_list() == group.to_series("").to_list()
    assert read.splits.tolist() == made.splits.tolist()
    assert (read.images(np.arange(5)) == made.images(np.arange(5))).all()


def test_a_read_set_keeps_its_fingerprint(tmp_path, make_config):
    export_dataset(dataset(), tmp_path / "one")
    one = load_dataset(make_config(tmp_path / "one"))
    export_dataset(one, tmp_path / "two")
    two = load_dataset(make_config(tmp_path / "two"))
    assert two.fingerprint == one.fingerprint
    part = one.take(np.array([3, 1]))
    export_dataset(part, tmp_path / "part")
    assert (
        load_dataset(make_config(tmp_path / "part")).images(np.arange(2)) == one.pixels[[3, 1]]
    ).all()


def test_files(tmp_path):
    export_dataset(dataset(n=2), tmp_path / "faces")
    files = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert files == [
        "faces/dataset.json",
        "faces/images/000000.png",
        "faces/images/000001.png",
        "faces/labels.csv",
    ]
    with Image.open(tmp_path / "faces/images/000000.png") as image:
        assert (image.format, image.size) == ("PNG", (8, 8))
    header = (tmp_path / "faces/labels.csv").read_text().splitlines()[0]
    assert header == "id,image,split,A,B b,C,band,who,yes"


def test_a_used_folder_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match=r"exists already: choose a new or empty folder"):
        export_dataset(dataset(), tmp_path)
    with pytest.raises(DataError, match=r"exists already"):
        export_dataset(dataset(), tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    export_dataset(dataset(), tmp_path / "empty")
    assert (tmp_path / "empty/labels.csv").exists()


def test_a_failed_export_leaves_nothing(tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_dataset(dataset(), tmp_path / "faces", stop)
    assert list(tmp_path.iterdir()) == []
