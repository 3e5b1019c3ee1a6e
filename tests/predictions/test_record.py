from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import expit, softmax

from prunescope.data.samples import Samples
from prunescope.errors import ConfigError, DataError
from prunescope.predictions import Compression, DatasetInfo, Metadata, Predictions

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
WORDS = NAMES.map(lambda name: "w" + name.strip())  # no number, no boolean, no blank


def assert_same(found, wanted, *, csv=False):
    assert found.samples.ids.to_list() == wanted.samples.ids.to_list()
    assert found.attributes == wanted.attributes
    assert found.samples.labels.tolist() == wanted.samples.labels.tolist()
    assert found.samples.task == wanted.samples.task
    assert found.samples.cluster == wanted.samples.cluster
    images = [
        None if x.samples.images is None else x.samples.images.to_list() for x in (found, wanted)
    ]
    assert images[0] == images[1]
    assert found.samples.groups.keys() == wanted.samples.groups.keys()
    for name, group in wanted.samples.groups.items():
        read = found.samples.groups[name].to_series(name).to_list()
        values = group.to_series(name).to_list()
        if csv and set(values) <= {0, 1, None}:  # CSV cannot tell 0 and 1 from false and true
            values = [None if value is None else bool(value) for value in values]
        assert read == values
        assert [type(value) for value in read] == [type(value) for value in values]


@st.composite
def worlds(draw, words=NAMES):
    n = draw(st.integers(1, 4))
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    a = len(names)
    labels = draw(hnp.arrays(np.int8, (n, a), elements=st.sampled_from([-1, 0, 1])))
    finite = st.floats(-100, 100, width=32)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    columns = st.one_of(
        st.lists(st.none() | st.booleans(), min_size=n, max_size=n),
        st.lists(st.none() | st.integers(-5, 99), min_size=n, max_size=n),
        st.lists(st.none() | words, min_size=n, max_size=n),
    )
    groups = draw(st.dictionaries(words, columns, max_size=2))
    return {
        "ids": draw(st.lists(NAMES, min_size=n, max_size=n, unique=True)),
        "names": tuple(names),
        "labels": labels,
        "logits": draw(hnp.arrays(dtype, (n, a), elements=finite)),
        "groups": groups,
        "images": draw(
            st.none() | st.lists(NAMES, min_size=n, max_size=n).map(lambda x: pl.Series("image", x))
        ),
        "cluster": draw(st.sampled_from([None, *groups])),
    }


@given(world=worlds())
def test_parquet_is_read_back_identically(build, tmp_path_factory, world):
    saved = build(**world, name="x")
    path = tmp_path_factory.mktemp("parquet") / "file.parquet"
    saved.save(path)
    loaded = Predictions.load(path)
    assert_same(loaded, saved)
    assert loaded.logits.dtype == saved.logits.dtype
    assert loaded.logits.tolist() == saved.logits.tolist()
    assert loaded.metadata.name == "x"


@given(world=worlds(words=WORDS))
def test_csv_holds_the_same_columns(build, tmp_path_factory, world):
    """CSV has no types: only names that look like no number are the same groups again."""
    saved = build(**{**world, "cluster": None})
    path = tmp_path_factory.mktemp("csv") / "file.csv"
    saved.save(path)
    loaded = Predictions.load(path)
    assert_same(loaded, saved, csv=True)
    assert loaded.logits.astype(saved.logits.dtype).tolist() == saved.logits.tolist()
    assert loaded.name == "file"


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_multiclass_round_trip_with_unlabelled_rows(build, tmp_path, suffix):
    labels = [[0, 1, 0], [-1, -1, -1], [1, 0, 0]]
    logits = [[0.0, 1.0, 2.0], [3.0, 3.0, 0.0], [0.5, -1.0, 0.25]]
    saved = build(labels, logits, names=("01", "dog, big", "ñ"), task="multiclass")
    saved.save(tmp_path / f"pets.{suffix}")
    loaded = Predictions.load(tmp_path / f"pets.{suffix}")
    assert_same(loaded, saved)
    assert loaded.metadata.task == "multiclass"
    assert loaded.to_frame()["y"].to_list() == ["dog, big", None, "01"]
    # the highest logit, the first where two tie
    assert loaded.decisions.argmax(axis=1).tolist() == [2, 0, 0]
    assert loaded.decisions.sum(axis=1).tolist() == [1, 1, 1]


def test_metadata_is_kept(tmp_path):
    samples = Samples(pl.Series(["a"]), ("Bald",), np.array([[1]], np.int8))
    metadata = Metadata(
        name="gmp",
        split="val",
        model={"arch": "resnet18", "none": None, "sizes": [1, 2]},
        compression=Compression(method="gmp-ri", sparsity=0.95, pattern="unstructured"),
        seed=3,
        dataset=DatasetInfo(name="faces", fingerprint="abc"),
        train_prevalence={"Bald": 0.1},
        train_group_rates={"Male": {"True": {"Bald": 0.2}, "False": {}}},
    )
    Predictions(samples, np.array([[1.0]]), metadata).save(tmp_path / "x.parquet")
    assert Predictions.load(tmp_path / "x.parquet").metadata == metadata


def test_the_samples_own_task_and_cluster_are_saved(build, tmp_path):
    saved = build(
        [[1, 0]], [[1.0, 0.0]], groups={"who": ["x"]}, cluster="who", task="multiclass", name="m"
    )
    saved.save(tmp_path / "x.parquet")
    metadata = Predictions.load(tmp_path / "x.parquet").metadata
    assert (metadata.task, metadata.dataset.cluster) == ("multiclass", "who")


def test_a_cluster_that_is_no_column_is_ignored(build, tmp_path):
    build([[1]], [[1.0]]).to_frame().write_parquet(
        tmp_path / "x.parquet", metadata={"prunescope": '{"dataset": {"cluster": "who"}}'}
    )
    assert Predictions.load(tmp_path / "x.parquet").samples.cluster is None


def test_the_name_is_the_argument_or_the_metadata_or_the_stem(build, tmp_path):
    path = tmp_path / "stem.parquet"
    build([[1]], [[1.0]], name="inside").save(path)
    assert Predictions.load(path).name == "inside"
    assert Predictions.load(path, name="given").name == "given"
    build([[1]], [[1.0]]).save(path)
    assert Predictions.load(path).name == "stem"
    assert build([[1]], [[1.0]]).name == "model"


def write(path, *, metadata=None, **columns):
    frame = pl.DataFrame({"id": ["a", "b"], "y__Bald": [1, 0], "logit__Bald": [1.0, -1.0]})
    frame = frame.with_columns(**{name: pl.Series(values) for name, values in columns.items()})
    frame.write_parquet(path, metadata=metadata)
    return path


def test_probabilities_become_log_odds(tmp_path):
    path = write(tmp_path / "x.parquet", logit__Bald=[0.5, 0.25])
    loaded = Predictions.load(path, scores="probability")
    assert np.allclose(loaded.logits[:, 0], [0.0, np.log(1 / 3)])
    assert loaded.decisions[:, 0].tolist() == [False, False]


def test_certain_probabilities_stay_finite(tmp_path):
    path = write(tmp_path / "x.parquet", logit__Bald=pl.Series([1.0, 0.0], dtype=pl.Float32))
    logits = Predictions.load(path, scores="probability").logits[:, 0]
    assert np.allclose(logits, np.array([1, -1]) * np.log(1e12), rtol=1e-4)


def test_multiclass_probabilities_become_logarithms(build, tmp_path):
    probabilities = np.array([[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]])
    path = tmp_path / "x.parquet"
    build([[0, 1, 0], [0, 1, 0]], probabilities, task="multiclass").save(path)
    loaded = Predictions.load(path, scores="probability")
    assert np.allclose(loaded.probabilities, probabilities, atol=1e-11)


@pytest.mark.parametrize("value", [1.5, -0.1, float("nan")])
def test_what_is_no_probability_is_refused(tmp_path, value):
    path = write(tmp_path / "x.parquet", logit__Bald=[0.5, value])
    message = rf"row 2 of column 'logit__Bald' is {value}: expected probabilities in \[0, 1\]"
    with pytest.raises(DataError, match=message):
        Predictions.load(path, scores="probability")


def test_an_unknown_kind_of_scores_is_refused(tmp_path):
    path = write(tmp_path / "x.parquet")
    with pytest.raises(ConfigError, match="unknown kind of scores 'probabilities': did you mean"):
        Predictions.load(path, scores="probabilities")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_logit_that_is_not_finite_is_refused(tmp_path, value):
    path = write(tmp_path / "bad.parquet", logit__Bald=[0.5, value])
    message = rf"^bad: the logit of 'Bald' for id 'b' is {value}; expected a finite number \(1 such"
    with pytest.raises(DataError, match=message):
        Predictions.load(path)


def test_shape_and_emptiness_are_checked(build):
    with pytest.raises(DataError, match=r"logits have shape \(1, 2\): expected \(1, 1\)"):
        build([[1]], [[1.0, 2.0]])
    with pytest.raises(DataError, match="no samples; expected at least one row"):
        build(np.zeros((0, 1)), np.zeros((0, 1)))


def test_nothing_half_written_is_left_when_saving_fails(build, tmp_path, monkeypatch):
    path = tmp_path / "x.parquet"
    build([[1]], [[1.0]], name="old").save(path)

    def fail(frame, target, **_):
        target.write_bytes(b"PAR1 half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", fail)
    with pytest.raises(DataError, match=r"cannot write .*x\.parquet: No space left"):
        build([[0]], [[2.0]], name="new").save(path)
    assert Predictions.load(path).name == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["x", "x.pq", "x.parquet.gz"])
def test_another_suffix_is_refused(build, tmp_path, name):
    with pytest.raises(DataError, match=r"expected a file that ends in \.parquet or \.csv"):
        build([[1]], [[1.0]]).save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@given(seed=st.integers(0, 2**32 - 1))
def test_probabilities_and_log_odds_agree(build, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (5, 4))
    labels = np.eye(4, dtype=np.int8)[rng.integers(0, 4, 5)]
    binary = build(labels, logits)
    assert np.allclose(binary.probabilities, expit(logits))
    assert binary.log_odds is binary.logits
    assert binary.decisions.tolist() == (logits > 0).tolist()
    classes = build(labels, logits, task="multiclass")
    assert np.allclose(classes.probabilities, softmax(logits, axis=1))
    assert np.allclose(expit(classes.log_odds), classes.probabilities)


def test_log_odds_are_exact_where_a_class_is_certain(build):
    labels = [[1, 0, 0]]
    for top in (10.0, 50.0, 500.0):
        odds = build(labels, [[top, 0.0, 0.0]], task="multiclass").log_odds[0]
        assert odds[0] == pytest.approx(top - np.log(2), rel=1e-12)
        assert odds[1] == pytest.approx(-np.logaddexp(top, 0.0), rel=1e-12)


def test_zero_is_a_negative_answer(build):
    assert build([[1, 1]], [[0.0, 1e-30]]).decisions.tolist() == [[False, True]]


def test_thresholds_say_where_yes_begins(build):
    model = build([[1, 1]] * 3, [[0.0, 0.5], [1.0, 1.0], [1.5, -0.5]])
    model = replace(model, thresholds=np.array([1.0, -0.5]))
    assert model.decisions.tolist() == [[False, True], [False, True], [True, False]]
    assert model.probabilities[0].tolist() == expit([0.0, 0.5]).tolist()
    taken = model.take(np.array([2, 0]))
    assert taken.thresholds.tolist() == [1.0, -0.5]
    assert taken.decisions.tolist() == [[True, False], [False, True]]


def test_a_float32_logit_is_compared_with_the_exact_threshold(build):
    model = build([[1]], np.array([[0.1]], np.float32))  # a little above 0.1
    assert replace(model, thresholds=np.array([0.1])).decisions.tolist() == [[True]]
    exact = np.array([float(np.float32(0.1))])
    assert replace(model, thresholds=exact).decisions.tolist() == [[False]]


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        (
            [1.0],
            r"^m: thresholds have shape \(1,\): expected \(2,\), one per attribute, or \(1, 2\)",
        ),
        ([[[1.0, 2.0]]], r"^m: thresholds have shape \(1, 1, 2\): expected \(2,\)"),
        ([0.0, np.nan], "^m: the threshold of 'a1' is nan; expected a finite number$"),
        ([-np.inf, np.nan], "^m: the threshold of 'a0' is -inf; expected a finite number$"),
    ],
)
def test_thresholds_are_checked(build, thresholds, message):
    model = build([[1, 1]], [[1.0, 2.0]], name="m")
    with pytest.raises(DataError, match=message):
        replace(model, thresholds=np.array(thresholds))


def test_a_file_does_not_silently_lose_thresholds(build, tmp_path):
    model = replace(build([[1]], [[1.0]]), thresholds=np.array([0.5]))
    with pytest.raises(DataError, match=r"x\.parquet: a prediction file holds no thresholds: keep"):
        model.save(tmp_path / "x.parquet")
    assert not list(tmp_path.iterdir())
    replace(model, thresholds=None).save(tmp_path / "x.parquet")


def test_taking_keeps_logits_beside_their_samples(build):
    predictions = build([[1], [0], [1]], [[1.0], [2.0], [3.0]]).take(np.array([2, 0]))
    assert predictions.samples.ids.to_list() == ["s2", "s0"]
    assert predictions.logits[:, 0].tolist() == [3.0, 1.0]


def test_repr_names_what_there_is(build):
    assert repr(build([[1, 0]] * 1200, [[1.0, 0.0]] * 1200, name="d", groups={})) == (
        "Predictions('d', 1,200 samples × 2 attributes, no groups)"
    )
    classes = build([[1, 0]], [[1.0, 0.0]], task="multiclass", groups={"g": ["x"]})
    assert repr(classes) == "Predictions('model', 1 samples × 2 classes, groups g)"
