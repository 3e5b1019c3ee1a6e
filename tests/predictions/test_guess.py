import pytest

from prunescope.predictions.guess import guess
from prunescope.predictions.layouts import Look

BINARY = Look(frozenset({"0", "1"}), True)
SCORE = Look(frozenset(), True, is_float=True)
CLASS = Look(frozenset({"cat", "dog"}), False)
TEXT = Look(frozenset({"x", "y"}), False)
LIST = Look(frozenset(), False, is_nested=True)
BOTH = ("y", "logit")


def names(missing=BOTH, **looks):
    return dict(guess(looks, missing).names)


def test_a_label_and_a_score_per_attribute():
    found = guess({"a_true": BINARY, "a_prob": SCORE, "sex": TEXT}, BOTH)
    assert found.names == {"a_true": "y__a", "a_prob": "logit__a"}
    assert found.patterns == {"y__*": "*_true", "logit__*": "*_prob"}
    assert (found.scores, found.probable) == (("a_prob",), True)


def test_logits_are_preferred_to_probabilities_and_answers():
    for score in ("logit", "prob", "pred"):
        looks = {"a_label": BINARY, f"a_{score}": BINARY if score == "pred" else SCORE}
        found = guess({**looks, "z_x": SCORE}, BOTH)
        assert found.names.get(f"a_{score}") == (None if score == "pred" else "logit__a")
    found = names(a_label=BINARY, a_prob=SCORE, a_logit=SCORE, a_pred=BINARY)
    assert found == {"a_label": "y__a", "a_logit": "logit__a"}


def test_the_naming_that_fits_most_attributes_is_taken():
    found = names(
        a_true=BINARY, b_true=BINARY, true_c=BINARY, p_a=SCORE, p_b=SCORE, a_raw=SCORE, p_c=SCORE
    )
    assert found == {
        "a_true": "y__a",
        "b_true": "y__b",
        "p_a": "logit__a",
        "p_b": "logit__b",
    }


def test_names_that_tell_what_a_column_is_are_preferred():
    found = names(a=BINARY, a_true=BINARY, a_prob=SCORE)
    assert found == {"a_true": "y__a", "a_prob": "logit__a"}
    found = names(a=SCORE, a_true=BINARY, a_score=SCORE)
    assert found == {"a_true": "y__a", "a_score": "logit__a"}


def test_fractions_are_no_labels_and_a_constant_score_is_a_score():
    assert "a_true" not in names(a_true=SCORE, a_prob=SCORE)
    assert "a_true" not in names(a_true=SCORE, b_true=SCORE, a_prob=SCORE, b_prob=SCORE)
    assert names(a_gt=BINARY, b_gt=BINARY, a_p=SCORE, b_p=BINARY) == {
        "a_gt": "y__a",
        "b_gt": "y__b",
        "a_p": "logit__a",
        "b_p": "logit__b",
    }


def test_one_side_may_be_the_attributes_themselves():
    assert names(a=BINARY, a_prob=SCORE, sex=TEXT) == {"a": "y__a", "a_prob": "logit__a"}
    assert names(a=SCORE, a_true=BINARY) == {"a": "logit__a", "a_true": "y__a"}


def test_a_lone_pair_must_hold_labels():
    unsure = Look(frozenset({"0", "1", "2"}), True)
    assert names(source_true=unsure, source_score=SCORE) == {}
    assert names(a_true=unsure, a_score=SCORE, b_true=BINARY, b_score=SCORE) == {
        "a_true": "y__a",
        "a_score": "logit__a",
        "b_true": "y__b",
        "b_score": "logit__b",
    }


def test_one_column_of_classes():
    found = guess({"label": CLASS, "prob_cat": SCORE, "prob_dog": SCORE, "pred": CLASS}, BOTH)
    assert found.names == {"label": "y", "prob_cat": "logit__cat", "prob_dog": "logit__dog"}
    assert found.patterns == {"logit__*": "prob_*"}
    assert found.probable
    assert names(label=CLASS, cat=SCORE, dog=SCORE, time=SCORE) == {
        "label": "y",
        "cat": "logit__cat",
        "dog": "logit__dog",
        "time": "logit__time",
    }
    assert names(y=CLASS, logit_cat=SCORE, logit_dog=SCORE) == {
        "logit_cat": "logit__cat",
        "logit_dog": "logit__dog",
    }


def test_scores_of_the_classes_that_there_are():
    emus = {"raw_emu": SCORE, "raw_owl": SCORE}
    pets = {"logit_cat": SCORE, "logit_dog": SCORE}
    expected = {"label": "y", "logit_cat": "logit__cat", "logit_dog": "logit__dog"}
    assert names(label=CLASS, **emus, **pets) == names(label=CLASS, **pets, **emus) == expected
    probabilities = {"prob_cat": SCORE, "prob_dog": SCORE}
    assert names(label=CLASS, **pets, **probabilities) == expected
    assert names(label=CLASS, **probabilities, **pets) == expected
    assert names(label=CLASS, cat=SCORE, dog=SCORE)["cat"] == "logit__cat"


def test_a_class_is_one_of_the_scores_names_unless_they_are_named_as_scores():
    assert names(label=CLASS, emu=SCORE, owl=SCORE) == {"label": "y"}
    assert names(label=CLASS, prob_emu=SCORE, prob_owl=SCORE) == {
        "label": "y",
        "prob_emu": "logit__emu",
        "prob_owl": "logit__owl",
    }
    assert "label" not in names(label=BINARY, prob_emu=SCORE, prob_owl=SCORE)
    assert "label" not in names(label=CLASS, prob_cat=SCORE)


@pytest.mark.parametrize("label", ["label", "y_true", "target", "y"])
@pytest.mark.parametrize("score", ["score", "prob", "logit", "y_score", "resnet"])
def test_one_label_and_one_score(label, score):
    found = guess({label: BINARY, score: SCORE, "pred": BINARY}, BOTH)
    assert found.names == {label: "y__positive", score: "logit__positive"}
    assert found.scores == (score,)
    assert found.probable == (score == "prob")


def test_the_likeliest_name_of_a_score_is_taken():
    found = guess({"label": BINARY, "prob": SCORE, "score": SCORE}, BOTH)
    assert (found.scores, found.probable) == (("score",), False)


def test_one_label_that_names_the_attribute():
    assert names(is_bald=BINARY, score=SCORE) == {
        "is_bald": "y__is_bald",
        "score": "logit__is_bald",
    }
    assert names(Bald_true=BINARY, resnet_prob=SCORE)["resnet_prob"] == "logit__Bald_true"
    assert names(is_bald=BINARY, is_old=BINARY, score=SCORE) == {}
    assert names(label=BINARY, one=SCORE, two=SCORE) == {"label": "y"}


def test_what_is_ours_already_is_not_named_again():
    assert names(y__a=BINARY, y__b=BINARY, a_prob=SCORE, b_prob=SCORE, a_true=BINARY) == {
        "a_prob": "logit__a",
        "b_prob": "logit__b",
    }
    assert names(logit__a=SCORE, a=BINARY, sex=TEXT) == {"a": "y__a"}
    assert names(y__a=BINARY, score=SCORE) == {"score": "logit__a"}
    assert names(logit__a=SCORE, target=BINARY) == {"target": "y__a"}
    assert names(logit__cat=SCORE, logit__dog=SCORE, label=CLASS) == {"label": "y"}
    assert names(missing=("id",), a_true=BINARY, a_prob=SCORE) == {}


def test_half_a_table_is_told_as_far_as_it_goes():
    assert names(a_true=BINARY, b_true=BINARY, a_pred=BINARY) == {
        "a_true": "y__a",
        "b_true": "y__b",
    }
    assert names(a_prob=SCORE, sex=TEXT) == {"a_prob": "logit__a"}
    assert names(a_true=BINARY, b_true=BINARY, c_prob=SCORE) == {}
    assert names(labels=LIST, logits=LIST) == {}
    assert names(label=CLASS, pred=CLASS) == {"label": "y"}
    assert names(x=SCORE, z=SCORE) == {}


def test_labels_of_a_training_split_need_no_scores():
    assert names(missing=("y",), a_true=BINARY, b_true=BINARY) == {
        "a_true": "y__a",
        "b_true": "y__b",
    }
    assert names(missing=("y",), a_true=BINARY, b_prob=SCORE) == {"a_true": "y__a"}
    assert names(missing=("y",), c_label=BINARY, a_true=BINARY, b_true=BINARY, d_gt=BINARY) == {
        "a_true": "y__a",
        "b_true": "y__b",
    }
    assert names(missing=("y",), label=CLASS, sex=TEXT) == {"label": "y"}
    assert names(missing=("y",), sex=TEXT) == {}


@pytest.mark.parametrize(
    ("values", "first"),
    [("012", 0), ("02", 0), ("123", 1), ("3", None), ("12", None), ("015", None), ("0123", None)],
)
def test_labels_that_count_classes_count_from_the_first_score(values, first):
    looks = {"label": Look(frozenset(values), True)} | {f"raw_{c}": SCORE for c in "abc"}
    found = guess(looks, BOTH)
    if first is None:
        assert found.counted is None
        assert found.names["raw_a"] == "logit__a"
    else:
        assert found.counted == "label"
        columns = {f"raw_{c}": f"logit__{first + at}" for at, c in enumerate("abc")}
        assert found.names == {"label": "y"} | columns
