"""Routing: what is sent, what that leaves, and how the cut is chosen; against loops."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from prunescope.audit import audit
from prunescope.data.samples import Group
from prunescope.errors import ConfigError, DataError
from prunescope.forecast import forecast
from prunescope.mitigate import Route, fit_adjustment, route
from prunescope.mitigate.curves import SHARES
from prunescope.mitigate.risk import ALONE, risk_of
from prunescope.mitigate.routing import SURE, Routed
from prunescope.verdict import Policy


@pytest.fixture(scope="module")
def world(planted):
    return {"val": planted("val", 3000), "test": planted("test", 3000)}


def pair(world, split):
    dense, sparse = world[split]
    return sparse, dense


def test_the_riskiest_answers_are_sent_and_no_others(world):
    sparse, dense = pair(world, "val")
    found = route(sparse, dense, share=0.1)
    margins = np.sort(abs(sparse.logits), axis=None)
    assert found.info.cut == -margins[round(0.1 * margins.size) - 1]
    sent = abs(sparse.logits) <= -found.info.cut
    assert sent.mean() == pytest.approx(0.1, abs=1e-3) == found.info.sent
    both = found.apply(sparse, dense)
    assert (both.decisions == np.where(sent, dense.decisions, sparse.decisions)).all()
    assert both.name == "sparse+route"
    assert (both.logits[sent] == dense.logits[sent]).all()


def test_a_person_answers_what_is_labelled(world):
    sparse, dense = pair(world, "val")
    labels = sparse.samples.labels.copy()
    labels[:100] = -1
    samples = replace(sparse.samples, labels=labels)
    sparse, dense = replace(sparse, samples=samples), replace(dense, samples=samples)
    found = route(sparse, dense, share=1.0, to="person")
    both = found.apply(sparse, dense)
    told = found.curve.filter(order="risk", sent=1.0)["flip_rate"][0]
    assert told == pytest.approx((both.decisions != dense.decisions).mean())
    assert (both.decisions[100:] == (labels[100:] == 1)).all()
    assert (both.decisions[:100] == dense.decisions[:100]).all()
    assert set(np.unique(abs(both.logits[100:]))) == {SURE}


def test_thresholds_count_on_both_sides(world):
    sparse, dense = pair(world, "val")
    sparse = replace(sparse, thresholds=np.array([-1.5, 0.0, 0.0]))
    dense = replace(dense, thresholds=np.array([0.5, 0.0, 0.0]))
    found = route(sparse, dense, share=0.2)
    sent = abs(sparse.logits - sparse.thresholds) <= -found.info.cut + 1e-6
    both = found.apply(sparse, dense)
    assert (both.decisions == np.where(sent, dense.decisions, sparse.decisions)).all()


@pytest.mark.parametrize("to", ["dense", "person"])
def test_curves_are_what_the_audit_finds(world, to):
    sparse, dense = pair(world, "test")
    found = route(sparse, dense, share=0.05, to=to, macs=(100.0, 10.0))
    rows = found.curve.filter(order="chosen").row(0, named=True)
    both = found.apply(sparse, dense)
    table = audit(dense, both, replicates=0).table.filter(model="sparse+route")
    value = {
        (row["metric"], row["group"]): row["value"]
        for row in table.filter(
            pl.col("attribute").is_null(), pl.col("group_value").is_null()
        ).to_dicts()
    }
    assert rows["flip_rate"] == pytest.approx(value["flip_rate", None], abs=1e-9)
    assert rows["error_rate"] == pytest.approx(1 - value["accuracy", None], abs=1e-9)
    for metric, group in (("rare_value_ratio", None), ("bias_amplification", "Male")):
        assert rows[metric] == pytest.approx(value[metric, group], abs=1e-6)
    sent = abs(sparse.logits) <= -found.info.cut
    assert rows["samples"] == pytest.approx(sent.any(axis=1).mean())
    asked = rows["samples"] if to == "dense" else 0
    assert rows["cost"] == pytest.approx(0.1 + asked)


def test_orders_stand_where_they_must(world):
    sparse, dense = pair(world, "test")
    curve = route(sparse, dense, share=0.05).curve.filter(pl.col("order") != "chosen")
    flips = {
        order: curve.filter(order=order).sort("sent")["flip_rate"].to_numpy()
        for order in ("risk", "random", "oracle")
    }
    whole = (sparse.decisions != dense.decisions).mean()
    assert (flips["oracle"] <= flips["risk"] + 1e-12).all()
    assert (flips["risk"][1:-1] < flips["random"][1:-1]).all()
    np.testing.assert_allclose(flips["random"], whole * (1 - np.array(SHARES)), atol=1e-9)
    np.testing.assert_allclose(flips["oracle"], np.maximum(whole - np.array(SHARES), 0), atol=1e-6)


def test_named_scores_are_the_forecasts(world):
    sparse, dense = pair(world, "val")
    risk = risk_of("spectral-shrink", sparse, dense)
    told = forecast(dense, sparsity=0.95)
    np.testing.assert_allclose(risk, told.risk, rtol=1e-5)
    by_name = route(sparse, dense, share=0.1, score="spectral-shrink")
    by_folder = route(sparse, dense, share=0.1, score=told)
    assert by_folder.info.cut == pytest.approx(by_name.info.cut, rel=1e-5)
    assert "dense model's answer to every sample" in by_name.info.needs
    shuffled = dense.take(np.random.default_rng(0).permutation(len(dense.samples)))
    again = Routed.of(sparse, shuffled, forecast(shuffled, sparsity=0.95), "dense")
    np.testing.assert_allclose(again.risk, told.risk, rtol=1e-4, atol=1e-4)


def test_a_target_sends_as_little_as_keeps_it(world):
    sparse, dense = pair(world, "val")
    target = Policy.of(["flip_rate <= 0.03"])
    found = route(sparse, dense, target=target, replicates=200)
    curve = found.curve.filter(order="risk", split="validation").sort("sent")
    within = curve.filter(pl.col("flip_rate") <= 0.03)["sent"][0]
    assert within <= found.info.sent <= 0.5
    table = audit(dense, found.apply(sparse, dense), replicates=200).table
    row = table.filter(
        pl.col("attribute").is_null(), pl.col("group").is_null(), metric="flip_rate"
    ).row(0, named=True)
    reach = row["value"] + (row["high"] - row["value"]) * norm.ppf(0.95) / norm.ppf(0.975)
    assert reach <= 0.03
    impossible = route(sparse, dense, target=Policy.of(["accuracy >= 0.999"]), replicates=200)
    assert impossible.info.cut is None
    assert "not even with every answer sent" in impossible.info.reason
    with pytest.raises(ConfigError, match="the route has no cut: not even"):
        impossible.apply(sparse, dense)


def test_a_certified_cut_holds_on_test_for_each_group(world):
    sparse, dense = pair(world, "val")
    found = route(
        sparse, dense, certify_loss="disagreement", alpha=0.04, delta=0.05, certify_groups=["Male"]
    )
    overall, of_groups = found.info.certificates
    assert overall.who == "all samples"
    assert of_groups.cut <= overall.cut
    assert found.info.cut == of_groups.cut
    both = found.apply(*pair(world, "test"))
    dense_test = world["test"][0]
    differ = both.decisions != dense_test.decisions
    for code in (0, 1):
        assert differ[dense_test.samples.groups["Male"].codes == code].mean() <= 0.04
    assert found.info.sent < 0.9


def test_scores_that_look_at_samples_together_cannot_certify(world):
    sparse, dense = pair(world, "val")
    loss = {"certify_loss": "disagreement", "alpha": 0.1}
    for score in ("spectral-shrink", forecast(dense, sparsity=0.95)):
        with pytest.raises(ConfigError, match=r"certify by own-margin or margin or band"):
            route(sparse, dense, score=score, **loss)
    for score in ("margin", forecast(dense, sparsity=0.95, scorer="margin")):
        assert route(sparse, dense, score=score, **loss).info.cut is not None


@pytest.mark.parametrize("score", ALONE)
def test_risks_that_look_at_a_sample_alone_do_so(world, score):
    sparse, dense = pair(world, "val")
    few = np.arange(50)
    whole = risk_of(score, sparse, dense)
    assert np.array_equal(whole[few], risk_of(score, sparse.take(few), dense.take(few)))


def test_errors_can_be_certified_only_where_labels_are_known(world):
    sparse, dense = pair(world, "val")
    found = route(sparse, dense, certify_loss="error", alpha=0.1, to="person")
    assert 0 < found.info.sent < 0.9
    assert route(sparse, dense, certify_loss="error", alpha=0.01).info.cut is None
    none = replace(sparse.samples, labels=np.full_like(sparse.samples.labels, -1))
    bare, beside = replace(sparse, samples=none), replace(dense, samples=none)
    cannot = route(bare, beside, certify_loss="error", alpha=0.1, to="person")
    assert "0 independent units" in cannot.info.reason
    assert route(bare, beside, certify_loss="disagreement", alpha=0.1).info.cut is not None
    # labels that only the dense model's file has are those of the samples
    by_dense = route(bare, dense, certify_loss="error", alpha=0.1, to="person")
    assert by_dense.info.cut == found.info.cut


def test_clusters_are_the_independent_units(world):
    sparse, dense = pair(world, "val")
    people = pl.Series([str(i // 30) for i in range(len(sparse.samples))])
    groups = {**sparse.samples.groups, "person": Group.from_series(people)}
    samples = replace(sparse.samples, groups=groups, cluster="person")
    clustered = route(
        replace(sparse, samples=samples), dense, certify_loss="disagreement", alpha=0.05
    )
    assert clustered.info.certificates[0].n == 100
    alone = route(sparse, dense, certify_loss="disagreement", alpha=0.05)
    assert alone.info.certificates[0].n == 3000
    # files of other tools do not say so themselves
    unnamed = replace(sparse, samples=replace(samples, cluster=None))
    named = route(unnamed, dense, certify_loss="disagreement", alpha=0.05, cluster="person")
    assert named.info == clustered.info
    assert named.curve.equals(clustered.curve)


def test_thresholds_fitted_to_the_samples_prove_nothing_of_them(world):
    sparse, dense = pair(world, "val")
    fitted = fit_adjustment(sparse, criterion="prevalence")
    again = fitted.apply(sparse)
    loss = {"certify_loss": "error", "alpha": 0.15}
    with pytest.raises(ConfigError, match=r"of sparse were fitted to these samples \(100%.*proved"):
        route(again, dense, **loss)
    overlap = sparse.take(np.arange(300))  # a tenth of those
    with pytest.raises(ConfigError, match="nothing can be proved by them: give another split"):
        route(fitted.apply(overlap), dense, **loss)
    assert route(again, dense, share=0.1).info.cut is not None
    elsewhere, dense_test = pair(world, "test")
    assert route(fitted.apply(elsewhere), dense_test, **loss).info.certificates[0].n == 3000


def test_tied_risks_are_sent_together_or_not(world):
    sparse, dense = pair(world, "val")
    risk = np.zeros(sparse.logits.shape)
    risk[:60, 0] = 1.0  # 60 of 9,000 answers
    some = route(sparse, dense, share=0.05, score=risk)
    assert some.info.sent == 60 / 9000
    assert some.info.chosen_by == "share 0.05 (0.7% are sent: many have one risk)"
    most = route(sparse, dense, share=0.6, score=risk)
    assert most.info.sent == 1.0
    alike = route(sparse, dense, share=0.05, score=np.zeros(sparse.logits.shape))
    assert alike.info.sent == 0.0
    assert route(sparse, dense, share=0.05).info.chosen_by == "share 0.05"


def test_curves_average_the_same_attributes_at_every_share(world):
    sparse, dense = pair(world, "test")
    whole = route(sparse, dense, share=0.1).curve.filter(group="Male")
    # an attribute that one of the models never gives, so that its lean is known at some shares
    never = np.array([0.0, 0.0, 50.0])
    for pair_of in (
        (replace(sparse, thresholds=never), dense),
        (sparse, replace(dense, thresholds=never)),
    ):
        told = route(*pair_of, share=0.1).curve.filter(group="Male")
        assert told["bias_amplification_n"].unique().to_list() == [1]
        assert told["bias_amplification"].is_finite().all()
        assert told["rare_value_ratio_n"].unique().to_list() == [3]
    assert whole["bias_amplification_n"].unique().to_list() == [2]


def test_a_target_is_judged_at_the_level_that_was_asked_for(world):
    sparse, dense = pair(world, "val")
    some = route(sparse, dense, share=SHARES[3])
    both = some.apply(sparse, dense)
    overall = pl.col("attribute").is_null() & pl.col("group").is_null()
    levels = [{"replicates": 200, "confidence": level} for level in (0.5, 0.99)]
    ends = []
    for level in levels:
        table = audit(dense, both, **level).table
        row = table.filter(overall, metric="flip_rate").row(0, named=True)
        alpha = 1 - level["confidence"]
        one_sided = norm.ppf(1 - alpha) / norm.ppf(1 - alpha / 2)
        ends.append(row["value"] + one_sided * (row["high"] - row["value"]))
    between = Policy.of([f"flip_rate <= {sum(ends) / 2}"])
    sent = [route(sparse, dense, target=between, **level).info.sent for level in levels]
    assert sent[0] == some.info.sent < sent[1]
    target = Policy.of(["tpr[attribute:*] >= 0.3"])
    assert route(sparse, dense, target=target, replicates=100).info.cut is not None
    rare = route(sparse, dense, target=target, replicates=100, min_support=2000)
    assert rare.info.cut is None  # nothing has so much support that it could be told


def test_a_class_is_sent_with_all_its_sample(build):
    rng = np.random.default_rng(0)
    z = rng.normal(0, 2, (400, 3))
    names, labels = ("cat", "dog", "owl"), np.eye(3, dtype=np.int8)[z.argmax(axis=1)]
    told = {"task": "multiclass", "names": names}
    dense = build(labels, z, name="dense", **told)
    sparse = build(labels, z + rng.normal(0, 1, z.shape), name="sparse", **told)
    found = route(sparse, dense, share=0.2)
    both = found.apply(sparse, dense)
    ranked = np.sort(sparse.logits, axis=1)
    close = ranked[:, 2] - ranked[:, 1] <= -found.info.cut + 1e-6
    expected = np.where(close[:, None], dense.decisions, sparse.decisions)
    assert (both.decisions == expected).all()
    assert both.decisions.sum(axis=1).tolist() == [1] * 400
    curve = found.curve.filter(sent=0.0, order="risk").row(0, named=True)
    changed = (sparse.decisions != dense.decisions).any(axis=1).mean()
    assert curve["flip_rate"] == curve["error_rate"] == pytest.approx(changed)
    tenth = {row["order"]: row for row in found.curve.filter(sent=0.1).to_dicts()}
    assert tenth["random"]["flip_rate"] == pytest.approx(0.9 * changed)
    assert tenth["oracle"]["flip_rate"] == pytest.approx(changed - 0.1)
    assert {row["samples"] for row in tenth.values()} == {0.1}
    sure = route(sparse, dense, certify_loss="disagreement", alpha=0.1)
    after = sure.apply(sparse, dense)
    assert (after.decisions != dense.decisions).any(axis=1).mean() <= 0.1


def test_whole_samples_are_sent_by_their_riskiest_answer(world):
    sparse, dense = pair(world, "val")
    found = route(sparse, dense, share=0.2, whole=True, macs=(100.0, 10.0))
    close = (abs(sparse.logits) <= -found.info.cut).any(axis=1)
    assert close.mean() == pytest.approx(0.2, abs=1e-3)
    both = found.apply(sparse, dense)
    expected = np.where(close[:, None], dense.decisions, sparse.decisions)
    assert (both.decisions == expected).all()
    row = found.curve.filter(order="chosen").row(0, named=True)
    assert row["samples"] == row["sent"] == pytest.approx(0.2, abs=1e-3)
    assert row["cost"] == pytest.approx(0.1 + row["samples"])
    flips = (sparse.decisions != dense.decisions).sum(axis=1)
    best = np.sort(flips)[::-1][: round(0.1 * len(flips))].sum()
    oracle = found.curve.filter(order="oracle", sent=0.1).row(0, named=True)
    assert oracle["flip_rate"] == pytest.approx((flips.sum() - best) / sparse.logits.size, rel=0.01)
    assert found.curve.filter(order="random", sent=0.1)["samples"][0] == 0.1
    certified = route(sparse, dense, certify_loss="disagreement", alpha=0.05, whole=True)
    after = certified.apply(*pair(world, "test"))
    assert (after.decisions != world["test"][0].decisions).mean() <= 0.05


def test_it_survives_its_folder(world, tmp_path):
    sparse, dense = pair(world, "val")
    found = route(sparse, dense, certify_loss="disagreement", alpha=0.05, test=pair(world, "test"))
    found.save(tmp_path)
    read = Route.load(tmp_path)
    assert read.info == found.info
    for chosen in ({"share": 0.0}, {"certify_loss": "disagreement", "alpha": 0.005}):
        extreme = route(sparse, dense, **chosen)
        extreme.save(tmp_path / "extreme")
        again = Route.load(tmp_path / "extreme")
        assert again.info == extreme.info
        before, after = (one.apply(sparse, dense).decisions for one in (extreme, again))
        assert np.array_equal(before, after)
    assert read.curve.equals(found.curve)
    assert read.curve["split"].unique(maintain_order=True).to_list() == ["validation", "test"]
    (tmp_path / "route.json").write_text('{"format_version": 9}')
    with pytest.raises(DataError, match=r"the route cannot be read.*\n*format_version"):
        Route.load(tmp_path)
    with pytest.raises(DataError, match=r"holds no route: expected curve\.parquet and route\.json"):
        Route.load(tmp_path / "absent")


def test_what_cannot_be_routed_says_why(world):
    sparse, dense = pair(world, "val")
    for wrong, message in (
        ({}, "expected exactly one of a share, a target and a loss"),
        ({"share": 0.1, "certify_loss": "error"}, "expected exactly one of"),
        ({"share": 2.0}, "share 2.0: expected a number from 0 to 1"),
        ({"share": 0.1, "to": "nobody"}, "unknown destination 'nobody'"),
        ({"share": 0.1, "score": "own-margn"}, "did you mean own-margin"),
        ({"share": 0.1, "score": "one-shot"}, "unknown score 'one-shot'"),
        ({"certify_loss": "error", "certify_groups": ["Mal"]}, "did you mean Male"),
    ):
        with pytest.raises(ConfigError, match=message):
            route(sparse, dense, **wrong)
    with pytest.raises(DataError, match=r"dense lacks 3,000 of the 3,000 samples"):
        route(sparse, world["test"][0], share=0.1)
    with pytest.raises(DataError, match=r"expected \(3000, 3\), a number for each answer"):
        route(sparse, dense, share=0.1, score=np.zeros((2, 2)))
    own = route(sparse, dense, share=0.1, score=-abs(sparse.logits))
    with pytest.raises(ConfigError, match="chosen by risks of your own: give that of these"):
        own.apply(sparse, dense)
    with pytest.raises(ConfigError, match="chosen by risks of your own: give that of these"):
        route(sparse, dense, share=0.1, score=-abs(sparse.logits), test=pair(world, "test"))
    risk = forecast(world["test"][0], sparsity=0.95)
    with pytest.raises(ConfigError, match="own-margin, which is known of any samples: leave out a"):
        route(sparse, dense, share=0.1, test=pair(world, "test"), test_score=risk)
    with pytest.raises(ConfigError, match="own-margin, which is known of any samples: leave out a"):
        route(sparse, dense, share=0.1).apply(*pair(world, "test"), risk)
    with pytest.raises(ConfigError, match="a score of test samples needs the test split"):
        route(sparse, dense, share=0.1, test_score=risk)
    with pytest.raises(ConfigError, match="groups to certify need a loss"):
        route(sparse, dense, share=0.1, certify_groups=["Male"])
    with pytest.raises(DataError, match="3,000 validation samples of sparse are test samples"):
        route(sparse, dense, share=0.1, test=(sparse, dense))
    with pytest.raises(DataError, match="'sparse' answers the validation split and 'dense' the"):
        route(sparse, dense, share=0.1, test=world["test"])
    lies = replace(dense, samples=replace(dense.samples, labels=1 - dense.samples.labels))
    with pytest.raises(DataError, match="sparse and dense disagree on 9000 labels"):
        route(sparse, lies, share=0.1)
    with pytest.raises(DataError, match="chosen for 'sparse' and 'dense', not for 'dense'"):
        own.apply(dense, sparse)


def test_it_looks_well_in_a_notebook(world):
    found = route(*pair(world, "val"), share=0.1)
    assert repr(found).startswith("Route('sparse' to 'dense': 10.0% of the answers sent, of ")
    assert "<table" in found._repr_html_()
