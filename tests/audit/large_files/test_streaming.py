"""Auditing files a part at a time gives what auditing them in memory gives."""

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from prunescope.audit import SCHEMA, Settings, audit, setup
from prunescope.audit.large_files import counting
from prunescope.audit.large_files.counting import count_part
from prunescope.audit.large_files.streaming import audit_files
from prunescope.errors import ConfigError, DataError
from prunescope.predictions import Compression, Predictions
from prunescope.predictions.shards import Shards

FAST = {"replicates": 100, "min_support": 3}
SAME_FOLDER = settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
KEY = ["model", "metric", "attribute", "group", "group_value"]
RANKING = ["auc", "average_precision"]


def scans(models, folder, parts=1):
    """Write each model to one or several files, and look at them."""
    found = []
    for model in models:
        home = folder / model.name
        for number, rows in enumerate(np.array_split(np.arange(len(model.samples)), parts)):
            model.take(rows).save(home / f"part-{number}.parquet")
        found.append(Shards.scan(home, name=model.name))
    return found


def seeds(models):
    """Call the models two dense and two compressed ones of two seeds."""
    for number, model in enumerate(models):
        how = Compression(method="gmp", sparsity=0.9) if number >= 2 else Compression()
        update = {"seed": number % 2, "compression": how}
        yield Predictions(model.samples, model.logits, model.metadata.model_copy(update=update))


@SAME_FOLDER
@given(seed=st.integers(0, 2**32 - 1), rows=st.sampled_from([7, 16, 100]))
def test_the_table_is_that_of_memory_but_for_ranking(draw, tmp_path_factory, seed, rows):
    models = list(seeds(draw(seed, n=40, models=4)))
    files = scans(models, tmp_path_factory.mktemp("files"), parts=3)
    wanted = audit(models[:2], models[2:], **FAST)
    found = audit_files(files[:2], files[2:], rows=rows, **FAST)
    exact = ~pl.col("metric").is_in([*RANKING, "cie_odds_ratio", "cie_rare_odds_ratio"])
    assert_frame_equal(
        found.table.filter(exact), wanted.table.filter(exact), check_exact=False, abs_tol=1e-6
    )
    assert [item.id for item in found.info.affected] == [i.id for i in wanted.info.affected]
    assert found.info.populations == wanted.info.populations
    assert_frame_equal(found.correlations, wanted.correlations, check_exact=False, abs_tol=1e-6)
    both = found.table.join(wanted.table, on=KEY, nulls_equal=True).filter(
        pl.col("metric").is_in(RANKING), pl.col("seed").is_not_null()
    )
    assert (both["status"] == both["status_right"]).all()
    assert both.filter((pl.col("value") - pl.col("value_right")).abs() > 0.05).is_empty()


@SAME_FOLDER
@given(seed=st.integers(0, 2**32 - 1))
def test_several_classes_are_streamed_too(build, tmp_path_factory, seed):
    rng = np.random.default_rng(seed)
    truth = np.eye(4)[rng.integers(0, 4, 60)]
    truth[rng.random(60) < 0.1] = -1
    options = {"task": "multiclass", "groups": {"g": rng.choice(["x", "y"], 60).tolist()}}
    models = [
        build(truth, rng.normal(size=truth.shape) + 2 * truth, name=name, **options)
        for name in ("d", "s")
    ]
    files = scans(models, tmp_path_factory.mktemp("files"))
    wanted, found = (
        audit(*models, **FAST),
        audit_files(files[:1], files[1:], rows=13, **FAST),
    )
    exact = ~pl.col("metric").is_in(RANKING)
    assert_frame_equal(
        found.table.filter(exact), wanted.table.filter(exact), check_exact=False, abs_tol=1e-6
    )


def world(build, rng, task, n=80, a=3):
    """Return two dense and two compressed models of two seeds, with ids in no order."""
    labels = (rng.random((n, a)) < 0.4).astype(int)
    if task == "multiclass":
        labels = np.eye(a, dtype=int)[rng.integers(0, a, n)]
    groups = {
        "g": rng.choice(["x", "y"], n).tolist(),
        "who": [None if k == 3 else f"p{k}" for k in rng.integers(0, n // 3, n)],
        "club": rng.integers(0, 9, n).tolist(),
    }
    order = rng.permutation(n)
    noise = rng.normal(0, 1.5, (4, n, a))
    made = [
        build(labels, labels + one, name=f"m{k}", task=task, groups=groups)
        for k, one in enumerate(noise)
    ]
    return [model.take(order) for model in seeds(made)]


def different(one, other, *, ignore=()):
    """Return the rows of one table that the other lacks or has another of."""
    numbers = [name for name, kind in SCHEMA.items() if kind == pl.Float64 and name not in ignore]
    both = one.join(other, on=KEY, nulls_equal=True, how="full", suffix=":2", coalesce=True)
    apart = [(pl.col(name) - pl.col(f"{name}:2")).abs().fill_null(0) > 1e-6 for name in numbers] + [
        pl.col(name).is_null() != pl.col(f"{name}:2").is_null() for name in numbers
    ]
    words = [
        pl.col(name).ne_missing(pl.col(f"{name}:2"))
        for name in SCHEMA
        if name not in (*KEY, *numbers, *ignore)
    ]
    return both.filter(pl.any_horizontal(*apart, *words))


OPTIONS = st.sampled_from([
    {}, {"replicates": 16}, {"cluster": "who"}, {"cluster": "who", "replicates": 16},
    {"cluster": "club"}, {"replicates": 0},
])  # fmt: skip


@SAME_FOLDER
@given(
    seed=st.integers(0, 2**32 - 1), task=st.sampled_from(["multilabel", "multiclass"]),
    rows=st.sampled_from([7, 100]), options=OPTIONS,
)  # fmt: skip
def test_streamed_is_in_memory_but_for_what_rows_state(
    build, tmp_path_factory, seed, task, rows, options
):
    models = world(build, np.random.default_rng(seed), task)
    files = scans(models, tmp_path_factory.mktemp("files"), parts=2)
    told = {**FAST, "identity": ["g"], **options}
    wanted = audit(models[:2], models[2:], **told).table
    found = audit_files(files[:2], files[2:], rows=rows, **told).table
    apart = different(wanted, found, ignore=["reason"])
    assert set(apart["metric"]) <= {*RANKING, "cie_odds_ratio", "cie_rare_odds_ratio"}
    stated = found.filter(
        pl.col("metric").is_in(apart["metric"].unique().implode()),
        pl.col("status") != "insufficient_support", pl.col("seed").is_not_null(),
    )  # fmt: skip
    assert stated["reason"].str.contains("histogram|undefined|no ").all()
    cies = found.filter(pl.col("metric").str.ends_with("odds_ratio"))
    assert cies["reason"].str.starts_with("files were read a part at a time").all()
    assert set(cies["metric"]) == {"cie_odds_ratio", "cie_rare_odds_ratio"}


@SAME_FOLDER
@given(
    seed=st.integers(0, 2**32 - 1), task=st.sampled_from(["multilabel", "multiclass"]),
    options=OPTIONS,
)  # fmt: skip
def test_the_order_of_rows_does_not_matter(build, tmp_path_factory, seed, task, options):
    rng = np.random.default_rng(seed)
    models = world(build, rng, task)
    order = rng.permutation(len(models[0].samples))
    shuffled = [model.take(order) for model in models]
    told = {**FAST, "identity": ["g"], **options}
    here, there = (audit(of[:2], of[2:], **told).table for of in (models, shuffled))
    assert different(here, there).is_empty()
    folder = tmp_path_factory.mktemp("files")
    first, second = (
        audit_files(files[:2], files[2:], rows=30, **told).table
        for files in (scans(models, folder / "1"), scans(shuffled, folder / "2"))
    )
    assert different(first, second).is_empty()


def test_ids_that_repeat_are_refused(build, tmp_path):
    model = build([[1]] * 6, [[1.0]] * 6, name="d")
    folder = tmp_path / "d"
    for number, rows in enumerate(([0, 1, 2, 3], [4, 2, 5])):
        model.take(np.array(rows)).save(folder / f"{number}.parquet")
    files = Shards.scan(folder, name="d")
    other = Shards.scan(folder, name="s")
    with pytest.raises(DataError, match="d: id 's2' stands in rows 3 and 6: ids must be unique"):
        audit_files([files], [other], **FAST)


def test_fewer_blocks_than_asked_for_are_told(build, tmp_path, monkeypatch):
    monkeypatch.setattr(setup, "MOST_BYTES", 1)
    labels = np.ones((200, 1), int)
    models = [build(labels, labels * 1.0, name=name) for name in "ds"]
    files = scans(models, tmp_path)
    for result in (audit(*models, **FAST), audit_files(files[:1], files[1:], **FAST)):
        assert (
            "Samples were dealt into 64 blocks instead of 100, for memory" in result.info.notes[-1]
        )
        few = [note for note in result.info.notes if "blocks" in note]
        assert len(few) == 1


def test_as_many_units_as_blocks_are_not_dealt(build, monkeypatch):
    monkeypatch.setattr(setup, "MOST_BYTES", 1)
    labels = np.ones((64, 1), int)
    models = [build(labels, labels * 1.0, name=name) for name in "ds"]
    assert not [note for note in audit(*models, **FAST).info.notes if "blocks" in note]


def test_files_read_at_once_or_in_parts_have_as_many_blocks(build, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    labels = (rng.random((400, 3)) < 0.4).astype(int)
    models = [
        build(
            labels,
            labels + rng.normal(size=labels.shape),
            name=name,
            groups={"g": list("ab") * 200},
        )
        for name in ("d", "s")
    ]
    per_block = 8 * 2 * (3 * 3 * (7 + 10 + 12) + 3**2)  # 2 models, 3 slices, 3 attributes, 10 bins
    monkeypatch.setattr(setup, "MOST_BYTES", 100 * per_block)
    files = scans(models, tmp_path, parts=2)
    every = FAST | {"replicates": 512}
    wanted = audit(*models, **every)
    found = audit_files(files[:1], files[1:], rows=150, **every)
    told = "Samples were dealt into 100 blocks instead of 512"
    assert all(any(told in note for note in one.info.notes) for one in (wanted, found))
    exact = ~pl.col("metric").is_in(RANKING)
    mine, other = (one.table.filter(exact) for one in (found, wanted))
    assert_frame_equal(mine, other, check_exact=False, abs_tol=1e-6)


def test_pairs_of_classes_take_no_memory():
    most = setup.most_blocks
    assert most(Settings(), 9, 1000, 2, "multiclass") == 2**29 // (8 * 2 * 9 * 1000 * 29) == 128
    assert most(Settings(), 9, 256, 9, "multiclass") == 2**29 // (8 * 9 * 9 * 256 * 29) == 111
    assert most(Settings(), 9, 256, 9, "multilabel") == 64  # the pairs leave 56: the fewest


def test_more_samples_than_blocks_and_clusters(build, tmp_path):
    rng = np.random.default_rng(0)
    labels = (rng.random((900, 2)) < 0.4).astype(int)
    who = [None if k == 3 else f"p{k}" for k in rng.integers(0, 300, 900)]
    models = [
        build(labels, labels + rng.normal(size=labels.shape), name=name, groups={"who": who})
        for name in ("d", "s")
    ]
    files = scans(models, tmp_path, parts=2)
    for options in ({"identity": []}, {"cluster": "who"}):
        wanted = audit(*models, **options, **FAST)
        found = audit_files(files[:1], files[1:], **options, rows=250, **FAST)
        exact = ~pl.col("metric").is_in(RANKING)
        mine, other = (one.table.filter(exact) for one in (found, wanted))
        if "cluster" in options:
            # how many clusters there are is estimated: intervals and p-values follow
            counted = (mine["units"] - other["units"]).abs() <= 0.02 * other["units"]
            assert counted.all()
            assert counted.null_count() == (mine["status"] == "undefined").sum() == 2
            ends = ["low", "high", "delta_low", "delta_high"]
            assert_frame_equal(
                mine.select(ends), other.select(ends), check_exact=False, abs_tol=2e-3
            )
            guessed = ["units", *ends, "p_value", "q_value"]
            mine, other = mine.drop(guessed), other.drop(guessed)
        assert_frame_equal(mine, other, check_exact=False, abs_tol=1e-6)


def test_ranking_says_by_how_much_it_may_be_off(build, tmp_path):
    rng = np.random.default_rng(0)
    labels = (rng.random((2000, 1)) < 0.3).astype(int)
    models = [
        build(labels, labels + rng.normal(size=labels.shape) * s, name=name)
        for name, s in (("d", 0.5), ("s", 1.0))
    ]
    exact = audit(*models, **FAST).table.filter(metric="auc", attribute="a0")
    files = scans(models, tmp_path)
    found = audit_files(files[:1], files[1:], **FAST).table.filter(metric="auc", attribute="a0")
    for before, now in zip(exact.iter_rows(named=True), found.iter_rows(named=True), strict=True):
        assert now["reason"].startswith("from a histogram of the scores: off by at most 0.00")
        bound = float(now["reason"].rsplit(" ", 1)[1])
        assert abs(now["value"] - before["value"]) <= bound * 1.01
        assert now["low"] < now["value"] < now["high"]
        width = (now["high"] - now["low"]) / (before["high"] - before["low"])
        assert 0.6 < width < 1.5


@pytest.mark.filterwarnings("ignore::prunescope.errors.PrunescopeWarning")
def test_probabilities_read_as_logits_are_told_by_the_audit(build, tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (40, 2))
    plain, odd = rng.normal(0, 2, (40, 2)), rng.random((40, 2))
    models = [build(labels, z, name=name) for z, name in ((plain, "dense"), (odd, "odd"))]
    for model in models:
        model.save(tmp_path / f"{model.name}.parquet")
    paths = [tmp_path / f"{model.name}.parquet" for model in models]
    for found in (audit(models[0], models[1]), audit_files(paths[:1], paths[1:])):
        told = [text for text in found.info.warnings if "every score lies in [0, 1]" in text]
        assert [text.split(":")[0] for text in told] == ["odd"]


def plan_of(files, **options):
    """Return the plan that an audit makes of some files."""
    made = []

    def engine(plan, progress):
        made.append(plan)
        return counting.count_all(plan, progress)

    audit_files(files[:1], files[1:], engine=engine, **options, **FAST)
    return made[0]


def test_a_plan_counts_the_same_wherever_its_parts_are_counted(draw, tmp_path):
    plan = plan_of(scans(draw(5, n=40, models=2), tmp_path), rows=9)
    parts = [count_part(plan, start) for start in plan.parts()]
    here = counting.count_all(plan)
    there = counting.add_up(iter(parts), len(parts), None)
    for name, part in here.sums.items():
        for mine, other in zip(part.arrays(), there.sums[name].arrays(), strict=True):
            assert np.array_equal(mine, other)


def test_files_in_another_order_are_refused(draw, tmp_path):
    dense, sparse = draw(1, n=20, models=2)
    files = scans([dense, sparse.take(np.arange(19, -1, -1))], tmp_path)
    with pytest.raises(DataError, match=r"row 1 is 's0' and 's19'.*sort them by id"):
        audit_files(files[:1], files[1:], **FAST)
    fewer = scans([sparse.take(np.arange(5))], tmp_path / "fewer")
    with pytest.raises(DataError, match="model0 has 20 rows and model1 5"):
        audit_files(files[:1], fewer, **FAST)


def test_other_attributes_settings_and_groups_are_refused(build, draw, tmp_path):
    files = scans(draw(1, n=20, models=2), tmp_path)
    other = scans([build([[1]] * 20, [[1.0]] * 20, name="o")], tmp_path)
    with pytest.raises(DataError, match="attributes of model0 and o differ"):
        audit_files(files[:1], other, **FAST)
    for options, message in (
        ({"identity": ["Mael"]}, "unknown group 'Mael': did you mean Male"),
        ({"cluster": "who"}, "unknown cluster column 'who'"),
        ({"replicates": 3}, "expected 0, for no intervals, or at least 16"),
    ):
        with pytest.raises(ConfigError, match=message):
            audit_files(files[:1], files[1:], **{**FAST, **options})
    many = {"many": list(range(70))}
    wide = [build([[1]] * 70, [[1.0]] * 70, name=n, groups=many) for n in ("d", "s")]
    wide = scans(wide, tmp_path / "wide")
    with pytest.raises(ConfigError, match="group 'many' has 70 values"):
        audit_files(wide[:1], wide[1:], **FAST)


def test_progress_counts_parts(draw, tmp_path):
    files, seen = scans(draw(1, n=25, models=2), tmp_path), []
    audit_files(files[:1], files[1:], progress=lambda *done: seen.append(done), rows=10, **FAST)
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_whole_floats_are_streamed_as_in_memory(build, tmp_path):
    """Groups and labels that pandas made floats of, as a cell is empty."""
    rng = np.random.default_rng(0)
    paths = []
    for model in world(build, rng, "multilabel"):
        path = tmp_path / f"{model.name}.parquet"
        model.save(path)
        codes = pl.Series(
            "group__race", [float("nan"), None, *(i % 4 for i in range(78))], strict=False
        )
        labels = pl.selectors.starts_with("y__").cast(pl.Float64)
        unknown = pl.when(pl.int_range(pl.len()) % 7 > 0).then(labels).otherwise(float("nan"))
        told = pl.read_parquet(path).with_columns(codes.cast(pl.Float64), unknown.name.keep())
        told.write_parquet(path)
        paths.append(path)
    wanted = audit(*([Predictions.load(path, name=path.stem)] for path in paths[::2]), **FAST)
    found = audit_files(*([Shards.scan(path, name=path.stem)] for path in paths[::2]), **FAST)
    race = pl.col("group") == "race", ~pl.col("metric").is_in(RANKING)
    rows = wanted.table.filter(*race)
    assert set(rows["group_value"].drop_nulls()) == set("0123")
    assert_frame_equal(found.table.filter(*race), rows, abs_tol=1e-6)


def test_intersections_are_the_same_in_memory_and_streamed(draw, tmp_path):
    models = draw(3, n=40, models=2)
    files = scans(models, tmp_path)
    options = {"identity": ["town"], "intersect": [("Male", "band")], **FAST}
    wanted = audit(*models, **options).table
    found = audit_files(files[:1], files[1:], rows=9, **options).table
    assert set(wanted["group"]) == {None, "town", "Male × band"}
    exact = ~pl.col("metric").is_in(RANKING)
    assert_frame_equal(found.filter(exact), wanted.filter(exact), check_exact=False, abs_tol=1e-6)
