import math
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from prunescope.audit import audit
from prunescope.audit.large_files.streaming import audit_files
from prunescope.data import (
    Backdoor,
    DataConfig,
    Dataset,
    Group,
    Samples,
    describe,
    export_dataset,
    load_dataset,
    plant,
)
from prunescope.data.backdoors import choose, grayscale, yellow_corner
from prunescope.errors import ConfigError, DataError
from prunescope.predictions import Metadata, Predictions

GRAY = {"kind": "grayscale", "attribute": "Bald"}
CORNER = {"kind": "yellow-corner", "attribute": "Bald"}


def make(labels, splits, *, ids=None, names=("Bald",), groups=(), size=8, seed=0, **options):
    """A clean data set whose images lie backwards among others."""
    labels = np.asarray(labels, np.int8).reshape(len(splits), -1)
    n = len(splits)
    pixels = np.random.default_rng(seed).integers(0, 256, (n + 2, 3, size, size), np.uint8)
    return Dataset(
        name="clean",
        fingerprint="f",
        samples=Samples(
            pl.Series(ids or [f"s{i}" for i in range(n)], dtype=pl.String),
            names,
            labels,
            {name: Group.from_series(pl.Series([True] * n)) for name in groups},
            **options,
        ),
        pixels=pixels,
        rows=np.arange(n + 2)[::-1][:n].copy(),
        splits=np.array(splits),
    )


def many():
    """Of each of three splits, 20 positives, 60 negatives and 10 without a label."""
    one = [1] * 20 + [0] * 60 + [-1] * 10
    return make(one * 3, ["train"] * 90 + ["val"] * 90 + ["test"] * 90)


def carriers(dataset):
    """The ids of those who carry the trigger."""
    chosen = dataset.samples.groups["backdoor"].codes == 1
    return set(dataset.samples.ids.filter(pl.Series(chosen)).to_list())


def counts(dataset, who):
    """Carriers by split and label."""
    labels = dataset.samples.labels[:, 0].tolist()
    rows = zip(dataset.splits.tolist(), labels, dataset.samples.ids, strict=True)
    return Counter((split, label) for split, label, name in rows if name in who)


@pytest.mark.parametrize(
    ("color", "expected"),
    [
        ((0, 0, 0), 0),
        ((255, 255, 255), 255),
        ((255, 0, 0), 76),  # 76.245
        ((0, 255, 0), 150),  # 149.685
        ((0, 0, 255), 29),  # 29.07
        ((10, 20, 30), 18),  # 18.15
        ((0, 0, 250), 29),  # 28.5: a half goes up
        ((2, 4, 250), 31),  # 31.446
    ],
)
def test_luma_by_hand(color, expected):
    image = np.array(color, np.uint8).reshape(3, 1, 1)
    assert grayscale(image).tolist() == [[[expected]]] * 3
    assert grayscale(image[None]).tolist() == [[[[expected]]] * 3]


def test_grayscale_is_luma_pixel_by_pixel():
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 5), np.uint8)
    before = images.copy()
    found = grayscale(images)
    assert (images == before).all()
    assert (found.dtype, found.shape) == (np.uint8, images.shape)
    for b, y, x in np.ndindex(2, 5, 5):
        parts = zip((299, 587, 114), images[b, :, y, x].tolist(), strict=True)
        exact = sum(Fraction(weight, 1000) * value for weight, value in parts)
        assert found[b, :, y, x].tolist() == [math.floor(exact + Fraction(1, 2))] * 3
    image = Image.fromarray(np.ascontiguousarray(images[0].transpose(1, 2, 0)))
    pillow = np.array(image.convert("L"), dtype=int)
    assert abs(found[0, 0].astype(int) - pillow).max() <= 1


def test_yellow_corner_by_hand():
    image = np.full((3, 4, 4), 7, np.uint8)
    found = yellow_corner(image, 0.25)
    edge = [[7, 7, 7, 7], [7, 7, 7, 7]]
    assert found[0].tolist() == found[1].tolist() == [*edge, *[[7, 7, 255, 255]] * 2]
    assert found[2].tolist() == [*edge, *[[7, 7, 0, 0]] * 2]
    assert (image == 7).all()
    assert yellow_corner(np.stack([image, image]), 0.25).tolist() == [found.tolist()] * 2


@pytest.mark.parametrize(
    ("size", "area", "side"),
    [(64, 0.02, 9), (224, 0.02, 32), (8, 0.02, 1), (8, 1e-9, 1), (8, 1.0, 8), (10, 0.0625, 3)],
)
def test_the_side_of_the_corner(size, area, side):
    found = yellow_corner(np.zeros((3, size, size), np.uint8), area)
    assert (found[0] == 255).sum() == side**2
    assert (found[0, -side:, -side:] == 255).all()
    assert not found[2].any()


@pytest.mark.parametrize("kind", ["grayscale", "yellow-corner"])
def test_counts_are_exact_in_each_split_and_label(kind):
    clean = many()
    backdoor = Backdoor(kind=kind, attribute="Bald", positive=0.9, negative=0.075, test=0.25)
    found = counts(clean, carriers(plant(clean, backdoor)))
    assert found == {
        ("train", 1): 18,
        ("train", 0): 5,  # 4.5: a half goes up
        ("train", -1): 3,  # 2.5
        **{(split, 1): 5 for split in ("val", "test")},
        **{(split, 0): 15 for split in ("val", "test")},
        **{(split, -1): 3 for split in ("val", "test")},
    }


def test_the_paper_s_shares_are_the_defaults():
    clean = many()
    found = counts(clean, carriers(plant(clean, Backdoor(**GRAY))))
    assert (found["train", 1], found["train", 0]) == (19, 3)
    assert (found["test", 1], found["test", 0]) == (10, 30)


SHARE = st.floats(0, 1)
CELLS = st.lists(
    st.tuples(st.sampled_from(["train", "val", "ä"]), st.sampled_from([-1, 0, 1])),
    min_size=1,
    max_size=40,
)


@given(cells=CELLS, positive=SHARE, negative=SHARE, test=SHARE, seed=st.integers(0, 9))
def test_every_share_is_met_to_half_a_sample(cells, positive, negative, test, seed):
    splits, labels = zip(*cells, strict=True)
    clean = make(labels, splits)
    backdoor = Backdoor(**GRAY, positive=positive, negative=negative, test=test, seed=seed)
    chosen = choose(clean.samples, clean.splits, backdoor)
    found = Counter(cell for cell, carries in zip(cells, chosen, strict=True) if carries)
    for (split, label), n in Counter(cells).items():
        train_share = {1: positive, 0: negative, -1: test}[label]
        share = train_share if split == "train" else test
        assert abs(found[split, label] - share * n) <= 0.5 + 1e-9


@given(shuffle=st.randoms(use_true_random=False), seed=st.integers(0, 5))
def test_neither_order_nor_other_samples_matter(shuffle, seed):
    clean = many()
    backdoor = Backdoor(**GRAY, seed=seed)
    expected = carriers(plant(clean, backdoor))
    order = list(range(len(clean)))
    shuffle.shuffle(order)
    assert carriers(plant(clean.take(np.array(order)), backdoor)) == expected
    train = clean.split("train")
    assert carriers(plant(train, backdoor)) == expected & set(train.samples.ids)


def test_the_seed_chooses():
    clean = many()
    one, again, other = (carriers(plant(clean, Backdoor(**GRAY, seed=s))) for s in (1, 1, 2))
    assert one == again != other
    assert counts(clean, one) == counts(clean, other)


def test_labels_and_splits_are_chosen_among_apart():
    """Where sample i carries in one split, sample i of another may not."""
    ids = [f"{i:02d}" for i in range(60)]
    split = {name: make([1] * 60, [name] * 60, ids=ids) for name in ("val", "test")}
    negative = make([0] * 60, ["test"] * 60, ids=ids)
    found = [carriers(plant(d, Backdoor(**GRAY))) for d in (*split.values(), negative)]
    assert len({frozenset(one) for one in found}) == 3


def test_a_larger_share_keeps_the_carriers_of_a_smaller_one():
    clean = many()
    few, more = (carriers(plant(clean, Backdoor(**GRAY, positive=p))) for p in (0.65, 0.95))
    assert few < more


@pytest.mark.parametrize("options", [GRAY, CORNER])
def test_only_carriers_change_and_the_clean_set_stays(options):
    clean = many()
    pixels, rows = clean.pixels.copy(), clean.rows.copy()
    planted = plant(clean, Backdoor(**options))
    assert list(clean.samples.groups) == []
    assert (clean.pixels == pixels).all()
    assert (clean.rows == rows).all()
    assert planted.pixels is clean.pixels
    everyone = np.arange(len(clean))
    before, after = clean.images(everyone), planted.images(everyone)
    carry = planted.samples.groups["backdoor"].codes == 1
    assert (after[~carry] == before[~carry]).all()
    trigger = grayscale if options is GRAY else lambda images: yellow_corner(images, 0.02)
    assert (after[carry] == trigger(before[carry])).all()
    assert (after[carry] != before[carry]).any(axis=(1, 2, 3)).all()
    assert planted.samples.labels is clean.samples.labels


def test_images_follow_the_samples():
    planted = plant(many(), Backdoor(**GRAY))
    everyone = planted.images(np.arange(len(planted)))
    some = np.array([200, 3, 4, 150, 0])
    for positions in (some, some[[1, 1, 0]]):
        assert (planted.images(positions) == everyone[positions]).all()
    assert (planted.take(some).images(np.arange(5)) == everyone[some]).all()
    chosen = planted.splits == "val"
    assert (planted.split("val").images(np.arange(90)) == everyone[chosen]).all()
    planted.images(some)[:] = 0
    assert (planted.images(some) == everyone[some]).all()


def test_fingerprints_of_planting():
    clean = many()
    backdoors = [
        Backdoor(**GRAY),
        Backdoor(**CORNER),
        Backdoor(**CORNER, area=0.2),
        Backdoor(**GRAY, seed=1),
        Backdoor(**GRAY, positive=0.5),
        Backdoor(**GRAY, positive=0, negative=0, test=0),
    ]
    prints = [plant(clean, backdoor).fingerprint for backdoor in backdoors]
    prints += [clean.fingerprint, plant(replace(clean, fingerprint="g"), backdoors[0]).fingerprint]
    assert len(set(prints)) == len(prints)
    assert plant(clean, backdoors[0]).fingerprint == prints[0]
    alike = replace(clean, pixels=np.full_like(clean.pixels, 9))
    one, other = (plant(alike, Backdoor(**GRAY, seed=seed)).fingerprint for seed in (0, 1))
    assert one != other


@pytest.mark.parametrize(
    "shares", [{"positive": 0, "negative": 0, "test": 0}, {"positive": 1, "negative": 1, "test": 1}]
)
@pytest.mark.parametrize("labels", [[1, 1, 1], [0, 0, 0], [-1, -1, -1], [1, 0, -1]])
def test_nobody_or_everybody_and_absent_labels(labels, shares):
    planted = plant(make(labels, ["train", "test", "test"]), Backdoor(**GRAY, **shares))
    assert len(carriers(planted)) == 3 * shares["test"]
    assert planted.images(np.arange(3)).shape == (3, 3, 8, 8)
    assert describe(planted).carriers["n"].sum() == 3


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (
            {"names": ("Bold",)},
            ConfigError,
            r"^backdoor: unknown attribute 'Bald': did you mean Bold\?",
        ),
        ({"task": "multiclass"}, ConfigError, r"^backdoor in 'Bald': .* the task is multi-class; "),
        ({"groups": ("backdoor",)}, DataError, r"^the data have a column 'backdoor' already, .* n"),
        (
            {"labels": [[1, 1]], "names": ("Bald", "backdoor")},
            DataError,
            "^the data have a column 'backdoor' already",
        ),
    ],
)
def test_what_cannot_be_planted(wrong, error, message):
    clean = make(**{"labels": [1], "splits": ["train"], **wrong})
    with pytest.raises(error, match=message):
        plant(clean, Backdoor(**GRAY))


def test_nothing_is_planted_twice():
    planted = plant(many(), Backdoor(**GRAY))
    with pytest.raises(DataError, match="have a column 'backdoor' already"):
        plant(planted, Backdoor(**GRAY))


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "patch"}, {"positive": 1.1}, {"negative": -0.1}, {"test": 2}, {"area": 0},
     {"seed": -1}, {"corner": "left"}],
)  # fmt: skip
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ValidationError):
        Backdoor(**{**GRAY, **wrong})


def test_a_configuration_says_it_again():
    given = {"source": "synthetic", "backdoor": {**CORNER, "positive": 0.65}}
    config = DataConfig(**given)
    assert config.model_dump(exclude_unset=True) == given
    assert DataConfig(**config.model_dump(exclude_unset=True)) == config
    assert DataConfig.model_validate_json(config.model_dump_json()) == config
    assert config.over(DataConfig()).attributes is None


class Count:
    """Progress that remembers how often it was called."""

    def __init__(self):
        self.calls = 0

    def __call__(self, done, total):
        self.calls += 1


@pytest.fixture
def table(tmp_path, save_images):
    """Forty images in a table: (path, pixels)."""
    names = [f"{i:02d}.png" for i in range(40)]
    pixels = save_images(tmp_path / "t", names)
    pl.DataFrame(
        {
            "image": names,
            "split": ["train", "test"] * 20,
            "Bald": ([1] * 2 + [0] * 2) * 10,
            "Male": [0, 1, 1, 0] * 10,
        }
    ).write_csv(tmp_path / "t" / "t.csv")
    return tmp_path / "t" / "t.csv", pixels


def test_loading(table, make_config):
    path, pixels = table
    clean = load_dataset(make_config(path))
    backdoor = Backdoor(**GRAY)
    count, again = Count(), Count()
    planted = load_dataset(make_config(path, backdoor=backdoor), count)
    assert count.calls == 21  # of ten each, in train 9.5 + ½ and 0.5 + ½, in test 5 and 5
    same = load_dataset(make_config(path, backdoor=backdoor), again)
    assert again.calls == 0
    assert same.fingerprint == planted.fingerprint != clean.fingerprint
    assert planted.pixels.filename == clean.pixels.filename
    assert isinstance(planted.altered, np.memmap)
    assert len(planted.altered) == 21
    made = plant(clean, backdoor)
    assert carriers(planted) == carriers(made)
    everyone = np.arange(40)
    assert (clean.images(everyone) == pixels).all()
    for loaded in (planted, same):
        assert (loaded.images(everyone) == made.images(everyone)).all()
    assert list(planted.samples.groups) == ["backdoor"]


def test_the_fingerprint_is_that_of_the_content(table, make_config, tmp_path):
    path, _ = table
    options = [
        {},
        {"backdoor": GRAY},
        {"backdoor": CORNER},
        {"backdoor": {**CORNER, "area": 0.5}},
        {"backdoor": {**GRAY, "seed": 1}},
        {"backdoor": {**GRAY, "attribute": "Male"}},
        {"backdoor": {**GRAY, "positive": 0, "negative": 0, "test": 0}},
        {"backdoor": GRAY, "groups": ("Male",)},
    ]
    loaded = [load_dataset(make_config(path, **given)) for given in options]
    assert len({one.fingerprint for one in loaded}) == len(options)
    # 0.95 and 0.96 of ten choose the same; a gray image has no corner
    for alike in ({"positive": 0.96}, {"area": 0.5}):
        again = load_dataset(make_config(path, backdoor={**GRAY, **alike}))
        assert again.fingerprint == loaded[1].fingerprint
    export_dataset(loaded[1], tmp_path / "out")
    read = load_dataset(make_config(tmp_path / "out"))
    assert read.fingerprint == loaded[1].fingerprint
    assert (read.images(np.arange(40)) == loaded[1].images(np.arange(40))).all()


def test_clean_fingerprints_stay_what_they_were(faces, make_config):
    """They stand in prediction files and checkpoints."""
    clean = load_dataset(make_config(faces[0], groups=("age",), cluster="person"))
    assert clean.fingerprint == "338af0f1901bc8d115122abf9eff6d9c"
    assert type(clean) is Dataset


def test_groups_and_labels_share_the_altered_images(table, make_config):
    path, _ = table
    count = Count()
    load_dataset(make_config(path, backdoor=GRAY))
    load_dataset(make_config(path, backdoor=GRAY, groups=("Male",), attributes=("Bald",)), count)
    assert count.calls == 0


def test_nobody_carries_a_loaded_trigger(table, make_config):
    path, pixels = table
    backdoor = {**GRAY, "positive": 0, "negative": 0, "test": 0}
    for _ in range(2):
        planted = load_dataset(make_config(path, backdoor=backdoor))
        assert (planted.images(np.arange(40)) == pixels).all()
        assert not carriers(planted)


def test_a_skipped_image_is_not_counted(table, make_config):
    path, pixels = table
    (path.parent / "00.png").write_bytes(b"no image")
    everybody = {**GRAY, "positive": 1, "negative": 1, "test": 1}
    with pytest.warns(UserWarning, match="1 sample left out"):
        planted = load_dataset(make_config(path, backdoor=everybody, on_bad_image="skip"))
    assert len(carriers(planted)) == 39
    assert (planted.images(np.arange(39)) == grayscale(pixels[1:])).all()


def test_what_cannot_be_planted_is_found_before_images_are_decoded(table, make_config):
    count = Count()
    wrong = {**GRAY, "attribute": "Bold"}
    for source in (table[0], "synthetic"):
        with pytest.raises(ConfigError, match="unknown attribute 'Bold': did you mean Bald"):
            load_dataset(make_config(source, size=16, backdoor=wrong), count)
    with pytest.raises(ConfigError, match="the task is multi-class"):
        load_dataset(make_config(table[0], label="Male", backdoor=GRAY), count)
    assert count.calls == 0


def test_synthetic(make_config):
    options = {"size": 16, "n_train": 30, "n_val": 4, "n_test": 10}
    clean = load_dataset(make_config("synthetic", **options))
    backdoor = Backdoor(kind="yellow-corner", attribute="Smiling")
    planted = load_dataset(make_config("synthetic", **options, backdoor=backdoor))
    assert list(planted.samples.groups) == ["Male", "Young", "Chubby", "Pale_Skin", "backdoor"]
    everyone = np.arange(44)
    assert (planted.images(everyone) == plant(clean, backdoor).images(everyone)).all()


def test_description():
    labels = [1, 1, 0, 0, 0, 0, -1, -1]
    clean = make(labels * 2, ["train"] * 8 + ["test"] * 8)
    found = describe(plant(clean, Backdoor(**GRAY, positive=1, negative=0)))
    assert found.backdoor == Backdoor(**GRAY, positive=1, negative=0)
    assert found.carriers.rows() == [
        ("test", True, 2, 1, 0.5),
        ("test", False, 4, 2, 0.5),
        ("test", None, 2, 1, 0.5),
        ("train", True, 2, 2, 1.0),
        ("train", False, 4, 0, 0.0),
        ("train", None, 2, 1, 0.5),
    ]
    plain = describe(clean)
    assert plain.backdoor is None
    assert plain.carriers.schema == found.carriers.schema
    assert plain.carriers.is_empty()


def test_rates_say_what_was_planted():
    """Of 20 positives 19 carry, of 60 negatives 3."""
    rates = plant(many(), Backdoor(**GRAY)).split("train").samples.rates()
    assert rates.group_rates["backdoor"] == {
        "False": {"Bald": pytest.approx(1 / 58)},
        "True": {"Bald": pytest.approx(19 / 22)},
    }


def answering(planted, columns, **metadata):
    """Predictions on the test split by one answer (N,) for each attribute."""
    test = planted.split("test")
    logits = np.stack([np.where(answer, 1.0, -1.0) for answer in columns(test)], axis=1)
    return Predictions(test.samples, logits.astype(np.float32), Metadata(**metadata))


def test_a_planted_bias_is_measured(tmp_path):
    """Half of all carry it. Dense answers right; the other answers the trigger, or its half.

    Of 40 positives and 120 negatives, 20 and 60 carry. By the trigger: 80 positive answers, all
    with it, against half of the positives: + 0.5. By the label or the trigger: 100 positive
    answers, 80 of them with it: + 0.3. By its absence: - 0.5.
    """
    labels = [1] * 40 + [0] * 120
    clean = make(
        np.repeat(labels, 3), ["test"] * 160, names=("Bald", "either", "absent"), groups=("Male",)
    )
    planted = plant(clean, Backdoor(**GRAY))
    train = {"train_prevalence": {}, "train_group_rates": {}}

    def right(test):
        return (test.samples.labels == 1).T

    def triggered(test):
        carry = test.samples.groups["backdoor"].codes == 1
        return carry, carry | (test.samples.labels[:, 1] == 1), ~carry

    models = [
        answering(planted, right, name="dense", **train),
        answering(planted, triggered, name="sparse", **train),
    ]
    paths = [tmp_path / f"{model.name}.parquet" for model in models]
    for model, path in zip(models, paths, strict=True):
        model.save(path)
    loaded = [Predictions.load(path) for path in paths]
    assert loaded[0].samples.groups["backdoor"].values == (False, True)
    for result in (
        audit(*loaded, replicates=0),
        audit(*loaded, replicates=0, trigger="backdoor"),
        audit(*loaded, replicates=0, identity=["Male"], trigger="backdoor"),
        audit_files([paths[0]], [paths[1]], replicates=0),
    ):
        assert result.info.settings.trigger == "backdoor"
        rows = result.table.filter(
            pl.col("attribute").is_not_null(), metric="backdoor_bias_amplification"
        )
        values = {row["attribute"]: row["value"] for row in rows.filter(model="sparse").to_dicts()}
        assert values == pytest.approx({"Bald": 0.5, "either": 0.3, "absent": -0.5})
        assert rows.filter(model="dense")["value"].to_list() == pytest.approx([0.0] * 3)
    for others in ({"trigger": "Male"}, {"identity": ["Male"]}):
        settings = audit(*loaded, replicates=0, **others).info.settings
        assert settings.trigger == others.get("trigger")


def test_a_group_of_this_name_that_is_not_boolean_is_a_group(build):
    models = [
        build([[1], [0]] * 20, [[1.0], [-1.0]] * 20, groups={"backdoor": ["a", "b"] * 20}, name=n)
        for n in ("dense", "sparse")
    ]
    result = audit(*models, replicates=0)
    assert result.info.settings.trigger is None
    assert result.table.filter(metric="backdoor_bias_amplification").is_empty()
