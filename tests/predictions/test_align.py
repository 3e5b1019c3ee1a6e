from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.errors import DataError
from prunescope.predictions import align


def test_files_that_agree_stay_as_they_are(build):
    one = build([[1], [0]], [[1.0], [2.0]], name="one")
    two = build([[1], [0]], [[3.0], [4.0]], name="two")
    aligned, notes = align([one, two])
    assert notes == []
    assert [file.logits.tolist() for file in aligned] == [one.logits.tolist(), two.logits.tolist()]
    assert aligned[0].samples is aligned[1].samples


def test_one_file_alone(build):
    one = build([[1]], [[1.0]])
    assert align([one])[0][0].logits.tolist() == [[1.0]]


def test_another_order_is_joined_by_id_and_told(build):
    one = build([[1], [0], [0]], [[1.0], [2.0], [3.0]], ids=["a", "b", "c"], name="one")
    two = build([[0], [1], [0]], [[30.0], [10.0], [20.0]], ids=["c", "a", "b"], name="two")
    aligned, notes = align([one, two])
    assert aligned[1].logits[:, 0].tolist() == [10.0, 20.0, 30.0]
    assert aligned[1].samples.ids.to_list() == ["a", "b", "c"]
    assert notes == ["two: samples stood in another order; joined by id"]


def test_samples_that_not_every_file_has_are_left_out_and_told(build):
    one, two, three = (
        build(
            [[i] for i in labels],
            [[float(ord(i))] for i in ids],
            ids=list(ids),
            name=ids,
            groups={"g": [f"g{i}" for i in ids]},
        )
        for ids, labels in (("abcd", (0, 1, 0, 1)), ("dcb", (1, 0, 1)), ("xbd", (0, 1, 1)))
    )
    aligned, notes = align([one, two, three])
    assert [file.samples.ids.to_list() for file in aligned] == [["b", "d"]] * 3
    assert [file.logits[:, 0].tolist() for file in aligned] == [[98.0, 100.0]] * 3
    assert aligned[0].samples.labels[:, 0].tolist() == [1, 1]
    assert aligned[0].samples.groups["g"].to_series("g").to_list() == ["gb", "gd"]
    assert notes == [
        "abcd: 2 of 4 samples left out, because not every file has them",
        "dcb: 1 of 3 samples left out, because not every file has them",
        "xbd: 1 of 3 samples left out, because not every file has them",
    ]


def test_attributes_in_another_order_are_arranged(build):
    one = build([[1, 0]], [[1.0, 2.0]], names=("x", "y"))
    two = build([[0, 1]], [[20.0, 10.0]], names=("y", "x"))
    aligned, _ = align([one, two])
    assert aligned[1].attributes == ("x", "y")
    assert aligned[1].logits.tolist() == [[10.0, 20.0]]
    assert aligned[1].thresholds is None


def test_thresholds_stay_with_their_attributes(build):
    one = build([[1, 0]] * 2, [[1.0, 2.0]] * 2, names=("x", "y"), ids=["a", "b"])
    two = build([[0, 1]] * 2, [[20.0, 10.0]] * 2, names=("y", "x"), ids=["b", "a"])
    one, two = (replace(model, thresholds=np.array([5.0, 15.0])) for model in (one, two))
    aligned, _ = align([one, two])
    assert [model.thresholds.tolist() for model in aligned] == [[5.0, 15.0], [15.0, 5.0]]
    assert aligned[1].decisions.tolist() == [[False, True]] * 2


@given(seed=st.integers(0, 2**32 - 1))
def test_shuffling_a_file_changes_nothing(draw, seed):
    one, two = draw(seed, n=12, models=2)
    rng = np.random.default_rng(seed)
    aligned, _ = align([one, two.take(rng.permutation(12))])
    assert aligned[1].logits.tolist() == two.logits.tolist()
    assert aligned[1].samples.labels.tolist() == one.samples.labels.tolist()
    for name, group in one.samples.groups.items():
        assert aligned[1].samples.groups[name].codes.tolist() == group.codes.tolist()


def test_a_label_that_one_file_lacks_is_taken_from_the_other(build):
    one = build([[-1, 1], [0, -1]], [[1.0, 1.0]] * 2)
    two = build([[1, -1], [0, -1]], [[2.0, 2.0]] * 2)
    aligned, _ = align([one, two])
    assert [file.samples.labels.tolist() for file in aligned] == [[[1, 1], [0, -1]]] * 2


def test_what_one_file_lacks_is_taken_from_the_others(build):
    who = {"who": ["p", "q"]}
    one = build([[1], [0]], [[1.0]] * 2, groups={"g": [None, "y"], "all": [None, None]})
    two = build(
        [[1], [0]],
        [[1.0]] * 2,
        groups={"g": ["x", None], "all": [3, None], **who},
        cluster="who",
        images=pl.Series(["0.png", "1.png"]),
    )
    samples = align([one, two])[0][0].samples
    assert samples.groups["g"].to_series("g").to_list() == ["x", "y"]
    assert samples.groups["all"].to_series("all").to_list() == [3, None]
    assert samples.groups["who"].values == ("p", "q")
    assert samples.cluster == "who"
    assert samples.images.to_list() == ["0.png", "1.png"]


def test_values_of_left_out_samples_stay(build):
    one = build([[1], [0]], [[1.0]] * 2, ids=["a", "b"], groups={"g": ["x", "y"]})
    two = build([[1]], [[1.0]], ids=["a"], groups={"g": ["x"]})
    assert align([one, two])[0][1].samples.groups["g"].values == ("x", "y")


def test_files_without_a_common_id_are_refused(build):
    one = build([[1]], [[1.0]], ids=["a.png"], name="one")
    two = build([[1]], [[1.0]], ids=["a"], name="two")
    message = (
        r"^one, two share no sample. Ids look like 'a.png', 'a': make them agree. They match "
        r"without the suffix of a file: drop that from the ids of one, so that 'a.png' becomes 'a'$"
    )
    with pytest.raises(DataError, match=message):
        align([one, two])
    three = build([[1]], [[1.0]], ids=["b"], name="three")
    with pytest.raises(DataError, match=r"Ids look like 'a.png', 'b': make them agree$"):
        align([one, three])


def test_the_pair_that_shares_no_id_is_explained(build):
    one = build([[1]] * 2, [[1.0]] * 2, ids=["1", "2"], name="one")
    two = build([[1]] * 2, [[1.0]] * 2, ids=["2", "3"], name="two")
    three = build([[1]] * 2, [[1.0]] * 2, ids=["1.0", "2.0"], name="three")
    with pytest.raises(DataError, match=r"drop that from the ids of three, so that '1.0' becomes"):
        align([one, two, three])
    four = build([[1]] * 2, [[1.0]] * 2, ids=["1", "9"], name="four")
    with pytest.raises(DataError, match=r"Ids look like '1', '2', '1': make them agree$"):
        align([one, two, four])


def test_other_attributes_are_refused(build):
    one = build([[1, 0]], [[1.0, 0.0]], names=("x", "y"), name="one")
    two = build([[1, 0]], [[1.0, 0.0]], names=("y", "z"), name="two")
    message = r"^the attributes of one and two differ: two lacks x; one lacks z\. Drop or rename"
    with pytest.raises(DataError, match=message):
        align([one, two])


def test_another_task_is_refused(build):
    one = build([[1, 0]], [[1.0, 0.0]], name="one")
    two = build([[1, 0]], [[1.0, 0.0]], name="two", task="multiclass")
    with pytest.raises(DataError, match="one is multilabel and two is multiclass: expected two mo"):
        align([one, two])


def test_labels_that_contradict_each_other_are_refused(build):
    one = build([[1], [0]], [[1.0]] * 2, name="one", names=("Bald",))
    two = build([[1], [1]], [[1.0]] * 2, name="two", names=("Bald",))
    message = r"^one and two disagree on 1 labels, for example on 'Bald' of id 's1': expected one"
    with pytest.raises(DataError, match=message):
        align([one, two])


def test_groups_that_contradict_each_other_are_refused(build):
    one = build([[1], [0]], [[1.0]] * 2, name="one", groups={"g": [1, 2]})
    two = build([[1], [0]], [[1.0]] * 2, name="two", groups={"g": [1, 3]})
    with pytest.raises(DataError, match="one and two disagree on the values of group 'g' for 1 sa"):
        align([one, two])


@pytest.mark.parametrize(("column", "kind"), [(["True", "False"], "str"), ([1, 0], "int")])
def test_groups_of_different_types_are_refused(build, column, kind):
    one = build([[1], [0]], [[1.0]] * 2, name="one", groups={"g": [True, False]})
    two = build([[1], [0]], [[1.0]] * 2, name="two", groups={"g": column})
    message = rf"^group 'g' holds bool and {kind} values in one and two: expected one type$"
    with pytest.raises(DataError, match=message):
        align([one, two])
