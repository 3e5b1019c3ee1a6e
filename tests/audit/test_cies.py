import warnings
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ConstantInputWarning, spearmanr

from prunescope.audit import cies
from prunescope.audit.cies import CIE_SCHEMA
from prunescope.errors import ConfigError, DataError
from prunescope.metrics import agreement as agreeing
from prunescope.metrics.agreement import Population, lowest_agreement

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 20)
MODELS = st.integers(1, 5)


def modal_answers(models):
    return Population(models).modal_answers


def mean_probabilities(models):
    return Population(models).mean_probabilities


def label_may_be_wrong(models, *confidence):
    return Population(models).label_may_be_wrong(*confidence)


def find_cies(dense, sparse):
    return cies.find_cies(Population(dense), Population(sparse))


def list_cies(dense, sparse, **options):
    return cies.list_cies(Population(dense), Population(sparse), **options)


def rank_agreement(dense, sparse):
    return agreeing.rank_agreement(Population(dense), Population(sparse))


def population(draw, seed, n, models, a=3):
    drawn = draw(seed, n=n, a=a, models=models)
    return drawn if isinstance(drawn, list) else [drawn]


@pytest.fixture(scope="module")
def draw_classes(build):
    """Return a function that draws models of a multi-class task, some labels unknown."""

    def make(seed, n, models, k=3):
        rng = np.random.default_rng(seed)
        labels = np.eye(k, dtype=np.int8)[rng.integers(0, k, n)]
        labels[rng.random(n) < 0.2] = -1
        names = tuple("xyzuvw"[:k])
        return [
            build(
                labels,
                np.round(rng.normal(0, 3, (n, k))),
                task="multiclass",
                names=names,
                name=f"m{i}",
            )
            for i in range(models)
        ]

    return make


@pytest.fixture(scope="module")
def models(build):
    """Return a function that builds one model for each matrix of logits."""

    def make(labels, *logits, **options):
        return [build(labels, z, name=f"m{i}", **options) for i, z in enumerate(logits)]

    return make


# Modal answers


def test_the_modal_answer_is_that_of_most_models(models):
    three = models([[1, 1]] * 2, [[1, 1], [1, -1]], [[-1, 1], [-1, -1]], [[-1, 1], [1, -1]])
    assert modal_answers(three).tolist() == [[0, 1], [1, 0]]
    assert modal_answers(three).dtype == np.int8
    assert Population(three).yes_share.round(3).tolist() == [[0.333, 1], [0.667, 0]]
    assert modal_answers(three[:2]).tolist() == [[-1, 1], [-1, 0]]
    assert modal_answers(three[:1]).tolist() == [[1, 1], [1, 0]]
    assert modal_answers(three + three[:2]).tolist() == [[0, 1], [1, 0]]


def test_the_modal_class_needs_no_majority(models):
    a, b, c = [3, 0, 0], [0, 3, 0], [0, 0, 3]
    four = models([[1, 0, 0]] * 3, [a, a, a], [a, b, b], [b, c, b], [c, c, a], task="multiclass")
    assert modal_answers(four).tolist() == [[1, 0, 0], [0, 0, 1], [-1, -1, -1]]


@given(seed=SEEDS, n=SIZES, count=MODELS)
def test_modal_answers_equal_a_count_of_votes(draw, draw_classes, seed, n, count):
    several = population(draw, seed, n, count)
    modal = modal_answers(several)
    for row, column in np.ndindex(modal.shape):
        votes = [bool(model.decisions[row, column]) for model in several]
        yes, no = votes.count(True), votes.count(False)
        assert modal[row, column] == (-1 if yes == no else int(yes > no))
    of_classes = draw_classes(seed, n, count)
    modal = modal_answers(of_classes)
    for row in range(n):
        votes = Counter(int(model.decisions[row].argmax()) for model in of_classes)
        winners = [k for k, v in votes.items() if v == max(votes.values())]
        wanted = [-1] * 3 if len(winners) > 1 else [int(k == winners[0]) for k in range(3)]
        assert modal[row].tolist() == wanted


# CIEs


def test_cies_by_hand(models):
    labels = [[1], [0], [0], [-1], [1], [1]]
    dense = models(
        labels, *([[1], [1], [-1], [1], [1], [-1]],) * 2, [[1], [-1], [1], [-1], [1], [1]]
    )
    sparse = models(labels, [[-1], [-1], [1], [-1], [1], [1]], [[-1], [-1], [1], [-1], [-1], [1]])
    found = find_cies(dense, sparse)
    assert found.dense[:, 0].tolist() == [1, 1, 0, 1, 1, 0]
    assert found.compressed[:, 0].tolist() == [0, 0, 1, 0, -1, 1]
    assert found.compared[:, 0].tolist() == [True, True, True, True, False, True]
    assert found.cie[:, 0].tolist() == [True, True, True, True, False, True]
    assert found.harmful[:, 0].tolist() == [True, False, True, False, False, False]
    shares = [side.yes_share[:, 0].round(3).tolist() for side in found.populations]
    assert shares == [[1, 0.667, 0.333, 0.667, 1, 0.333], [0, 0, 1, 0, 0.5, 1]]
    assert [len(side) for side in found.populations] == [3, 2]


@given(seed=SEEDS, n=SIZES, n_dense=MODELS, n_compressed=MODELS)
def test_cies_equal_a_loop(draw, seed, n, n_dense, n_compressed):
    every = population(draw, seed, n, n_dense + n_compressed)
    dense, sparse = every[:n_dense], every[n_dense:]
    found, back = find_cies(dense, sparse), find_cies(sparse, dense)
    labels = dense[0].samples.labels
    for cell in np.ndindex(labels.shape):
        yes = [sum(bool(m.decisions[cell]) for m in side) for side in (dense, sparse)]
        compared = 2 * yes[0] != n_dense and 2 * yes[1] != n_compressed
        answers = 2 * yes[0] > n_dense, 2 * yes[1] > n_compressed
        cie = compared and answers[0] != answers[1]
        assert found.compared[cell] == compared
        assert found.cie[cell] == cie == back.cie[cell]
        assert found.harmful[cell] == (cie and labels[cell] >= 0 and answers[0] == labels[cell])
    assert not (found.harmful & back.harmful).any()
    assert not find_cies(dense, dense[::-1]).cie.any()


@given(seed=SEEDS, n=SIZES)
def test_with_one_model_a_side_a_cie_is_a_flip(draw, draw_classes, seed, n):
    for one, other in (draw(seed, n=n, models=2), draw_classes(seed, n, 2)):
        found = find_cies([one], [other])
        flipped = one.decisions != other.decisions
        assert found.compared.all()
        assert np.array_equal(found.cie, flipped)
        assert np.array_equal(found.harmful, flipped & (one.decisions == one.samples.labels))


def test_a_class_that_changed_is_a_cie_of_two_columns(models):
    dense = models([[1, 0, 0]], [[3, 0, 0]], task="multiclass")
    sparse = models([[1, 0, 0]], [[0, 0, 3]], task="multiclass")
    found = find_cies(dense, sparse)
    assert found.cie.tolist() == [[True, False, True]]
    assert found.harmful.tolist() == [[True, False, True]]


@pytest.mark.parametrize(
    "call",
    [
        find_cies,
        rank_agreement,
        lambda dense, sparse: list_cies(dense, sparse, name="s"),
    ],
)
def test_populations_must_be_there_and_fit(models, call):
    one = models([[1, 0]], [[1, 1]])
    with pytest.raises(ConfigError, match="no model: expected at least one"):
        call([], one)
    with pytest.raises(ConfigError, match="no model: expected at least one"):
        call(one, [])
    others = (
        models([[1, 0]], [[1, 1]], ids=["other"]),
        models([[1, 0]], [[1, 1]], names=("a1", "a0")),
        models([[1, 0]], [[1, 1]], task="multiclass"),
        models([[1, 0]] * 2, [[1, 1]] * 2),
    )
    for other in others:
        with pytest.raises(DataError, match=r"m0 and m0 differ in samples.*predictions\.align"):
            call(one, other)
        with pytest.raises(DataError, match="differ in samples"):
            call(one + other, one)


# Rank agreement


def agreement_of(left, right):
    """Spearman's correlation row by row, as scipy gives it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantInputWarning)
        return np.array([spearmanr(x, y).statistic for x, y in zip(left, right, strict=True)])


@given(seed=SEEDS, n=SIZES, count=MODELS, a=st.integers(2, 9))
def test_rank_agreement_equals_scipy(draw, seed, n, count, a):
    every = population(draw, seed, n, 2 * count, a)
    dense, sparse = every[:count], every[count:]
    means = mean_probabilities(dense), mean_probabilities(sparse)
    wanted = agreement_of(*means)
    assert rank_agreement(dense, sparse) == pytest.approx(wanted, abs=1e-9, nan_ok=True)
    assert means[0] == pytest.approx(np.mean([model.probabilities for model in dense], axis=0))


def test_probabilities_are_averaged_not_logits(models):
    labels = [[0, 0, 0]]
    # Mean logits order the attributes 0 < 1 < 2, mean probabilities 2 < 0 < 1.
    dense = models(labels, [[1.0, 1.1, 9.0]], [[1.0, 1.1, -6.0]])
    sparse = models(labels, [[1.0, 2.0, 0.0]])
    assert rank_agreement(dense, sparse).tolist() == [1.0]


def test_no_agreement_without_an_order(models):
    constant = models([[0, 0, 0]] * 2, [[1, 1, 1], [1, 2, 3]])
    varied = models([[0, 0, 0]] * 2, [[1, 2, 3], [3, 2, 1]])
    assert rank_agreement(constant, varied).tolist() == pytest.approx([np.nan, -1], nan_ok=True)
    lone = models([[0]] * 2, [[1], [2]])
    assert np.isnan(rank_agreement(lone, lone)).all()


@given(seed=SEEDS, a=st.integers(2, 400))
def test_one_order_agrees_exactly(models, seed, a):
    rng = np.random.default_rng(seed)
    logits = rng.permuted(np.tile(np.linspace(-2, 2, a), (5, 1)), axis=1)
    one, other = models(np.zeros((5, a)), logits, 2 * logits + 1)
    assert rank_agreement([one], [other]).tolist() == [1.0] * 5


@given(
    values=st.lists(st.sampled_from([-1.0, -0.5, 0.1, 0.9, 1.0, np.nan]), max_size=40),
    percent=st.integers(0, 100),
)
def test_the_lowest_share_is_marked(values, percent):
    marked = lowest_agreement(np.array(values), percent / 100)
    known = [(value, row) for row, value in enumerate(values) if not np.isnan(value)]
    changed = [item for item in sorted(known) if item[0] < 1]
    wanted = {row for _, row in changed[: len(known) * percent // 100]}
    assert set(np.flatnonzero(marked)) == wanted


def test_how_many_are_lowest():
    agreement = np.linspace(-1, 0.9, 100)
    assert lowest_agreement(agreement).sum() == 5
    assert lowest_agreement(agreement[:39]).sum() == 1  # ⌊1.95⌋
    assert lowest_agreement(agreement[:19]).sum() == 0
    assert lowest_agreement(agreement, 0.29).sum() == 29  # in binary 0.29 · 100 < 29
    assert lowest_agreement(np.ones(100), 1.0).sum() == 0
    assert lowest_agreement(np.zeros(4), 0.5).tolist() == [True, True, False, False]


@pytest.mark.parametrize("share", [-0.1, 1.5, np.nan])
def test_a_share_is_a_share(share):
    with pytest.raises(ConfigError, match=f"share is {share}: expected a share of the samples"):
        lowest_agreement(np.zeros(3), share)


# Labels


def logit(p):
    return np.log(p / (1 - p))


def test_a_label_is_doubted_if_every_model_contradicts_it_with_confidence(models):
    labels = [[1], [0], [1], [0], [-1], [1], [1]]
    one = [[logit(0.05)], [logit(0.95)], [3], [3], [9], [logit(0.05)], [-9]]
    two = [[logit(0.08)], [logit(0.92)], [3], [-3], [9], [logit(0.2)], [9]]
    pair = models(labels, one, two)
    marked = label_may_be_wrong(pair)[:, 0].tolist()
    assert marked == [True, True, False, False, False, False, False]
    assert label_may_be_wrong(pair, 0.93)[:, 0].tolist() == [False] * 7
    assert label_may_be_wrong(pair, 0.8)[:, 0].tolist() == [True, True] + [False] * 3 + [
        True,
        False,
    ]
    assert label_may_be_wrong(pair[:1], 0.9)[:, 0].tolist() == [
        True,
        True,
        False,
        True,
        False,
        True,
        True,
    ]


def test_the_confidence_is_reached_not_passed(models):
    certain = models([[1], [0]], [[-100], [100]])
    assert label_may_be_wrong(certain, 1.0)[:, 0].tolist() == [True, True]
    half = models([[1], [0]], [[0], [0]])  # a logit of 0 is answered "no", with 0.5
    assert label_may_be_wrong(half, 0.5)[:, 0].tolist() == [True, False]


def test_a_class_is_doubted_if_every_model_chooses_the_same_other(models):
    labels = [[1, 0, 0]] * 4 + [[-1, -1, -1]]
    x, y, z = [9, 0, 0], [0, 9, 0], [0, 0, 9]
    unsure = [0, 1, 0]
    pair = models(labels, [y, y, x, y, y], [y, z, x, unsure, y], task="multiclass")
    assert label_may_be_wrong(pair).tolist() == [[True, True, False]] + [[False] * 3] * 4
    assert label_may_be_wrong(pair, 0.5)[3].tolist() == [True, True, False]


@given(seed=SEEDS, n=SIZES, count=MODELS, confidence=st.sampled_from([0.3, 0.5, 0.8, 0.95]))
def test_doubted_labels_equal_a_loop(draw, draw_classes, seed, n, count, confidence):
    several = population(draw, seed, n, count)
    marked = label_may_be_wrong(several, confidence)
    for cell in np.ndindex(marked.shape):
        label = several[0].samples.labels[cell]
        against = [
            (m.logits[cell] > 0) != label
            and (m.probabilities[cell] if label == 0 else 1 - m.probabilities[cell]) >= confidence
            for m in several
        ]
        assert marked[cell] == (label >= 0 and all(against))
    several = draw_classes(seed, n, count)
    marked = label_may_be_wrong(several, confidence)
    for row in range(n):
        label = several[0].samples.labels[row]
        chosen = {int(m.probabilities[row].argmax()) for m in several}
        sure = all(m.probabilities[row].max() >= confidence for m in several)
        wanted = set()
        if label[0] >= 0 and sure and len(chosen) == 1 and label.argmax() not in chosen:
            wanted = {int(label.argmax()), *chosen}
        assert set(np.flatnonzero(marked[row])) == wanted


@pytest.mark.parametrize("confidence", [0.0, 1.1, np.nan])
def test_a_confidence_is_a_probability(models, confidence):
    with pytest.raises(ConfigError, match=f"confidence is {confidence}: expected a probability"):
        label_may_be_wrong(models([[1]], [[1]]), confidence)


# The list


def test_the_list_by_hand(models):
    labels = [[1, 0, 0], [-1, 1, 0], [1, 0, 1]]
    options = {
        "names": ("Bald", "Hat", "Old"),
        "images": pl.Series(["0.png", "1.png", "2.png"]),
        "ids": ["a", "b", "c"],
    }
    usual = [[0.8, 0.05, 0.1], [0.8, 0.9, 0.1], [0.08, 0.02, 0.3]]
    once = [[0.2, 0.05, 0.1], *usual[1:]]
    pruned = [[0.3, 0.05, 0.1], [0.3, 0.9, 0.4], [0.9, 0.4, 0.3]]
    dense = models(labels, *map(logit, map(np.array, (usual, usual, once))), **options)
    sparse = models(labels, logit(np.array(pruned)), **options)
    found = list_cies(dense, sparse, name="95%", share=0.7)
    assert found.schema == pl.Schema(CIE_SCHEMA)
    modal = ("95%", "modal")
    ranked = ("95%", "rank_correlation")
    assert found.select(pl.exclude(pl.Float64)).rows() == [
        (*modal, "c", "2.png", "Bald", "True", "False", "True", False, True),
        (*modal, "b", "1.png", "Bald", None, "True", "False", None, False),
        (*modal, "a", "0.png", "Bald", "True", "True", "False", True, False),
        (*ranked, "c", "2.png", None, None, None, None, None, True),
        (*ranked, "b", "1.png", None, None, None, None, None, False),
    ]
    assert found.select(pl.col(pl.Float64).round(6)).rows() == [
        (0, 1, 0.08, 0.9, -0.5),
        (1, 0, 0.8, 0.3, 0.5),
        (0.666667, 0, 0.6, 0.3, 1),
        (None, None, None, None, -0.5),
        (None, None, None, None, 0.5),
    ]


def test_the_list_of_classes_by_hand(models):
    labels = [[1, 0, 0], [-1, -1, -1], [0, 1, 0], [0, 1, 0]]
    cat, dog, fox, doubt = [4, 0, -1], [0, 4, -1], [0, -1, 4], [0, 0.5, -1]
    options = {"names": ("cat", "dog", "fox"), "ids": list("abcd"), "task": "multiclass"}
    dense = models(labels, [cat, dog, fox, cat], [cat, dog, fox, fox], **options)
    sparse = models(labels, [dog, fox, cat, dog], [doubt, fox, cat, dog], **options)
    found = list_cies(dense, sparse, name="int8", share=1.0)
    modal, ranked = found[:3], found[3:]
    words = ("definition", "id", "image", "attribute", "label", "dense", "compressed", "harmful")
    assert modal.select(words).rows() == [
        ("modal", "b", None, None, None, "dog", "fox", None),
        ("modal", "c", None, None, "dog", "fox", "cat", False),
        ("modal", "a", None, None, "cat", "cat", "dog", True),
    ]
    rows = {row["id"]: row for row in ranked.iter_rows(named=True)}
    assert [rows["d"][word] for word in words[4:]] == ["dog", None, "dog", None]
    assert [rows["a"][word] for word in words[4:]] == ["cat", "cat", "dog", True]
    assert (rows["a"]["dense_share"], rows["a"]["compressed_share"]) == (1, 0)
    assert rows["d"]["dense_share"] is rows["d"]["compressed_probability"] is None
    assert set(ranked["definition"]) == {"rank_correlation"}
    first = modal.row(2, named=True)  # "yes" is the class that was lost
    assert (first["dense_share"], first["compressed_share"]) == (1, 0)
    probabilities = [np.mean([m.probabilities[0, 0] for m in side]) for side in (dense, sparse)]
    assert first["dense_probability"] == pytest.approx(probabilities[0])
    assert first["compressed_probability"] == pytest.approx(probabilities[1])
    assert modal["label_may_be_wrong"].to_list() == [False, True, False]


@given(seed=SEEDS, n=SIZES, count=MODELS, share=st.sampled_from([0.0, 0.3, 1.0]))
def test_the_list_holds_every_cie_once(draw, draw_classes, seed, n, count, share):
    every = population(draw, seed, n, 2 * count)
    for both, one_row_each in ((every, False), (draw_classes(seed, n, 2 * count), True)):
        dense, sparse = both[:count], both[count:]
        found = find_cies(dense, sparse)
        listed = list_cies(dense, sparse, name="s", share=share)
        assert listed.schema == pl.Schema(CIE_SCHEMA)
        modal = listed.filter(definition="modal")
        cells = {(f"s{row}", column) for row, column in np.argwhere(found.cie)}
        if one_row_each:
            assert set(modal["id"]) == {row for row, _ in cells}
            assert modal["id"].is_unique().all()
            assert modal["attribute"].null_count() == modal.height
            assert (modal["dense"] != modal["compressed"]).all()
        else:
            names = dense[0].attributes
            assert set(modal.select("id", "attribute").rows()) == {(i, names[c]) for i, c in cells}
            assert modal.height == len(cells) == found.cie.sum()
            assert modal["harmful"].sum() == found.harmful.sum()
            right = pl.col("label") == pl.col("dense")
            assert modal.select((right == pl.col("harmful")).all()).item()
            doubted = label_may_be_wrong(dense)
            for row in modal.iter_rows(named=True):
                cell = int(row["id"][1:]), names.index(row["attribute"])
                assert row["label_may_be_wrong"] == doubted[cell]
                assert row["dense_share"] == pytest.approx(found.populations[0].yes_share[cell])
                assert (row["dense"] == "True") == (row["dense_share"] > 0.5)
        agreement = rank_agreement(dense, sparse)
        ranked = listed.filter(definition="rank_correlation")
        marked = np.flatnonzero(lowest_agreement(agreement, share))
        assert sorted(ranked["id"]) == sorted(f"s{row}" for row in marked)
        assert ranked["rank_correlation"].is_sorted()
        assert listed["definition"].is_sorted()
        rows = [int(i[1:]) for i in listed["id"]]
        told = listed["rank_correlation"].fill_null(np.nan).to_numpy()
        assert np.array_equal(told, agreement[rows], equal_nan=True)
        moved = (modal["dense_share"] - modal["compressed_share"]).abs().round(6)
        assert moved.is_sorted(descending=True)


def test_equal_shares_are_ordered_by_probability_whatever_their_rounding(models):
    # Shares move by 1 - 1/3 and by 2/3 - 0, the same but for the last digit.
    assert 1 - 1 / 3 > 2 / 3 - 0
    labels = [[1], [1]]
    dense = models(labels, [[0.1], [2]], [[0.1], [2]], [[0.1], [-2]])
    sparse = models(labels, [[0.1], [-2]], [[-0.1], [-2]], [[-0.1], [-2]])
    assert list_cies(dense, sparse, name="s")["id"].to_list() == ["s1", "s0"]


def test_nothing_changed_nothing_listed(models):
    same = models([[1, 0, 1]] * 3, [[1, -2, 3]] * 3, [[2, -2, 3]] * 3)
    found = list_cies(same, same[::-1], name="s", share=1.0)
    assert found.height == 0
    assert found.schema == pl.Schema(CIE_SCHEMA)


def test_settings_of_the_list_are_used(models):
    dense = models([[1, 0, 0]] * 4, [[-3, 1, 2]] * 4)
    sparse = models([[1, 0, 0]] * 4, [[3, 1, 2]] * 4)
    found = list_cies(dense, sparse, name="s", share=0.5, confidence=0.99)
    assert found["label_may_be_wrong"].sum() == 0
    assert (found["definition"] == "rank_correlation").sum() == 2
    found = list_cies(dense, sparse, name="s", share=0.25)
    assert found["label_may_be_wrong"].sum() == 5
    assert (found["definition"] == "rank_correlation").sum() == 1
