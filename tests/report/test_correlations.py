import numpy as np
import polars as pl
import pytest
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from prunescope.audit import Audit
from prunescope.audit.roles import roles
from prunescope.report import build, correlations
from prunescope.report.correlations import Together, neighbours

EARLY, LATE = "gmp 0.5 (3 seeds)", "gmp 0.9 (3 seeds)"


def together(audit):
    return Together(audit, roles(audit.info))


def square(names, triangle):
    full = np.full((len(names), len(names)), np.nan)
    full[np.tril_indices(len(names), -1)] = [np.nan if v is None else v for v in triangle]
    return full


def corr(models, names, one, other):
    """By numpy, from the models themselves."""
    a, b = names.index(one), names.index(other)
    return np.mean([np.corrcoef((m.logits > 0)[:, [a, b]].T)[0, 1] for m in models])


@pytest.fixture(scope="module")
def models(planted):
    return planted.wide()


def test_triangles_hold_the_correlations_of_the_models(seeds, models):
    dense, compressed = models
    names = list(seeds.info.attributes)
    shared = together(seeds).shared()
    mine = together(seeds).of(LATE, drawn=True)
    assert sorted(shared.attributes) == names
    drawn = {
        "labels": square(names, shared.labels),
        "dense": square(names, shared.dense),
        "answers": square(names, mine.answers),
        "changes": square(names, mine.changes),
    }
    for i, j in [(1, 0), (5, 2), (8, 7)]:
        pair = shared.attributes[i], shared.attributes[j]
        before, after = (corr(some, names, *pair) for some in (dense, compressed[3:]))
        truth = np.corrcoef(dense[0].samples.labels[:, [names.index(name) for name in pair]].T)[
            0, 1
        ]
        assert drawn["labels"][i, j] == pytest.approx(truth, abs=1e-5)
        assert drawn["dense"][i, j] == pytest.approx(before, abs=1e-5)
        assert drawn["answers"][i, j] == pytest.approx(after, abs=1e-5)
        assert drawn["changes"][i, j] == pytest.approx(after - before, abs=2e-5)


def test_the_most_changed_pairs_come_first_with_the_intervals_of_all_seeds(seeds):
    found = together(seeds).of(LATE, drawn=False)
    sizes = [abs(pair.change) for pair in found.pairs]
    assert sizes == sorted(sizes, reverse=True)
    assert (found.n_pairs, found.answers, found.changes) == (36, None, None)
    first = found.pairs[0]
    rows = seeds.correlations.filter(
        pl.col("model").str.starts_with("a0-0.9"), attribute=first.attribute, other=first.other
    )
    assert rows.height == 3
    assert first.change == pytest.approx(rows["change"].mean())
    assert (first.change_low, first.change_high) == (
        rows["change_low"].min(), rows["change_high"].max(),
    )  # fmt: skip
    assert first.compressed - first.dense == pytest.approx(first.change)
    assert first.compressed - first.labels == pytest.approx(first.shift)
    every = seeds.correlations.filter(pl.col("model").str.starts_with("a0-0.9"))
    means = every.group_by("attribute", "other").agg(pl.col("change").mean())
    assert abs(first.change) == pytest.approx(means["change"].abs().max())


def test_the_words_count_by_hand(harmed):
    rows = harmed.correlations.filter(model="sparse95")
    size = rows["change"].abs()
    further = sum(
        abs(row["answers"] - row["labels"]) > abs(row["answers"] - row["change"] - row["labels"])
        for row in rows.iter_rows(named=True)
    )
    assert together(harmed).of("sparse95", drawn=False).text == (
        f"Over 6 pairs, the correlation of the answers moved by {size.mean():.2f} on average and "
        f"by {size.max():.2f} at most; in {further} of them it is further from that of the labels "
        "than in the dense model."
    )


def test_alike_attributes_stand_beside_each_other(seeds):
    pairs = seeds.correlations
    alike = (pl.col("attribute") == "a2") & (pl.col("other") == "a7")
    planted = pairs.with_columns(labels=pl.when(alike).then(0.95).otherwise("labels"))
    names = together(Audit(seeds.table, seeds.info, planted)).shared().attributes
    assert abs(names.index("a2") - names.index("a7")) == 1


def test_of_very_many_attributes_those_that_moved_most_are_drawn(seeds, monkeypatch):
    monkeypatch.setattr(correlations, "MOST_DRAWN", 3)
    at = pl.col("attribute").is_in(["a1", "a4"]) & pl.col("other").is_in(["a4", "a6"])
    moved = seeds.correlations.with_columns(change=pl.when(at).then(0.9).otherwise(0.0))
    shared = together(Audit(seeds.table, seeds.info, moved)).shared()
    assert sorted(shared.attributes) == ["a1", "a4", "a6"]
    assert shared.n_left_out == 6
    assert len(shared.labels) == 3


def test_a_pair_without_a_value_in_one_seed_has_none(seeds):
    gone = (
        (pl.col("model") == "a0-0.9-1") & (pl.col("attribute") == "a0") & (pl.col("other") == "a1")
    )
    cut = {
        name: pl.when(gone).then(None).otherwise(name) for name in ("answers", "shift", "change")
    }
    lacking = Audit(seeds.table, seeds.info, seeds.correlations.with_columns(**cut))
    found = together(lacking).of(LATE, drawn=True)
    assert [value is None for value in found.changes].count(True) == 1
    assert "Over 35 pairs" in found.text


def test_one_attribute_hangs_together_with_nothing(single):
    report = build(single)
    assert report.correlations is None
    assert report.details[0].correlations is None


def test_an_audit_that_could_compare_no_pair_says_so(few):
    report = build(few)
    assert report.details[0].correlations.text == (
        "No correlation could be compared with that of the dense model."
    )
    assert report.details[0].correlations.pairs == []


def test_a_page_draws_the_maps_of_the_most_damaged(many, monkeypatch):
    from importlib import import_module

    monkeypatch.setattr(import_module("prunescope.report.build"), "MOST_MAPS", 1)
    report = build(many)
    drawn = [d.model for d in report.details if d.correlations.answers is not None]
    assert drawn == [report.featured]


@pytest.mark.parametrize("n", [1, 2, 3, 12, 40])
def test_neighbours_stand_as_the_leaves_of_scipys_tree(n):
    apart = np.atleast_2d(1 - np.corrcoef(np.random.default_rng(n).normal(size=(n, 30))))
    tree = linkage(squareform(apart, checks=False), "average") if n > 1 else None
    assert neighbours(apart) == ([0] if tree is None else list(leaves_list(tree)))
