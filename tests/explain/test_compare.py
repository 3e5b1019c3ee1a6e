import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from prunescope.errors import ConfigError, DataError
from prunescope.explain import Answers, answers_of, explain, flipped, integrated_gradients
from prunescope.explain.compare import BLUR
from prunescope.explain.words import told, where


class Corner(nn.Module):
    """Adds up the brightness of one corner."""

    def __init__(self, rows, columns, factor=1.0):
        super().__init__()
        self.place, self.factor = (slice(None), slice(None), rows, columns), factor

    def forward(self, x):
        level = self.factor * x[self.place].sum(dim=(1, 2, 3))
        return torch.stack([level, -level], dim=1)


FIRST, LAST = slice(0, 10), slice(22, 32)


@pytest.fixture(scope="module")
def corners(classifier):
    """Return models that look at the top left and at the bottom right."""
    options = {"size": 32, "mean": (0, 0, 0), "std": (1, 1, 1)}
    left = classifier(Corner(FIRST, FIRST), **options)
    return left, classifier(Corner(LAST, LAST), ("Hat", "Bald"), **options)


def test_maps_are_shares_of_what_speaks_for_yes(corners, noise):
    left, right = corners
    found = explain(left, right, noise(3, 32), "Bald", checks=0)
    assert [one.method for one in found] == ["gradients"] * 3
    raw = integrated_gradients(left, noise(3, 32), 0).values
    for one, attribution in zip(found, raw, strict=True):
        blurred = gaussian_filter(attribution.double().numpy(), 32 * BLUR, mode="reflect")
        assert one.dense.values == pytest.approx(blurred / blurred.sum(), abs=1e-6)
        assert one.dense.strength == pytest.approx(float(attribution.sum()), rel=1e-4)
        assert one.difference == pytest.approx(one.compressed.values - one.dense.values)


def test_attributes_go_by_name(corners, noise):
    left, right = corners
    [bald] = explain(left, right, noise(1, 32), "Bald", checks=0)
    [hat] = explain(left, right, noise(1, 32), "Hat", checks=0)
    assert (bald.dense.yes, bald.compressed.yes) == (True, False)
    assert (hat.dense.yes, hat.compressed.yes) == (False, True)
    assert bald.compressed.empty
    assert bald.moved is None
    assert "nothing in the image speaks for Bald" in " ".join(told(bald, "a", "b"))


@pytest.mark.parametrize(
    ("names", "moved", "said"),
    [(("Bald", "Hat"), 1.0, "quite other places"), (None, 0.0, "much the same places")],
)
def test_what_moved_is_the_share_that_lies_elsewhere(classifier, noise, names, moved, said):
    options = {"size": 32, "mean": (0, 0, 0), "std": (1, 1, 1)}
    left = classifier(Corner(FIRST, FIRST), **options)
    other = classifier(Corner(LAST, LAST, 3.0), names, **options) if names else left
    [found] = explain(left, other, noise(1, 32), "Bald", checks=0)
    assert found.moved == pytest.approx(moved, abs=1e-3)
    sentences = told(found, "dense", "pruned")
    assert said in sentences[-1]
    assert "lies at the top left" in sentences[1]
    assert where(found.dense.values)[0] == "top left"


def test_what_moved_in_part(classifier):
    class Both(nn.Module):
        def forward(self, x):
            return Corner(FIRST, FIRST)(x) + Corner(LAST, LAST)(x)

    options = {"size": 32, "mean": (0, 0, 0), "std": (1, 1, 1)}
    models = classifier(Corner(FIRST, FIRST), **options), classifier(Both(), **options)
    [found] = explain(*models, torch.ones(1, 3, 32, 32), "Bald", checks=0)
    assert found.moved == pytest.approx(0.5, abs=1e-3)


def test_probabilities_and_bytes_are_those_of_the_model(corners):
    left, right = corners
    pixels = np.random.default_rng(0).integers(0, 3, (1, 3, 32, 32), np.uint8)
    [found] = explain(left, right, pixels, "Bald", checks=0)
    logit = pixels[0, :, :10, :10].sum() / 255
    assert found.dense.log_odds == pytest.approx(logit, rel=1e-5)
    assert found.dense.probability == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-5)


def test_no_images_no_maps(corners):
    assert explain(*corners, np.zeros((0, 3, 32, 32), np.uint8), "Bald") == []


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (torch.zeros(1, 3, 16, 16), r"take \(N, 3, 32, 32\)"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.int64), "of uint8, or of floats"),
        (torch.full((1, 3, 32, 32), 2.0), "from 2 to 2: expected floats in"),
        (torch.full((1, 3, 32, 32), torch.nan), "from nan to nan"),
    ],
)
def test_images_that_do_not_fit(corners, images, said):
    with pytest.raises(DataError, match=said):
        explain(*corners, images, "Bald")


def test_questions_that_do_not_fit(corners, classifier, noise):
    left, right = corners
    with pytest.raises(ConfigError, match="unknown attribute 'Bold': did you mean Bald"):
        explain(left, right, noise(1, 32), "Bold")
    with pytest.raises(ConfigError, match="unknown method 'gradcom'"):
        explain(left, right, noise(1, 32), "Bald", method="gradcom")
    with pytest.raises(ConfigError, match="choose the method 'gradients'"):
        explain(left, right, noise(1, 32), "Bald", method="gradcam")
    others = classifier(Corner(FIRST, FIRST), ("Bald", "Young"), size=32)
    with pytest.raises(ConfigError, match="compressed answers Bald, Young"):
        explain(left, others, noise(1, 32), "Bald")
    smaller = classifier(Corner(FIRST, FIRST), size=16)
    with pytest.raises(ConfigError, match="32 px, compressed of 16 px"):
        explain(left, smaller, noise(1, 32), "Bald")


def test_flips_of_classes_are_those_chosen(classifier):
    class Levels(nn.Module):
        def __init__(self, levels):
            super().__init__()
            self.levels = torch.tensor(levels)

        def forward(self, x):
            return self.levels.expand(len(x), 3)

    names, image = ("cat", "dog", "owl"), torch.zeros(1, 3, 8, 8)
    before, after = (
        answers_of(classifier(Levels(levels), names, task="multiclass"), image)
        for levels in ([3.0, 2.9, 1.0], [2.0, 2.5, 1.0])
    )
    assert before.yes.tolist() == [[True, False, False]]
    p = np.exp([3.0, 2.9, 1.0]) / np.exp([3.0, 2.9, 1.0]).sum()
    assert before.probabilities[0] == pytest.approx(p, rel=1e-5)
    assert flipped(before, after, 0) == [0, 1]
    assert flipped(before, before, 0) == []


def test_flips_come_largest_change_first():
    before = Answers(np.array([[0.1, 4.0, -1.0]]), np.array([[True, True, False]]))
    after = Answers(np.array([[-0.1, -4.0, -3.0]]), np.array([[False, False, False]]))
    assert flipped(before, after, 0) == [1, 0]
