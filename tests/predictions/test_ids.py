import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from prunescope.predictions.ids import explain, hash_texts


def why(mine, theirs):
    return explain(pl.Series(mine), pl.Series(theirs), "one", "two")


@pytest.mark.parametrize(
    ("mine", "theirs", "part", "change"),
    [
        (["1.jpg", "2.JPG"], ["2", "1"], "the suffix of a file", "'1.jpg' becomes '1'"),
        (["a.b.png"], ["a.b"], "the suffix of a file", "'a.b.png' becomes 'a.b'"),
        (["x/y/1", "x/y/2"], ["1", "2"], "the folder before the name", "'x/y/1' becomes '1'"),
        (["x\\1"], ["1"], "the folder before the name", "'x\\\\1' becomes '1'"),
        (["1.0", "2.0"], ["1", "2"], "'.0' behind a whole number", "'1.0' becomes '1'"),
        (["007", "010"], ["7", "10"], "zeros before a number", "'007' becomes '7'"),
        (["000"], ["0"], "zeros before a number", "'000' becomes '0'"),
    ],
)
def test_the_part_that_keeps_ids_apart_is_named(mine, theirs, part, change):
    text = f". They match without {part}: drop that from the ids of one, so that {change}"
    assert why(mine, theirs) == text
    assert why(theirs, mine) == text.replace("of one", "of two")


def test_several_parts_may_differ():
    assert why(["x/1.jpg", "x/2.jpg"], ["1", "2"]) == (
        ". They match without the folder before the name and the suffix of a file: drop that from "
        "the ids of one, so that 'x/1.jpg' becomes '1'"
    )
    assert why(["x/1"], ["y/1"]) == (
        ". They match without the folder before the name: drop that from the ids of one and two, "
        "so that 'x/1' becomes '1'"
    )


def test_all_parts_may_differ_at_once():
    assert "'x/007.0.png' becomes '7'" in why(["x/007.0.png"], ["7"])


def test_an_id_that_has_the_part_is_shown():
    assert "'2.jpg' becomes '2'" in why(["1", "2.jpg"], ["2", "3"])


def test_half_of_the_shorter_file_must_match():
    assert why(["1.jpg", "2.jpg", "3.jpg"], ["1", "9"])
    assert why(["1.jpg", "2.jpg"], ["1", "8", "9"])
    assert not why(["1.jpg", "2.jpg", "3.jpg"], ["1", "8", "9"])


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (["a"], ["b"]),
        (["a.txt"], ["a"]),
        (["1.5"], ["1"]),
        (["x/1", "y/1"], ["1", "2"]),  # would no longer be unique
        (["0x1"], ["x1"]),
    ],
)
def test_other_differences_are_not_explained(mine, theirs):
    assert why(mine, theirs) == ""


@given(
    st.lists(st.from_regex(r"[a-z]{1,5}", fullmatch=True), min_size=1, unique=True),
    st.sampled_from([("img/", ""), ("", ".png"), ("a/b/", ".jpeg")]),
)
def test_the_change_that_is_named_makes_ids_agree(names, around):
    before, after = around
    text = why([before + name + after for name in names], names)
    assert f"so that {before + names[0] + after!r} becomes {names[0]!r}" in text


def by_hand(text, salt=0):
    """Hash a text as documented, number by number."""
    whole, golden = 2**64 - 1, 0x9E3779B97F4A7C15

    def mixed(x):
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & whole
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & whole
        return x ^ (x >> 31)

    data = text.encode()
    found = mixed((len(data) + (salt << 32) + golden) & whole)
    for at in range(0, len(data), 8):
        word = int.from_bytes(data[at : at + 8].ljust(8, b"\0"), "little")
        found = (mixed(found ^ word) + golden) & whole
    return mixed(found)


@given(st.lists(st.text(max_size=40), max_size=12), st.integers(0, 3))
def test_texts_hash_as_documented(texts, salt):
    found = hash_texts(pl.Series(texts, dtype=pl.String), salt).tolist()
    assert found == [by_hand(text, salt) for text in texts]


def test_hashes_stay_as_they_are():
    """Another value would deal samples into other blocks than earlier versions did."""
    found = hash_texts(pl.Series(["face-0001.png", ""])).tolist()
    assert found == [18319137616357418326, 5197578548964807871]


def test_hashes_look_random():
    hashes = hash_texts(pl.Series(np.arange(100_000)))
    assert len(set(hashes.tolist())) == 100_000
    for shift in range(0, 64, 4):
        counts = np.bincount((hashes >> np.uint64(shift)).astype(np.int64) & 15, minlength=16)
        assert chisquare(counts).pvalue > 1e-6
    other = hash_texts(pl.Series(np.arange(100_000)), salt=1)
    assert not np.intersect1d(hashes, other).size
