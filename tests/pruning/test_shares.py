"""FairGRAPE's order against a greedy choice, and a network whose halves matter to a group each."""

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from prunescope.data.dataset import Dataset
from prunescope.data.samples import Group, Samples
from prunescope.errors import ConfigError, DataError
from prunescope.pruning import Criterion, Masks, prune
from prunescope.pruning.calibration import Calibration
from prunescope.pruning.scores import ScoreInputs, fairgrape
from prunescope.pruning.shares import order_by_shares

IMPORTANCE = st.integers(1, 8).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 5), min_size=n, max_size=n).filter(any),
                       min_size=1, max_size=3)
)  # fmt: skip


def greedy(rows):
    """Let the list that has got to the smallest share give its next weight, one by one."""
    lists = [sorted((w for w, v in enumerate(row) if v), key=lambda w: -row[w]) for row in rows]
    given = [0] * len(rows)  # importance of what a list has given, or found given by others
    order = []
    while True:
        for g, waiting in enumerate(lists):
            while waiting and waiting[0] in order:
                given[g] += rows[g][waiting.pop(0)]
        heads = [(given[g] / sum(rows[g]), w[0]) for g, w in enumerate(lists) if w]
        if not heads:
            return order + [w for w in range(len(rows[0])) if w not in order]
        order.append(min(heads)[1])


@given(IMPORTANCE)
def test_the_order_is_that_of_a_greedy_choice(rows):
    places = order_by_shares(torch.tensor(rows))
    assert places.argsort().tolist() == greedy(rows)


@given(IMPORTANCE)
def test_every_group_keeps_at_least_the_share_that_the_lists_have_got_to(rows):
    order = order_by_shares(torch.tensor(rows)).argsort().tolist()
    for n_kept in range(1, len(order)):
        kept, following = order[:n_kept], order[n_kept]
        shares = [sum(row[w] for w in kept) / sum(row) for row in rows]
        # What stands before the next weight in the lists that have it: none has got further.
        before = [
            sum(v for w, v in enumerate(row) if (v, -w) > (row[following], -following)) / sum(row)
            for row in rows
            if row[following]
        ]
        assert min(shares) >= min(before, default=1.0) - 1e-9


def test_a_million_weights_take_no_loop():
    generator = torch.Generator().manual_seed(0)
    importance = torch.rand(2, 1_000_000, generator=generator) ** 8
    places = order_by_shares(importance)
    kept = places < 50_000
    of_groups = (importance * kept).sum(1) / importance.sum(1)
    assert kept.sum() == 50_000
    assert abs(of_groups[0] - of_groups[1]) < 0.01


@pytest.fixture
def halves():
    """Inputs 0 to 5 are lit in group a alone, inputs 6 to 11 in the smaller group b."""
    n, rng = 200, np.random.default_rng(0)
    in_b = np.arange(n) % 5 == 0
    pixels = rng.integers(120, 136, (n, 12), np.uint8)
    pixels[in_b, :6] = pixels[~in_b, 6:] = 0
    labels = rng.integers(0, 2, (n, 1)).astype(np.int8)
    dataset = Dataset(
        name="halves",
        fingerprint="0",
        samples=Samples(
            pl.Series([str(i) for i in range(n)]),
            ("Coin",),
            labels,
            groups={
                "side": Group.from_series(pl.Series(np.where(in_b, "b", "a"))),
                "band": Group.from_series(pl.Series(np.where(np.arange(n) == 3, "rare", "rest"))),
                "who": Group.from_series(pl.Series(np.arange(n))),
            },
            cluster="who",
        ),
        pixels=pixels.reshape(n, 3, 2, 2),
        rows=np.arange(n),
        splits=np.full(n, "train"),
    )
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 1))
    with torch.no_grad():
        model[1].bias.zero_()
        model[1].weight[0] = torch.tensor([0.5] * 6 + [0.1] * 6)
    return model, dataset


def test_magnitude_forgets_a_group_and_fairgrape_keeps_both(halves):
    model, dataset = halves
    dense = Masks.dense(model)

    def kept_by_half(**choices):
        mask = Criterion(**choices).update(model, dense, 0.5)["1.weight"][0]
        return mask[:6].sum().item(), mask[6:].sum().item()

    of_side = Calibration(dataset, 100, group="side")
    assert kept_by_half() == (6, 0)
    assert kept_by_half(score="fisher", calibration=of_side) == (6, 0)
    assert kept_by_half(score="fairgrape", calibration=of_side) == (3, 3)


def test_importance_is_fisher_on_the_images_of_each_value(halves):
    model, dataset = halves
    weights = {"1.weight": model[1].weight}
    calibration = Calibration(dataset, 40, group="side")
    found = ScoreInputs(weights, 0, model, calibration).gradients_by_group()
    codes = dataset.samples.groups["side"].codes
    for value, code in (("a", 0), ("b", 1)):
        chosen = calibration.positions[codes[calibration.positions] == code]
        alone = Calibration(dataset.take(chosen), len(chosen)).gradients(
            model, weights, np.arange(len(chosen))
        )
        assert torch.equal(found[value].square["1.weight"], alone.square["1.weight"])
    rank = fairgrape(ScoreInputs(weights, 0, model, calibration))["1.weight"].flatten()
    assert sorted(rank.tolist()) == list(range(1, 13))


def test_prune_says_what_group_it_was_by(halves):
    model, dataset = halves
    pruned = prune(model, dataset, "one-shot", 0.5, score="fairgrape", group="side",
                   calibration_images=50)  # fmt: skip
    assert pruned.compression["group"] == "side"
    assert pruned.compression["score"] == "fairgrape"
    assert pruned.masks.n_kept == 6


def test_bad_input_is_refused(halves):
    model, dataset = halves

    def by(**choices):
        options = {"score": "fairgrape", "calibration_images": 20} | choices
        return prune(model, dataset, "one-shot", 0.5, **options)

    with pytest.raises(
        ConfigError, match="score fairgrape and group None: fairgrape needs a group"
    ):
        by()
    with pytest.raises(ConfigError, match="no other score takes one"):
        by(score="fisher", group="side")
    with pytest.raises(ConfigError, match="unknown group 'sode': did you mean side"):
        by(group="sode")
    with pytest.raises(ConfigError, match="unknown group 'who'"):
        by(group="who")
    with pytest.raises(DataError, match="none of the 20 calibration images is of band=rare"):
        by(group="band")
    with pytest.raises(ConfigError, match="ranks weights one by one"):
        by(group="side", pattern="channel")
    with pytest.raises(ConfigError, match="this score looks at gradients"):
        ScoreInputs({"1.weight": model[1].weight}).gradients_by_group()
    with pytest.raises(ConfigError, match="name a group of the data set"):
        Calibration(dataset, 20).by_group()
