"""Synthetic faces: the planted bias is as stated, and a face depends on its number alone."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from prunescope.data import synthetic
from prunescope.data.faces import NUISANCES
from prunescope.data.synthetic import (
    ATTRIBUTES,
    MALE_YOUNG,
    PLANTED,
    correlation,
    draw_faces,
    draw_latents,
    face_streams,
    prevalence,
    synthetic_faces,
    thresholds,
    true_rates,
)
from prunescope.errors import ConfigError

MALE, YOUNG = ATTRIBUTES.index("Male"), ATTRIBUTES.index("Young")


@pytest.fixture(scope="module")
def latents():
    return draw_latents([np.random.default_rng(0)] * 200_000)


@pytest.fixture(scope="module")
def few():
    return synthetic_faces(10, 4, 6, size=16)


def test_attributes_are_celebas_and_sorted():
    assert 16 <= len(ATTRIBUTES) <= 18
    assert list(ATTRIBUTES) == sorted(ATTRIBUTES)
    assert {"Male", "Young", "Pale_Skin", "Chubby", "Smiling", "Wearing_Hat"} <= set(ATTRIBUTES)


def test_the_correlation_matrix_is_positive_definite_with_unit_diagonal():
    matrix = correlation()
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-15)
    np.testing.assert_array_equal(np.diag(matrix), 1)
    assert np.linalg.eigvalsh(matrix)[0] > 0.01
    assert matrix[MALE, YOUNG] == pytest.approx(MALE_YOUNG)


def test_regression_on_male_and_young_gives_back_the_stated_loadings():
    matrix = correlation()
    factors = [MALE, YOUNG]
    loadings = np.linalg.solve(matrix[np.ix_(factors, factors)], matrix[factors]).T
    stated = [(trait.male, trait.young) for trait in PLANTED.values()]
    np.testing.assert_allclose(loadings, stated, atol=1e-12)


def test_attributes_are_independent_given_male_and_young():
    # of two variables that are independent given all others, the precision is 0
    precision = np.linalg.inv(correlation())
    others = np.delete(np.arange(len(ATTRIBUTES)), [MALE, YOUNG])
    block = precision[np.ix_(others, others)]
    np.testing.assert_allclose(block - np.diag(np.diag(block)), 0, atol=1e-12)


def test_latents_have_the_stated_moments(latents):
    np.testing.assert_allclose(latents.mean(axis=0), 0, atol=0.012)
    np.testing.assert_allclose(np.cov(latents.T), correlation(), atol=0.016)


def test_latents_are_above_their_thresholds_as_often_as_stated(latents):
    shares = (latents > thresholds()).mean(axis=0)
    for share, (name, rate) in zip(shares, prevalence().items(), strict=True):
        assert share == pytest.approx(rate, abs=5 * np.sqrt(rate * (1 - rate) / len(latents))), name


@pytest.mark.parametrize("group", ["Male", "Young", "Chubby", "Pale_Skin"])
@pytest.mark.parametrize("value", [True, False])
def test_true_rates_agree_with_drawn_latents(latents, group, value):
    labels = latents > thresholds()
    members = labels[labels[:, ATTRIBUTES.index(group)] == value]
    for name, rate in true_rates(group, value).items():
        seen = members[:, ATTRIBUTES.index(name)].mean()
        assert seen == pytest.approx(
            rate, abs=5 * np.sqrt(rate * (1 - rate) / len(members)) + 1e-9
        ), name


@pytest.mark.parametrize("group", ["Male", "Young", "Bald"])
def test_true_rates_agree_with_numerical_integration(group):
    g, cuts = ATTRIBUTES.index(group), ndtri([1 - t.prevalence for t in PLANTED.values()])
    x = np.linspace(cuts[g], 12, 200_001)
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    for a, (name, rate) in enumerate(true_rates(group, True).items()):
        if a == g:
            assert rate == 1
            continue
        rho = correlation()[a, g]
        above = ndtr((rho * x - cuts[a]) / np.sqrt(1 - rho**2))
        both = np.trapezoid(density * above, x)
        assert rate == pytest.approx(both / PLANTED[group].prevalence, abs=1e-6), name


def test_rates_of_both_sides_add_up_to_the_prevalence():
    for group, trait in PLANTED.items():
        inside, outside = true_rates(group, True), true_rates(group, False)
        assert (inside[group], outside[group]) == (1, 0)
        for name, rate in prevalence().items():
            total = trait.prevalence * inside[name] + (1 - trait.prevalence) * outside[name]
            assert total == pytest.approx(rate, abs=1e-9), (group, name)


def test_the_bias_points_where_the_docstring_says():
    men, women = true_rates("Male", True), true_rates("Male", False)
    old, young = true_rates("Young", False), true_rates("Young", True)
    assert all(women[name] > 3 * men[name] for name in ("Wearing_Lipstick", "Wearing_Earrings"))
    assert all(men[name] > 3 * women[name] for name in ("Bald", "Beard"))
    assert all(old[name] > 3 * young[name] for name in ("Chubby", "Eyeglasses"))


def test_an_unknown_group_is_told_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"unknown group 'Mal': did you mean Male"):
        true_rates("Mal", True)
    with pytest.raises(ConfigError, match=r"unknown group 'Yuong': did you mean Young"):
        synthetic_faces(1, 1, 1, size=16, groups=("Male", "Yuong"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_train": 0}, "n_train is 0: synthetic faces need at least 1"),
        ({"n_val": -3}, "n_val is -3: synthetic faces need at least 1"),
        ({"n_test": 0}, "n_test is 0: synthetic faces need at least 1"),
        ({"size": 15}, "size is 15: synthetic faces need at least 16"),
        ({"seed": -1}, "seed is -1: synthetic faces need at least 0"),
    ],
)
def test_a_number_that_is_too_small_is_named(wrong, message):
    with pytest.raises(ConfigError, match=message):
        synthetic_faces(**{"n_train": 1, "n_val": 1, "n_test": 1, "size": 16, **wrong})


def test_a_dataset_has_splits_ids_groups_and_pixels(few):
    assert few.name == "synthetic"
    assert few.pixels.shape == (20, 3, 16, 16)
    assert few.pixels.dtype == np.uint8
    assert [len(few.split(name)) for name in ("train", "val", "test")] == [10, 4, 6]
    assert few.split("val").samples.ids.to_list() == [f"face-{i:06d}" for i in range(10, 14)]
    assert few.samples.attributes == ATTRIBUTES
    assert few.samples.images is None
    np.testing.assert_array_equal(few.images(np.array([3, 1])), few.pixels[[3, 1]])
    assert list(few.samples.groups) == ["Male", "Young", "Chubby", "Pale_Skin"]
    for name, group in few.samples.groups.items():
        assert group.values == (False, True)
        np.testing.assert_array_equal(
            group.codes, few.samples.labels[:, ATTRIBUTES.index(name)], strict=False
        )


def test_labels_are_the_latents_above_their_thresholds(few):
    above = draw_latents(face_streams(0, range(20))) > thresholds()
    np.testing.assert_array_equal(few.samples.labels, above)


def test_the_same_seed_gives_the_same_faces_and_another_does_not(few):
    again, other = synthetic_faces(10, 4, 6, size=16), synthetic_faces(10, 4, 6, size=16, seed=1)
    np.testing.assert_array_equal(again.pixels, few.pixels)
    np.testing.assert_array_equal(again.samples.labels, few.samples.labels)
    assert (other.pixels != few.pixels).mean() > 0.9
    assert (other.samples.labels != few.samples.labels).any()


def test_a_face_depends_on_its_number_alone(few, monkeypatch):
    labels, pixels = draw_faces(0, range(13, 14), 16)
    np.testing.assert_array_equal(pixels[0], few.pixels[13])
    np.testing.assert_array_equal(labels[0], few.samples.labels[13])
    monkeypatch.setattr(synthetic, "CHUNK", 3)
    longer = synthetic_faces(15, 4, 6, size=16)
    np.testing.assert_array_equal(longer.pixels[:20], few.pixels)
    np.testing.assert_array_equal(longer.samples.labels[:20], few.samples.labels)


def test_the_fingerprint_covers_every_parameter(few, monkeypatch):
    def fingerprint(**options):
        return synthetic_faces(
            **{"n_train": 10, "n_val": 4, "n_test": 6, "size": 16, **options}
        ).fingerprint

    others = [
        {"n_train": 9},
        {"n_val": 5},
        {"n_test": 5},
        {"size": 17},
        {"seed": 1},
        {"groups": ()},
    ]
    different = {few.fingerprint, *(fingerprint(**other) for other in others)}
    assert len(different) == 1 + len(others)
    assert fingerprint() == few.fingerprint
    monkeypatch.setattr(synthetic, "DRAWING_VERSION", synthetic.DRAWING_VERSION + 1)
    assert fingerprint() not in different


def test_progress_counts_up_to_all_faces(monkeypatch):
    monkeypatch.setattr(synthetic, "CHUNK", 4)
    calls = []
    synthetic_faces(5, 2, 3, size=16, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(4, 10), (8, 10), (10, 10)]


def test_nuisances_tell_nothing_about_labels():
    streams = face_streams(1, range(6000))
    labels = draw_latents(streams) > thresholds()
    nuisances = np.stack([stream.random(len(NUISANCES)) for stream in streams])
    every = np.corrcoef(np.column_stack([labels, nuisances]).T)
    across = np.abs(every[: len(ATTRIBUTES), len(ATTRIBUTES) :])
    assert across.max() < 5 / np.sqrt(len(streams))
    within = np.abs(np.corrcoef(nuisances.T) - np.eye(len(NUISANCES)))
    assert within.max() < 5 / np.sqrt(len(streams))
