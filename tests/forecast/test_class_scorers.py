"""Scorers on models that choose one of several classes, whose fate is planted."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import average_precision_score

from prunescope.errors import ConfigError
from prunescope.forecast import SCORERS
from prunescope.forecast.drift import JITTER, shrinkage
from prunescope.forecast.scorers import Case
from prunescope.forecast.scorers.temperature import class_temperature

SPARSITY = 0.97
EXPECTING = ("prior-shrink", "group-prior", "spectral-shrink")
TIER_A = ("margin", "band", "temperature", *EXPECTING)


def case_of(world, **more):
    return Case(world.dense, world.rates, SPARSITY, validation=world.dense, **more)


def of_images(table, world):
    """Return what a table says of the class that is named."""
    return table[np.arange(len(table)), world.z.argmax(axis=1)]


def with_logits(world, z):
    return replace(case_of(world), dense=replace(world.dense, logits=z))


@pytest.mark.parametrize("name", TIER_A)
def test_a_constant_added_to_all_logits_of_an_image_changes_nothing(classes, name):
    world = classes(300)
    moved = (world.z + world.rng.integers(-8, 8, (300, 1))).astype(np.float64)
    one, two = (SCORERS[name].look(with_logits(world, z)) for z in (world.z, moved))
    assert two.risk == pytest.approx(one.risk, abs=1e-4)


@pytest.mark.parametrize("name", TIER_A)
def test_the_order_of_the_classes_changes_nothing(classes, name):
    world, order = classes(300), [2, 0, 3, 1]
    samples = replace(
        world.dense.samples,
        attributes=tuple(world.dense.attributes[c] for c in order),
        labels=world.dense.samples.labels[:, order],
    )
    turned = replace(world.dense, samples=samples, logits=world.z[:, order])
    case = case_of(world)
    again = SCORERS[name].look(replace(case, dense=turned, validation=turned))
    assert again.risk == pytest.approx(SCORERS[name].look(case).risk[:, order], abs=1e-4)


@pytest.mark.parametrize("name", EXPECTING)
def test_chances_of_being_the_answer_add_up_to_one(classes, name):
    world = classes(2000)
    found = SCORERS[name].look(case_of(world))
    p = abs(world.dense.decisions - found.flip_probability)
    assert p.sum(axis=1) == pytest.approx(np.ones(2000), abs=1e-12)
    assert p.mean(axis=0).sum() == pytest.approx(1, abs=1e-12)
    assert (found.risk <= of_images(found.risk, world)[:, None] + 1e-6).all()


@pytest.mark.parametrize("name", EXPECTING)
def test_probabilities_are_right_where_logits_move_by_its_spread(classes, name):
    """Logits that go where the scorer expects them, give or take its own deviations."""
    world = classes(40_000)
    found = SCORERS[name].look(case_of(world))
    sparse = found.mean + found.spread * world.rng.normal(0, 1, world.z.shape)
    then = sparse.argmax(axis=1)
    flips = then != world.z.argmax(axis=1)
    p = of_images(found.flip_probability, world)
    assert flips.mean() == pytest.approx(p.mean(), abs=4 * np.sqrt(p.mean() / len(p)))
    for low, high in ((0.01, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.0)):
        inside = (p > low) & (p <= high)
        error = np.sqrt(p[inside].mean() / inside.sum())
        assert inside.sum() > 50
        assert flips[inside].mean() == pytest.approx(p[inside].mean(), abs=4 * error)
    shares = abs(world.dense.decisions - found.flip_probability).mean(axis=0)
    seen = np.bincount(then, minlength=4) / len(then)
    assert seen == pytest.approx(shares, abs=4 * np.sqrt(0.25 / len(then)))


def test_prior_shrink_moves_log_odds_to_those_of_the_rates(classes):
    """Of any two classes: (1 - λ) of their log-odds and λ of those of their rates."""
    world = classes(100)
    share = shrinkage(SPARSITY, 4)
    found = SCORERS["prior-shrink"].look(case_of(world)).mean
    prior = np.log([world.rates.prevalence[c] for c in world.dense.attributes])
    for a, b in ((0, 1), (2, 3), (1, 3)):
        want = (1 - share) * (world.z[:, a] - world.z[:, b]) + share * (prior[a] - prior[b])
        assert found[:, a] - found[:, b] == pytest.approx(want, abs=1e-4)


def test_prior_shrink_ranks_changes_better_than_the_margin_where_logits_shrink(
    classes, monkeypatch
):
    monkeypatch.setattr("prunescope.forecast.drift.FEWER", 0.0)  # far enough to be seen
    world = classes(4000)
    prior = np.log([world.rates.prevalence[c] for c in world.dense.attributes])
    share = shrinkage(SPARSITY, 4)
    flips = ((1 - share) * world.z + share * prior).argmax(1) != world.z.argmax(1)
    assert 40 < flips.sum() < len(flips) / 2
    ap = {}
    for name in ("prior-shrink", "margin"):
        risk = SCORERS[name].look(case_of(world)).risk
        ap[name] = average_precision_score(flips, of_images(risk, world))
    assert ap["prior-shrink"] > ap["margin"] + 0.1


def test_group_prior_looks_at_the_rates_of_the_images_groups(classes):
    world = classes(200)
    share = shrinkage(SPARSITY, 4)
    found = SCORERS["group-prior"].look(case_of(world)).mean
    told = world.rates.group_rates["Male"]
    male = world.dense.samples.groups["Male"].to_series("m").to_numpy()
    for row in (0, 1, 2, 3):
        rates = np.array([told[str(bool(male[row]))][c] for c in world.dense.attributes])
        want = (1 - share) * world.z[row] + share * np.log(rates)
        assert found[row] == pytest.approx(want - want.mean(), abs=1e-4)


def test_the_spread_is_the_jitter_of_logits_that_are_independent(classes):
    """Centring takes a fourth of the variance of four independent logits away; it is put back."""
    world = classes(40_000)
    assert case_of(world).spread == pytest.approx(JITTER * world.z.std(axis=0), rel=0.05)


def test_shrinkage_of_two_classes_is_that_of_an_attribute_and_falls_with_their_number():
    shares = [shrinkage(0.95, k) for k in (2, 3, 5, 10, 100)]
    assert shares[0] == shrinkage(0.95)
    assert (np.diff(shares) < 0).all()


def test_margin_is_how_far_the_best_class_is_ahead(classes):
    world = classes(50)
    best, second = np.sort(world.z, axis=1)[:, :-3:-1].T
    risk = of_images(SCORERS["margin"].look(case_of(world)).risk, world)
    assert risk == pytest.approx(second - best, abs=1e-5)


def test_an_image_is_uncertain_where_its_class_has_less_than_nine_tenths(build):
    p = np.array([[0.95, 0.03, 0.02], [0.85, 0.08, 0.07], [0.5, 0.4, 0.1]])
    many = np.full((1, 12), 1 / 12) * (1 + 0.01 * np.arange(12))
    risk = [
        SCORERS["band"].look(Case(build(np.eye(z.shape[1], dtype=int)[: len(z)], np.log(z),
                                        task="multiclass"), None, 0.9)).risk
        for z in (p, many)
    ]  # fmt: skip
    assert risk[0][:, 0].tolist() == [0, 1, 1]
    assert risk[1][0, 11] == 1  # though it has no tenth


def test_temperature_is_one_for_all_classes_and_keeps_the_order_of_the_margin(classes):
    world = classes(20_000)
    hot = replace(world.dense, logits=world.z * np.float32(3))
    assert class_temperature(hot) == pytest.approx(3, rel=0.1)
    case = case_of(world)
    found, margin = (
        of_images(SCORERS[name].look(case).risk, world) for name in ("temperature", "margin")
    )
    assert (np.diff(found[np.argsort(margin)]) >= 0).all()
    blank = replace(hot.samples, labels=np.full_like(hot.samples.labels, -1))
    assert class_temperature(replace(hot, samples=blank)) == 1


def test_labels_of_the_images_are_not_looked_at(classes):
    world = classes(200)
    samples = world.dense.samples
    blank = replace(samples, labels=np.full_like(samples.labels, -1))
    case = case_of(world)
    for name in TIER_A:
        blind = replace(case, dense=replace(world.dense, samples=blank))
        found, again = (SCORERS[name].look(one).risk for one in (case, blind))
        assert np.array_equal(found, again)


@pytest.mark.parametrize("name", TIER_A)
def test_risks_are_finite_for_few_images_constant_logits_and_certain_ones(classes, name):
    world = classes(40)
    for z in (world.z[:1], np.full((40, 4), 2.0, "f4"), 50 * world.z):
        case = with_logits(classes(len(z)), z.astype("f4"))
        risk = SCORERS[name].look(case).risk
        assert risk.dtype == np.float32
        assert np.isfinite(risk).all()


@pytest.mark.parametrize("name", [n for n, s in SCORERS.items() if s.tier != "A"])
def test_tiers_b_and_c_ask_for_the_model(classes, name):
    with pytest.raises(ConfigError, match="give the model and its data"):
        SCORERS[name].look(case_of(classes(20)))


class Pretend:
    """A lab whose trials move logits as they are told to."""

    seed, model = 0, None

    def __init__(self, z, common):
        self.z, self.common = z, common

    def moments(self, models, shift=0):
        rng = np.random.default_rng(0)
        drawn = [self.z + rng.normal(0, 0.5, self.z.shape) for _ in range(6)]
        drawn = [one - one.mean(axis=1, keepdims=True) for one in drawn]
        return np.mean(drawn, axis=0), np.std(drawn, axis=0, ddof=1)

    def ask(self, model, shift=0, note=""):
        return 0.9 * self.z + self.common

    def probe(self, sparsity, share):
        return None


@pytest.mark.parametrize("name", [n for n, s in SCORERS.items() if s.tier != "A"])
def test_what_trials_say_becomes_one_answer_for_an_image(classes, name):
    world = classes(300)
    common = world.rng.normal(0, 5, (300, 1)).astype("f4")
    one, two = (
        SCORERS[name].look(case_of(world, lab=Pretend(world.z, c))) for c in (common, 0 * common)
    )
    assert one.risk == pytest.approx(two.risk, abs=1e-3)  # what all logits share says nothing
    flips = one.flip_probability
    p = abs(world.dense.decisions - flips)
    assert p.sum(axis=1) == pytest.approx(np.ones(300), abs=1e-12)
    confident = softmax(world.z, axis=1).max(axis=1) > 0.999
    assert of_images(flips, world)[confident].mean() < of_images(flips, world).mean() / 2
