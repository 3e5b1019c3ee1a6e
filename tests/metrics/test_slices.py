import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.errors import ConfigError
from prunescope.metrics import Slices


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 30))
def test_members_are_the_samples_with_each_value(draw, seed, n):
    samples = draw(seed, n=n).samples
    slices = Slices.of(samples)
    members = [rows.tolist() for rows in slices.members(samples)]
    assert members[0] == list(range(n))
    for index in range(1, len(slices)):
        group = samples.groups[slices.groups[index]]
        told = group.to_series("g").to_list()
        assert members[index] == [row for row in range(n) if told[row] == slices.values[index]]


def test_a_group_without_any_value_does_not_shift_the_others(build):
    groups = {"first": ["x", "y"], "none": [None, None], "last": [True, False]}
    samples = build([[1], [0]], [[0.0], [0.0]], groups=groups).samples
    slices = Slices.of(samples)
    assert slices.group_names() == ["first", "last"]
    assert [rows.tolist() for rows in slices.members(samples)] == [[0, 1], [0], [1], [1], [0]]
    assert slices.of_group("last") == slice(3, 5)


def test_groups_are_chosen_in_the_order_asked_and_once(draw):
    samples = draw(0).samples
    slices = Slices.of(samples, ["town", "Male", "town"])
    assert slices.groups == (None, "town", "town", "town", "Male", "Male")
    assert slices.of_group("Male") == slice(4, 6)
    assert slices.group_names() == ["town", "Male"]
    assert Slices.of(samples, []).groups == (None,)


def test_the_cluster_is_no_slice_unless_asked_for(build):
    samples = build([[1]], [[0.0]], groups={"who": ["p"], "g": [1]}, cluster="who").samples
    assert Slices.of(samples).group_names() == ["g"]
    assert Slices.of(samples, ["who"]).group_names() == ["who"]


def test_an_absent_side_of_a_boolean_group_is_an_empty_slice(build):
    samples = build([[1]], [[0.0]], groups={"g": [True]}).samples
    slices = Slices.of(samples)
    assert slices.values == (None, False, True)
    assert [len(rows) for rows in slices.members(samples)] == [1, 0, 1]


def test_an_unknown_group_is_an_error_that_names_the_nearest(draw):
    with pytest.raises(ConfigError, match=r"^unknown group 'Mael': did you mean Male\?"):
        Slices.of(draw(0).samples, ["Mael"])


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 30), joint=st.booleans())
def test_cells_of_partitions_make_up_the_slices(draw, seed, n, joint):
    samples = draw(seed, n=n).samples
    slices = Slices.of(samples)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prunescope.metrics.slices.MOST_CELLS", 128 if joint else 1)
        partitions = slices.partitions()
    assert len(partitions) == 1 or not joint
    counted = np.zeros(len(slices))
    for partition in partitions:
        cells = partition.cells(samples.groups, n)
        counted += partition.membership @ np.bincount(
            cells, minlength=partition.membership.shape[1]
        )
        assert partition.membership.shape == (len(slices), np.prod(partition.shape))
    assert counted.tolist() == [len(rows) for rows in slices.members(samples)]


def test_without_groups_there_is_one_cell(draw):
    samples = draw(0).samples
    [partition] = Slices.of(samples, []).partitions()
    assert partition.membership.tolist() == [[True]]
    assert partition.cells(samples.groups, 3).tolist() == [0, 0, 0]
