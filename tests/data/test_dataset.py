import numpy as np
import polars as pl
import pytest

from prunescope.data.dataset import Dataset
from prunescope.data.samples import Samples
from prunescope.errors import DataError


@pytest.fixture
def dots():
    """Four samples, whose images lie backwards among six."""
    return Dataset(
        name="dots",
        fingerprint="0",
        samples=Samples(
            pl.Series(["a", "b", "c", "d"]), ("Red",), np.array([[1], [0], [-1], [1]], np.int8)
        ),
        pixels=np.arange(6 * 3 * 4, dtype=np.uint8).reshape(6, 3, 2, 2),
        rows=np.array([5, 3, 2, 0]),
        splits=np.array(["train", "test", "train", "val"]),
    )


def test_images_follow_the_samples(dots):
    assert (len(dots), dots.size) == (4, 2)
    assert np.array_equal(dots.images(np.array([0, 3])), dots.pixels[[5, 0]])


def test_images_are_a_copy(dots):
    dots.images(np.array([0]))[:] = 0
    assert dots.pixels[5].any()


@pytest.mark.parametrize("positions", [np.array([3, 1]), np.array([False, True, False, True])])
def test_taking_keeps_labels_images_and_splits_together(dots, positions):
    taken = dots.take(positions)
    order = positions if positions.dtype != bool else np.flatnonzero(positions)
    assert taken.samples.ids.to_list() == [dots.samples.ids[int(i)] for i in order]
    assert taken.splits.tolist() == dots.splits[order].tolist()
    assert np.array_equal(taken.images(np.arange(2)), dots.images(order))
    assert taken.pixels is dots.pixels


def test_a_split_is_its_samples_in_order(dots):
    train = dots.split("train")
    assert train.samples.ids.to_list() == ["a", "c"]
    assert train.rows.tolist() == [5, 2]


def test_an_empty_split_is_an_error_that_names_the_others(dots):
    message = r"^dots has no sample in split 'dev': its splits are test, train, val$"
    with pytest.raises(DataError, match=message):
        dots.split("dev")
