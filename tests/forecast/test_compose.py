"""`forecast` from end to end."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import prunescope as ps
from prunescope.errors import ConfigError, DataError, PrunescopeError
from prunescope.forecast import ATTRIBUTE_SCHEMA, BEST, SAMPLE_SCHEMA, Forecast, forecast
from prunescope.forecast.by_attribute import CURVE


def test_the_tables_have_the_columns_that_are_promised(planted):
    found = forecast(planted(100).dense, sparsity=0.95)
    assert found.samples.schema == pl.Schema(SAMPLE_SCHEMA)
    assert found.attributes.schema == pl.Schema(ATTRIBUTE_SCHEMA)
    assert found.samples.height == 400
    assert sorted(found.samples["rank"]) == list(range(1, 401))
    assert found.samples["id"].to_list()[:5] == ["face-0"] * 4 + ["face-1"]


def test_rank_one_is_the_highest_risk(planted):
    found = forecast(planted(300).dense)
    by_rank = found.samples.sort("rank")["risk"]
    assert by_rank.is_sorted(descending=True)
    assert found.riskiest(7)["rank"].to_list() == list(range(1, 8))
    of_one = found.riskiest(5, "Young")
    assert of_one["attribute"].unique().to_list() == ["Young"]
    assert (
        of_one["risk"].to_list()
        == sorted(found.samples.filter(attribute="Young")["risk"], reverse=True)[:5]
    )
    with pytest.raises(ConfigError, match="did you mean Young"):
        found.riskiest(5, "Yuong")


def test_probabilities_are_the_scorers_own_unless_it_only_ranks(planted):
    world = planted(100)
    found = forecast(world.dense, sparsity=0.95)
    assert found.info.probabilities == "the scorer's own"
    assert 0 <= found.probability.min() <= found.probability.max() <= 1
    ranked = forecast(world.dense, scorer="margin")
    assert ranked.info.probabilities is None
    assert ranked.samples["probability"].null_count() == 400
    assert ranked.samples["expected"].null_count() == 400


def test_reasons_say_near_or_what_the_scorer_sees(planted):
    found = forecast(planted().dense, sparsity=0.99)
    rows = found.samples
    near = rows.filter(pl.col("why") == "near the threshold")["margin"].abs()
    assert near.max() < np.log(9)
    drifting = rows.filter(pl.col("why").str.starts_with("against"))
    assert drifting.height
    assert (drifting["margin"].abs() >= np.log(9) - 1e-6).all()
    toward = drifting["expected"] * drifting["margin"].sign()
    assert (toward < drifting["margin"].abs() / 2).all()


def test_the_curve_goes_over_sparsities_and_names_its_scorer(planted):
    world = planted(500)
    found = forecast(world.dense, sparsity=0.6, scorer="prior-shrink")
    assert sorted(found.attributes["sparsity"].unique()) == sorted({*CURVE, 0.6})
    assert found.at()["scorer"].unique().to_list() == ["prior-shrink"]
    assert found.at(0.95)["scorer"].unique().to_list() == ["spectral-shrink"]
    ranked = forecast(world.dense, sparsity=0.6, scorer="margin")
    assert ranked.at()["scorer"].unique().to_list() == ["spectral-shrink"]
    flips = [
        found.at(s).filter(pl.col("group").is_null(), metric="flip_rate")["expected"].mean()
        for s in CURVE
    ]
    assert flips == sorted(flips)


def test_a_curve_from_few_samples_is_near_that_of_all(planted, monkeypatch):
    world = planted(6000)
    whole = forecast(world.dense, sparsity=0.6)
    monkeypatch.setattr("prunescope.forecast.by_attribute.MOST_IN_CURVE", 3000)
    part = forecast(world.dense, sparsity=0.6)
    assert part.at().equals(whole.at())
    key = {"metric": "flip_rate", "attribute": "Smiling", "group": "Male"}
    a, b = (f.at(0.95).filter(**key)["expected"].to_list() for f in (whole, part))
    assert a == pytest.approx(b, abs=0.02)
    assert a != b


def test_it_is_saved_and_loaded_without_loss(planted, tmp_path):
    for scorer in ("spectral-shrink", "margin"):
        found = forecast(planted(50).dense, scorer=scorer)
        found.save(tmp_path / scorer)
        again = Forecast.load(tmp_path / scorer)
        assert again.info == found.info
        assert again.samples.equals(found.samples)
        assert again.attributes.equals(found.attributes)
        assert again.ids.to_list() == found.ids.to_list()


def test_a_folder_that_holds_something_else_is_refused(planted, tmp_path):
    with pytest.raises(DataError, match="holds no forecast"):
        Forecast.load(tmp_path)
    found = forecast(planted(50).dense)
    found.save(tmp_path)
    (tmp_path / "forecast.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot be read"):
        Forecast.load(tmp_path)
    for broken in (
        found.samples.head(7),
        found.samples.reverse(),
        found.samples.with_columns(why=pl.lit("because")),
    ):
        broken.write_parquet(tmp_path / "forecast.parquet")
        with pytest.raises(
            DataError, match=r"forecast\.parquet.*make it again with prunescope forecast"
        ):
            Forecast.load(tmp_path)
    (tmp_path / "forecast.json").write_text('{"format_version": 2}')
    with pytest.raises(DataError, match="of another version"):
        Forecast.load(tmp_path)
    with pytest.raises(DataError, match="holds no forecast"):
        Forecast.load(tmp_path / "forecast.json")


def test_the_review_list_is_the_top_by_rank(planted, tmp_path):
    found = forecast(planted(50).dense)
    for name in ("list.csv", "list.parquet"):
        found.save_review(tmp_path / name, 10)
    assert pl.read_csv(tmp_path / "list.csv")["rank"].to_list() == list(range(1, 11))
    assert pl.read_parquet(tmp_path / "list.parquet").height == 10
    with pytest.raises(ConfigError, match=r"\.csv or \.parquet"):
        found.save_review(tmp_path / "list.xlsx")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["list.csv", "list.parquet"]


def test_the_review_list_holds_no_formula(planted, tmp_path):
    dense = planted(50).dense
    samples = replace(dense.samples, ids=pl.Series("id", [f"={i}+1" for i in range(50)]))
    found = forecast(ps.Predictions(samples, dense.logits, dense.metadata))
    found.save_review(tmp_path / "list.csv", 10)
    assert pl.read_csv(tmp_path / "list.csv")["id"].str.starts_with("'=").all()


def test_risk_becomes_a_probability_that_is_right(planted):
    """Calibrated on one half, on flips that no scorer's rule knows of; checked on the other."""
    world = planted(8000)
    moved = 0.6 * world.z + world.rng.normal(0, 1.5, world.z.shape)
    sparse = world.pruned(moved)
    fit, check = np.arange(4000), np.arange(4000, 8000)
    found = forecast(
        world.dense.take(check),
        sparsity=0.95,
        validation=world.dense.take(fit),
        pruned_validation=[sparse.take(fit)],
    )
    flips = ((sparse.logits > 0) != (world.z > 0))[check]
    p = found.probability
    assert found.info.probabilities == "calibrated on sparse"
    own = forecast(world.dense.take(check), sparsity=0.95).probability
    error, error_of_own = (np.mean((q - flips) ** 2) for q in (p, own))
    assert error < error_of_own
    for low, high in ((0.05, 0.2), (0.2, 0.4), (0.4, 1.0)):
        inside = (p > low) & (p <= high)
        assert flips[inside].mean() == pytest.approx(p[inside].mean(), abs=0.04)


def test_each_pruned_model_is_calibrated_at_its_own_sparsity(planted):
    world = planted(2000)
    mild, deep = (world.pruned((1 - s / 2) * world.z - s, f"p{s}", s) for s in (0.5, 0.9))
    both = forecast(world.dense, validation=world.dense, pruned_validation=[mild, deep])
    assert both.info.calibration.n == 2 * world.z.size
    assert both.info.calibration.names == ("p0.5", "p0.9")


def test_without_rates_labels_stand_in_with_a_warning(planted):
    world = planted(200)
    bare = replace(world.dense, metadata=ps.Metadata(name="dense"))
    found = forecast(bare)
    assert "rates of the evaluated labels stand in" in found.info.warnings[0]
    told = forecast(bare, train_rates=world.rates)
    assert not told.info.warnings
    assert np.array_equal(told.risk, forecast(world.dense).risk)
    assert told.info.metadata.train_prevalence == dict(world.rates.prevalence)


def test_labels_of_the_samples_do_not_reach_the_risk(planted):
    """Not by the rates that stand in where the file tells none, either."""
    bare = replace(planted(300).dense, metadata=ps.Metadata(name="dense"))
    labels = bare.samples.labels
    for other in (np.full_like(labels, -1), 1 - labels):
        blind = replace(bare, samples=replace(bare.samples, labels=other))
        for scorer in ("prior-shrink", "group-prior", BEST["A"]):
            found, again = (forecast(one, scorer=scorer) for one in (bare, blind))
            assert np.array_equal(found.risk, again.risk)


def test_validation_may_have_its_attributes_in_another_order(planted):
    world = planted(400)
    order = [2, 0, 3, 1]
    samples = replace(
        world.dense.samples,
        attributes=tuple(world.dense.attributes[a] for a in order),
        labels=world.dense.samples.labels[:, order],
    )
    turned = replace(world.dense, samples=samples, logits=world.z[:, order])
    found, again = (
        forecast(world.dense, scorer="temperature", validation=one) for one in (world.dense, turned)
    )
    assert np.array_equal(found.risk, again.risk)


def test_validation_of_other_attributes_is_refused(planted, build):
    world = planted(50)
    other = build([[1, 0]] * 9, [[1.0, -1.0]] * 9, name="other")
    with pytest.raises(DataError, match="the attributes of dense and other differ"):
        forecast(world.dense, scorer="temperature", validation=other)


def test_validation_on_the_samples_themselves_is_warned_of(planted):
    world = planted(200)
    found = forecast(world.dense, scorer="temperature", validation=world.dense)
    assert "200 ids of the validation split" in found.info.warnings[0]


def test_two_classes_are_foretold_as_one_attribute(build):
    rng = np.random.default_rng(0)
    z = rng.normal(-1, 2, (500, 1)).astype("f4")
    yes = (z > 0).astype(int)
    rate = {"train_prevalence": {"a0": 0.2}}
    one = build(yes, z, **rate)
    rates = {"train_prevalence": {"a0": 0.8, "a1": 0.2}}
    two = build(
        np.hstack([1 - yes, yes]), np.hstack([np.zeros_like(z), z]), task="multiclass", **rates
    )
    for scorer in ("margin", "prior-shrink", BEST["A"]):
        a, b = (forecast(model, sparsity=0.95, scorer=scorer) for model in (one, two))
        assert b.margin[:, 1:] == pytest.approx(a.margin, abs=1e-5)
        assert b.risk[:, 1:] == pytest.approx(a.risk, rel=1e-3, abs=1e-3)
        assert b.risk[:, 0] == pytest.approx(b.risk[:, 1], rel=1e-4, abs=1e-4)


def test_of_classes_the_riskiest_are_images_with_what_they_become(classes, tmp_path):
    world = classes(300)
    found = forecast(world.dense, sparsity=0.95)
    named = world.z.argmax(axis=1)
    risk = found.risk[np.arange(300), named]
    told = found.riskiest(300)
    assert told["id"].n_unique() == 300
    assert told["answer"].all()
    assert told["risk"].to_list() == pytest.approx(sorted(risk, reverse=True))
    cats = found.riskiest(999, "cat")
    assert cats["id"].to_list() == told.filter(attribute="cat")["id"].to_list()
    found.save(tmp_path)
    assert Forecast.load(tmp_path).review(50).equals(found.review(50))
    p = np.where(found.answer, -1, found.probability)
    becomes = dict(found.review(300).select("id", "becomes").rows())
    assert [becomes[f"image-{i}"] for i in range(300)] == [
        world.dense.attributes[c] for c in p.argmax(axis=1)
    ]
    assert "4 classes" in repr(found)
    assert forecast(world.dense, scorer="margin").review(3)["becomes"].null_count() == 0


@pytest.mark.parametrize("scorer", ["margin", BEST["A"]])
def test_of_classes_calibrated_chances_are_those_of_images_and_add_up(classes, scorer):
    world = classes(8000)
    sparse = world.pruned(0.6 * world.z + world.rng.normal(0, 1, world.z.shape))
    fit, check = np.arange(4000), np.arange(4000, 8000)
    found = forecast(
        world.dense.take(check), sparsity=0.95, scorer=scorer,
        validation=world.dense.take(fit), pruned_validation=[sparse.take(fit)],
    )  # fmt: skip
    assert found.info.calibration.n == 4000
    answers = abs(found.answer - found.probability.astype(np.float64))
    assert answers.sum(axis=1) == pytest.approx(np.ones(4000), abs=1e-6)
    named = world.z.argmax(axis=1)[check]
    p = found.probability[np.arange(4000), named]
    flips = sparse.logits.argmax(axis=1)[check] != named
    for low, high in ((0.05, 0.2), (0.2, 0.4), (0.4, 1.0)):
        inside = (p > low) & (p <= high)
        assert flips[inside].mean() == pytest.approx(p[inside].mean(), abs=0.06)


def test_one_class_alone_is_refused(build):
    with pytest.raises(ConfigError, match="one class alone"):
        forecast(build([[1]] * 3, [[0.1]] * 3, task="multiclass"))


def test_a_sparsity_that_was_not_looked_at_is_an_error(planted):
    with pytest.raises(ConfigError, match=r"0\.3 was not looked at"):
        forecast(planted(30).dense).at(0.3)


def test_without_labels_probabilities_stand_in_for_base_rates(planted):
    world = planted(200)
    blank = replace(world.dense.samples, labels=np.full_like(world.dense.samples.labels, -1))
    found = forecast(replace(world.dense, samples=blank, metadata=ps.Metadata(name="d")))
    assert "mean probability" in found.info.notes[0]
    assert set(found.at().filter(metric="rare_value_ratio")["status"]) == {"insufficient_support"}
    assert set(found.at().filter(pl.col("group").is_null(), metric="flip_rate")["status"]) == {"ok"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sparsity": 1.0}, "outside \\(0, 1\\)"),
        ({"sparsity": 95}, "95 percent is 0.95"),
        ({"sparsity": 0.0}, "outside \\(0, 1\\)"),
        ({"scorer": "spectral"}, "did you mean spectral-shrink"),
        ({"tier": "D"}, "unknown tier 'D'"),
        ({"tier": "B", "scorer": "margin"}, "is of tier A"),
        ({"tier": "B"}, "give the model and its data"),
        ({"identity": ["Mael"]}, "did you mean Male"),
        ({"dataset": object()}, "give both, or neither"),
    ],
)  # fmt: skip
def test_bad_settings_get_one_clear_error(planted, given, message):
    with pytest.raises(PrunescopeError, match=message):
        forecast(planted(20).dense, **given)


def test_calibration_needs_the_dense_models_answers_too(planted):
    world = planted(50)
    with pytest.raises(ConfigError, match="give both"):
        forecast(world.dense, pruned_validation=[world.pruned(world.z)])


def test_the_public_name_is_the_function(planted):
    found = ps.forecast(planted(20).dense, sparsity=0.8)
    assert repr(found) == (
        "Forecast('dense' at 80.0%: 20 samples × 4 attributes, spectral-shrink, tier A)"
    )
    assert "near the threshold" in found._repr_html_() or "far from" in found._repr_html_()


GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "celeba40" / "dense.parquet"


@pytest.mark.skipif(not GOLDEN.exists(), reason="the golden predictions are not here")
@pytest.mark.parametrize("scorer", ["margin", "band", "prior-shrink", "group-prior", BEST["A"]])
def test_it_works_on_the_golden_predictions_alone(scorer):
    found = forecast(ps.Predictions.load(GOLDEN), sparsity=0.95, scorer=scorer)
    assert found.risk.shape == (8332, 40)
    assert np.isfinite(found.risk).all()
