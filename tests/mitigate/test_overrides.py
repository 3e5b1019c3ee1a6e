"""Overrides: what people say instead of the model, by hand-sized tables, and what is refused."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.audit import audit
from prunescope.errors import ConfigError, DataError
from prunescope.mitigate import Overrides, Route, judge_route, route
from prunescope.mitigate.routing import SURE

ATTRIBUTES = ("Bald", "Smiling")
CLASSES = {"task": "multiclass", "names": ("cat", "dog", "owl")}


def said(*rows, **more):
    frame = pl.DataFrame(list(rows), schema=["id", "attribute", "answer"], orient="row")
    return Overrides.of(frame.with_columns(**more), "review")


@pytest.fixture
def sparse(build):
    labels = [[1, 0], [1, 1], [0, 0], [-1, 1]]
    logits = [[-1.0, 2.0], [2.0, 1.0], [1.0, -2.0], [-3.0, -1.0]]
    return build(labels, logits, names=ATTRIBUTES, name="sparse")


@pytest.fixture
def animals(build):
    return build(np.eye(3, dtype=np.int8), [[0.0, 2, 1], [3, 1, 0], [0, 0, 1]], **CLASSES)


def test_each_answer_does_what_it_says(sparse):
    review = said(
        ("s0", "Bald", "yes"),  # the model said no
        ("s0", "Smiling", "no"),  # the model said yes
        ("s1", "Bald", "label_wrong"),  # labelled yes: it is no
        ("s2", "Smiling", "label_wrong"),  # labelled no: it is yes
        ("s2", "Bald", "unsure"),
        ("s3", "Bald", "yes"),  # not labelled, and stays so
    )
    both = review.apply(sparse)
    assert both.decisions.tolist() == [[True, False], [False, True], [True, True], [True, False]]
    assert both.samples.labels.tolist() == [[1, 0], [0, 1], [0, 1], [-1, 1]]
    changed = [[SURE, -SURE], [-SURE, 1.0], [1.0, SURE], [SURE, -1.0]]
    assert both.logits.tolist() == changed
    assert both.name == "sparse+overrides"
    assert sparse.samples.labels.tolist() == [[1, 0], [1, 1], [0, 0], [-1, 1]]
    info = review.info("multilabel")
    assert (info.yes, info.no, info.unsure, info.label_wrong, info.idle) == (2, 1, 1, 2, 1)
    assert info.n == len(review) == 6


def test_thresholds_hold_for_the_others(sparse):
    raised = replace(sparse, thresholds=np.array([1.5, -2.5]))
    both = said(("s0", "Bald", "yes")).apply(raised)
    expected = raised.decisions.copy()
    expected[0, 0] = True
    assert both.thresholds is None
    assert (both.decisions == expected).all()


def test_of_classes_only_yes_is_an_answer(animals):
    review = said(
        ("s0", "owl", "yes"),
        ("s1", "cat", "no"),
        ("s2", "owl", "label_wrong"),
    )
    both = review.apply(replace(animals))
    assert both.decisions.argmax(axis=1).tolist() == [2, 0, 2]
    assert both.logits[0].tolist() == [-SURE, -SURE, SURE]
    assert both.samples.labels.tolist() == [[1, 0, 0], [0, 1, 0], [-1, -1, -1]]
    info = review.info("multiclass")
    assert (info.n, info.idle) == (3, 2)
    assert info.told() == "review: 1 yes, 1 no, 0 unsure, 1 label_wrong; 2 of 3 change no answer"
    named = said(("s2", "owl", "label_wrong"), ("s2", "cat", "yes")).apply(animals)
    assert named.samples.labels[2].tolist() == [1, 0, 0]
    assert named.decisions[2].tolist() == [True, False, False]
    # whichever class the row names: it is the sample's label that is wrong
    other = said(("s2", "cat", "label_wrong")).apply(animals)
    assert other.samples.labels[2].tolist() == [-1, -1, -1]
    assert (other.decisions == animals.decisions).all()


def test_rows_that_agree_count_once_and_unsure_gives_way():
    review = said(
        ("a", "Bald", "unsure"), ("a", "Bald", "yes"), ("a", "Bald", " YES "), ("b", "Bald", "no")
    )
    assert review.table.rows() == [("a", "Bald", "yes", 2), ("b", "Bald", "no", 4)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("s0", "Bald", "yes"), ("s1", "Bald", "no"), ("s0", "Bald", "no")],
         "rows 1 and 3 contradict each other on 'Bald' of id 's0', yes and no"),
        ([("s0", "Bald", "yes"), ("s0", "Bald", "label_wrong")], "rows 1 and 2 contradict"),
        ([("s0", "Bald", "no"), ("s1", "Bald", "lable_wrong")],
         "row 2: unknown answer 'lable_wrong': did you mean label_wrong"),
        ([("s0", "Bald", "no"), (None, "Bald", "no")], "row 2 has no id"),
        ([("s0", "", "no")], "row 1 has no attribute"),
        ([("s0", "Bald", None)], "row 1 has no answer"),
        ([("s0", "Bald", "no"), ("s0", "Blad", "no")],
         "row 2 of 1 that sparse cannot answer: unknown attribute 'Blad': did you mean Bald"),
        ([("s0", "Bald", "no"), ("x", "Bald", "no"), ("y", "Bald", "no")],
         "2 of the 3 ids are not among the samples of sparse, 'x' in row 2 for example"),
        ([("img/s0.png", "Bald", "no"), ("img/s1.png", "Bald", "no")],
         "match without the folder before the name and the suffix"),
        ([("s1", "Bald", "no"), ("s3", "Bald", "label_wrong")],
         "row 2 calls the label of 'Bald' for id 's3' wrong, and there is none"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(sparse, rows, message):
    with pytest.raises(DataError, match=message):
        said(*rows).apply(sparse)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("s0", "cat", "yes"), ("s0", "owl", "yes")], "rows 1 and 2 say that id 's0' is 'cat'"),
        ([("s0", "cat", "yes"), ("s0", "cat", "no")], "rows 1 and 2 contradict each other"),
        ([("s1", "cat", "label_wrong"), ("s1", "dog", "yes")],
         "row 1 calls the label of id 's1' wrong, and row 2 says that it is 'dog', as labelled"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_of_classes_is_refused(animals, rows, message):
    with pytest.raises(DataError, match=message):
        said(*rows).apply(animals)


def test_tables_lack_no_column():
    with pytest.raises(DataError, match=r"review: no column attribute, answer; .* found id"):
        Overrides.of(pl.DataFrame({"id": ["a"]}), "review")
    with pytest.raises(DataError, match="review: no rows"):
        said()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_files_are_read_as_a_queue_writes_them(tmp_path, build, suffix):
    path = tmp_path / f"review.{suffix}"
    ids, names = ["=1+1", "007", "'tis"], ("@a,b", 'say "yes"')
    frame = pl.DataFrame(
        {"id": ids, "attribute": [*names, names[0]], "answer": ["yes", "no", "unsure"], "by": "ann"}
    )
    if suffix == "csv":  # the apostrophe is what a queue puts before formulas
        frame = frame.with_columns(
            pl.col("id").replace("=1+1", "'=1+1"), pl.col("attribute").replace(names[0], "'@a,b")
        )
        frame.write_csv(path)
    else:
        frame.write_parquet(path)
    found = Overrides.load(path)
    assert found.table["id"].to_list() == ids
    model = build(np.zeros((3, 2)), np.full((3, 2), [-1.0, 1.0]), ids=ids, names=names)
    assert found.apply(model).decisions.tolist() == [[True, True], [False, False], [False, True]]
    assert found.info("multilabel").file == path.name


def test_files_that_are_none_say_so(tmp_path):
    with pytest.raises(DataError, match="no such file; expected overrides"):
        Overrides.load(tmp_path / "none.csv")
    odd = tmp_path / "review.xlsx"
    odd.write_text("id")
    with pytest.raises(DataError, match=r"ends in \.csv or \.parquet"):
        Overrides.load(odd)
    broken = tmp_path / "review.parquet"
    broken.write_text("id,attribute,answer")
    with pytest.raises(DataError, match="cannot be read as parquet"):
        Overrides.load(broken)


def flipped(dense, sparse):
    """Return what a person says who sees what the dense model answers, of every flip."""
    rows = [
        (sparse.samples.ids[r], sparse.attributes[c], "yes" if dense.decisions[r, c] else "no")
        for r, c in np.argwhere(dense.decisions != sparse.decisions).tolist()
    ]
    return said(*rows)


def test_overrides_of_all_flips_bring_the_dense_models_figures_back(planted):
    dense, sparse = planted("val", 2000)
    review = flipped(dense, sparse)
    both = review.apply(sparse)
    assert (both.decisions == dense.decisions).all()
    table = audit(dense, both, replicates=0).table
    counted = ["accuracy", "tpr", "rare_value_ratio", "bias_amplification", "flip_rate"]
    rows = table.filter(pl.col("metric").is_in(counted), model="sparse+overrides")
    told = rows.filter(pl.col("value").is_not_null())
    assert told["metric"].n_unique() == len(counted)
    of_flips = told.filter(metric="flip_rate")
    assert of_flips["value"].unique().to_list() == [0.0]
    others = told.filter(pl.col("metric") != "flip_rate")
    assert others["value"].to_list() == others["baseline"].to_list()
    alone = route(sparse, dense, overrides=review)
    found = judge_route(alone, sparse, dense, overrides=review, replicates=100)
    after = found.table.filter(measure="overrides", metric="accuracy")
    assert after["value"].to_list() == after["dense"].to_list() > after["nothing"].to_list()
    assert found.table["measure"].unique(maintain_order=True).to_list() == ["nothing", "overrides"]


@given(seed=st.integers(0, 2**32 - 1))
def test_against_a_loop(draw, seed):
    model = draw(seed, n=12)
    rng = np.random.default_rng(seed)
    answers, labels = model.decisions.copy(), model.samples.labels.copy()
    rows = []
    for r, c in np.argwhere(rng.random(answers.shape) < 0.4).tolist():
        word = rng.choice(["yes", "no", "unsure"] + ["label_wrong"] * int(labels[r, c] != -1))
        rows.append((f"s{r}", f"a{c}", word))
        if word == "label_wrong":
            labels[r, c] = not labels[r, c]
            answers[r, c] = labels[r, c]
        elif word != "unsure":
            answers[r, c] = word == "yes"
    if rows:
        both = said(*[rows[i] for i in rng.permutation(len(rows))]).apply(model)
        assert (both.decisions == answers).all()
        assert (both.samples.labels == labels).all()


def test_a_persons_answer_stands_whether_it_is_sent_or_not(planted):
    dense, sparse = planted("val", 1000)
    margins = abs(sparse.logits[:, 0])
    risky, sure = f"val-{margins.argmin()}", f"val-{margins.argmax()}"
    opposite = {True: "no", False: "yes"}
    review = said(
        (risky, "rare", opposite[bool(dense.decisions[margins.argmin(), 0])]),
        (sure, "rare", opposite[bool(sparse.decisions[margins.argmax(), 0])]),
    )
    found = route(sparse, dense, share=0.1, overrides=review)
    plain = route(sparse, dense, share=0.1)
    assert found.info.cut == plain.info.cut  # the cut is for samples that nobody looked at
    both, without = found.apply(sparse, dense, overrides=review), plain.apply(sparse, dense)
    assert both.name == "sparse+route+overrides"
    changed = np.argwhere(both.decisions != without.decisions).tolist()
    assert sorted(changed) == sorted([[int(margins.argmin()), 0], [int(margins.argmax()), 0]])


def test_labels_are_corrected_before_anything_is_measured(planted):
    dense, sparse = planted("val", 1000)
    labels = sparse.samples.labels
    review = said(*[(f"val-{r}", "common", "label_wrong") for r in range(100)])
    truth = labels.copy()
    truth[:100, 1] = 1 - truth[:100, 1]
    found = route(sparse, dense, share=0.05, overrides=review)
    now = found.curve.filter(order="risk", sent=0.0)["error_rate"][0]
    assert now == pytest.approx(((truth == 1) != sparse.decisions).mean())
    effects = judge_route(found, sparse, dense, overrides=review, replicates=100)
    rows = effects.table.filter(pl.col("group").is_null(), metric="accuracy")
    before = ((truth == 1) == sparse.decisions).mean()
    assert rows["nothing"].to_list() == pytest.approx([before] * 4)
    settled = sparse.decisions.copy()
    settled[:100, 1] = truth[:100, 1] == 1
    after = rows.filter(measure="overrides")["value"][0]
    assert after == pytest.approx(((truth == 1) == settled).mean())
    assert rows["dense"][0] == pytest.approx(((truth == 1) == dense.decisions).mean())
    assert set(effects.table["measure"]) == {"nothing", "routed", "overrides", "routed+overrides"}


def test_a_certificate_is_proved_as_if_nobody_had_answered(planted):
    dense, sparse = planted("val", 3000)
    review = flipped(dense, sparse)
    for loss in ("disagreement", "error"):
        told = {"certify_loss": loss, "alpha": 0.25}
        with_review = route(sparse, dense, overrides=review, **told)
        assert with_review.info.certificates == route(sparse, dense, **told).info.certificates
        assert with_review.info.certificates[0].cut is not None
    doubted = said(("val-1", "rare", "label_wrong"))
    assert route(sparse, dense, overrides=doubted, certify_loss="disagreement", alpha=0.2)
    with pytest.raises(ConfigError, match=r"corrects labels where people looked \(1\), and none"):
        route(sparse, dense, overrides=doubted, certify_loss="error")
    test = planted("test", 1000)
    of_test = said(("test-1", "rare", "label_wrong"))
    assert route(
        sparse, dense, overrides=of_test, certify_loss="error", alpha=0.25, test=test[::-1]
    ).info.overrides.label_wrong == 1  # fmt: skip


def test_overrides_of_either_split_are_welcome_and_of_no_other(planted):
    (dense, sparse), test = planted("val", 1000), planted("test", 1000)[::-1]
    both = said(("val-0", "rare", "yes"), ("test-0", "rare", "yes"))
    found = route(sparse, dense, share=0.1, overrides=both, test=test)
    effects = judge_route(found, *test, overrides=both, replicates=100)
    [mine] = [one for one in effects.info.measures if one.name == "overrides"]
    assert mine.cost == "1 answer of a person"
    with pytest.raises(DataError, match="1 of the 2 ids are not among the samples of sparse"):
        route(sparse, dense, share=0.1, overrides=both)
    with pytest.raises(DataError, match="1 of the 2 ids are not among"):
        found.apply(sparse, dense, overrides=both)
    elsewhere = said(("val-0", "rare", "yes"))
    sent = judge_route(found, *test, overrides=elsewhere, replicates=100)
    assert [one.name for one in sent.info.measures] == ["routed"]
    alone = route(sparse, dense, overrides=elsewhere, test=test)
    assert judge_route(alone, *test, overrides=elsewhere) is None


def test_overrides_alone_send_nothing_and_survive_the_folder(planted, tmp_path):
    dense, sparse = planted("val", 1000)
    review = said(("val-0", "rare", "yes"))
    found = route(sparse, dense, overrides=review)
    assert (found.info.sends, found.info.sent, found.info.chosen_by) == (
        False, 0.0, "overrides alone",
    )  # fmt: skip
    found.save(tmp_path)
    read = Route.load(tmp_path)
    assert read.info == found.info
    assert read.info.overrides.file == "review"
    expected = sparse.decisions.copy()
    assert (read.apply(sparse, dense).decisions == expected).all()
    expected[0, 0] = True
    assert (read.apply(sparse, dense, overrides=review).decisions == expected).all()
    with pytest.raises(ConfigError, match="or overrides alone"):
        route(sparse, dense)


def test_classes_before_and_after(build):
    rng = np.random.default_rng(0)
    z = rng.normal(0, 2, (300, 3))
    labels = np.eye(3, dtype=np.int8)[(z + rng.normal(0, 1, z.shape)).argmax(axis=1)]
    dense = build(labels, z, name="dense", **CLASSES)
    sparse = build(labels, z + rng.normal(0, 2, z.shape), name="sparse", **CLASSES)
    wrong = np.flatnonzero((sparse.decisions & (labels == 1)).sum(axis=1) == 0)[:30]
    names = CLASSES["names"]
    right = [(f"s{r}", names[labels[r].argmax()], "yes") for r in wrong.tolist()]
    doubted = np.setdiff1d(np.arange(300), wrong)[:10]
    review = said(*right, *[(f"s{r}", "cat", "label_wrong") for r in doubted.tolist()])
    found = route(sparse, dense, share=0.1, overrides=review)
    effects = judge_route(found, sparse, dense, overrides=review, replicates=100)
    rows = effects.table.filter(pl.col("group").is_null(), metric="top1_accuracy")
    known = np.setdiff1d(np.arange(300), doubted)
    hit = (sparse.decisions & (labels == 1)).any(axis=1)
    assert rows["nothing"][0] == pytest.approx(hit[known].mean())
    hit[wrong] = True
    after = rows.filter(measure="overrides")["value"][0]
    assert after == pytest.approx(hit[known].mean())
    assert {one.name: one.cost for one in effects.info.measures}["overrides"] == (
        "30 answers of people"
    )
    both = found.apply(sparse, dense, overrides=review)
    assert both.decisions.sum(axis=1).tolist() == [1] * 300
    assert (both.decisions[wrong] == (labels[wrong] == 1)).all()


def test_labels_that_one_model_lacks_are_the_others(planted):
    dense, sparse = planted("val", 500)
    unknown = replace(sparse.samples, labels=np.full_like(sparse.samples.labels, -1))
    review = said(("val-0", "rare", "label_wrong"))
    found = route(replace(sparse, samples=unknown), dense, share=0.1, overrides=review)
    both = found.apply(replace(sparse, samples=unknown), dense, overrides=review)
    assert both.samples.labels[0, 0] == 1 - dense.samples.labels[0, 0]
