import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.audit.affected import most_affected as most_affected_of
from prunescope.audit.affected import worst_first
from prunescope.predictions.batch import Batch


def most_affected(dense, sparse, limit):
    batch = Batch.of([dense, sparse])
    return most_affected_of(batch, dense.attributes, 0, 1, sparse.name, limit)


def test_the_largest_harm_comes_first_and_then_the_largest_move(build):
    labels = [[1, 1], [1, 0], [1, 1], [-1, -1], [1, 1]]
    dense = build(
        labels,
        [[2.0, 2.0], [1.0, -1.0], [-3.0, 1.0], [4.0, 4.0], [1.0, 1.0]],
        images=pl.Series([f"{i}.png" for i in range(5)]),
        names=("x", "y"),
    )
    sparse = build(
        labels,
        [[2.0, -2.0], [-1.0, 1.0], [3.0, 1.0], [-4.0, -4.0], [2.0, 0.5]],
        name="s",
        names=("x", "y"),
    )
    found = most_affected(dense, sparse, limit=9)
    assert [item.id for item in found] == ["s1", "s0", "s3", "s2"]
    assert [item.image for item in found] == ["1.png", "0.png", "3.png", "2.png"]
    assert {item.model for item in found} == {"s"}
    assert [[flip.attribute for flip in item.flips] for item in found] == [
        ["x", "y"],
        ["y"],
        ["x", "y"],
        ["x"],
    ]
    assert [[flip.harmful for flip in item.flips] for item in found] == [
        [True, True],
        [True],
        [False, False],
        [False],
    ]
    assert [flip.label for item in found for flip in item.flips] == [
        True,
        False,
        True,
        None,
        None,
        True,
    ]
    first = found[1].flips[0]
    assert (first.dense, first.compressed) == (0.8808, 0.1192)
    assert [item.id for item in most_affected(dense, sparse, limit=2)] == ["s1", "s0"]
    assert most_affected(dense, sparse, limit=0) == []
    assert most_affected(dense, dense, limit=9) == []


def test_harm_does_not_depend_on_how_far_the_answer_moved(build):
    dense, sparse = build([[1]], [[1e-9]]), build([[1]], [[-1e-9]])
    [item] = most_affected(dense, sparse, limit=5)
    assert (item.flips[0].dense, item.flips[0].compressed) == (0.5, 0.5)
    assert item.flips[0].harmful


def test_a_class_may_lose_though_its_probability_rose(build):
    dense = build([[1, 0, 0]], np.log([[0.4, 0.3, 0.3]]), task="multiclass")
    sparse = build([[1, 0, 0]], np.log([[0.45, 0.5, 0.05]]), task="multiclass")
    [item] = most_affected(dense, sparse, limit=5)
    assert {flip.attribute: flip.harmful for flip in item.flips} == {"a0": True, "a1": True}


def test_without_images(build):
    dense, sparse = build([[1]], [[1.0]]), build([[1]], [[-1.0]])
    assert most_affected(dense, sparse, limit=1)[0].image is None


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 20))
def test_every_flip_is_listed_once(draw, seed, n):
    dense, sparse = draw(seed, n=n, models=2)
    found = most_affected(dense, sparse, limit=n)
    told = {(item.id, flip.attribute) for item in found for flip in item.flips}
    flipped = np.argwhere(dense.decisions != sparse.decisions)
    assert told == {(f"s{row}", f"a{column}") for row, column in flipped}
    harm = [
        sum(abs(flip.dense - flip.compressed) for flip in item.flips if flip.harmful)
        for item in found
    ]
    assert harm == pytest.approx(sorted(harm, reverse=True), abs=1e-3)
    assert [item.harm for item in found] == pytest.approx(harm, abs=1e-3)
    assert worst_first(found[::-1]) == found or len({i.harm for i in found}) < len(found)


@given(seed=st.integers(0, 2**32 - 1), limit=st.integers(0, 6))
def test_a_limit_keeps_the_worst(draw, seed, limit):
    dense, sparse = draw(seed, n=20, models=2)
    every, some = (most_affected(dense, sparse, n) for n in (20, limit))
    assert [item.harm for item in some] == [item.harm for item in every[:limit]]
    assert [item.moved for item in some] == [item.moved for item in every[:limit]]
