import shlex

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.errors import DataError
from prunescope.predictions import Predictions, advice, read_mapping, train_rates_from
from prunescope.predictions.advice import advise
from prunescope.predictions.shards import Shards

ALL = ("id", "y", "logit")
FILES = ["1.png", "2.png", "3.png", "4.png"]
SEX = ["f", "m", "m", "f"]
CLASSES = ["cat", "dog", "dog", "cat"]
BITS = [1, 0, 0, 1]
P = [0.5, 0.25, 0.0, 1.0]
Z = [1.5, -2.0, 0.5, 3.0]


def options_in(text):
    """Return the mapping and the kind of scores that a message suggests, as a shell reads them."""
    words = [word for line in text.splitlines() if line[:2] == "  " for word in shlex.split(line)]
    pairs = list(zip(words[::2], words[1::2], strict=True))
    mapping = read_mapping([value for option, value in pairs if option == "--map"])
    return mapping, dict(pairs).get("--scores", "logits")


def test_the_message_can_be_pasted():
    frame = pl.DataFrame(
        {
            "image_id": FILES,
            "Smiling_true": BITS,
            "Smiling_prob": P,
            "Bald_true": [True, False, None, True],
            "Bald_prob": P,
            "gender": SEX,
        }
    )
    assert advise(frame, ALL) == (
        "Rename the columns, or add:\n"
        "  --map id=image_id --map 'y__*=*_true' --map 'logit__*=*_prob' --scores probability\n"
        "To compare groups, add:\n"
        "  --map group__gender=gender"
    )


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            {"Unnamed: 0": [0, 1, 2, 3], "label": BITS, "score": Z},
            "--map 'id=Unnamed: 0' --map y__positive=label --map logit__positive=score",
        ),
        (
            {"file": FILES, "y_true": BITS, "y_score": P},
            "--map id=file --map y__positive=y_true --map logit__positive=y_score "
            "--scores probability",
        ),
        (
            {"file": FILES, "y": BITS, "p": Z},
            "--map id=file --map y__positive=y --map logit__positive=p --scores probability",
        ),
        (
            {"path": FILES, "target": CLASSES, "logit_cat": Z, "logit_dog": Z},
            "--map id=path --map y=target --map 'logit__*=logit_*'",
        ),
        (
            {"path": FILES, "a": BITS, "b": BITS, "a score": Z, "b score": Z},
            "--map id=path --map 'y__*=*' --map 'logit__*=* score'",
        ),
        (
            {"id": FILES, "a": BITS, "a_score": Z, "sex": SEX, "age_true": [1, 2, 3, 4]},
            "--map y__a=a --map 'logit__*=*_score'",
        ),
        ({"uid": FILES, "y__a": BITS, "logit__a": Z}, "--map id=uid"),
    ],
)
def test_common_layouts(columns, expected):
    frame = pl.DataFrame(columns)
    missing = [role for role in ALL if not ({role, f"{role}__a"} & set(columns))]
    suggested = advise(frame, missing).splitlines()
    assert suggested[:2] == ["Rename the columns, or add:", f"  {expected}"]


def test_a_column_that_a_pattern_would_catch_too_is_left_out():
    frame = pl.DataFrame({"f": FILES, "a": BITS, "a_p": Z, "b_p": Z, "sex": SEX})
    assert options_in(advise(frame, ALL))[0] == {
        "id": "f",
        "y__a": "a",
        "logit__a": "a_p",
        "group__sex": "sex",
    }


SKIN = ["akiec", "bcc", "nv", "bcc"]
THIRDS = {name: [0.5, 0.25, 0.2, 0.3] for name in ("a", "b")} | {"c": [0.0, 0.5, 0.6, 0.4]}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            {"filename": FILES, "diagnosis": SKIN}
            | {f"{name}_prob": P for name in ("akiec", "bcc", "mel", "nv")},
            ["--map id=filename --map y=diagnosis --map 'logit__*=*_prob' --scores probability"],
        ),
        (
            {"filename": FILES, "diagnosis": [name.upper() for name in SKIN], "prediction": SKIN}
            | {f"{name}_logit": Z for name in ("akiec", "bcc", "nv")},
            [
                "--map id=filename --map y=diagnosis --map logit__AKIEC=akiec_logit "
                "--map logit__BCC=bcc_logit --map logit__NV=nv_logit"
            ],
        ),
        (
            {"image": FILES, "label": CLASSES, "p_cat": P, "p_dog": P},
            ["--map id=image --map y=label --map 'logit__*=p_*' --scores probability"],
        ),
        (
            {"image": FILES, "label": BITS, "p_cat": P, "p_dog": [1 - p for p in P]},
            [
                "--map id=image --map y=label --map logit__0=p_cat --map logit__1=p_dog "
                "--scores probability",
                "label seems to count the classes: 0 is p_cat, 1 is p_dog. Is it so?",
            ],
        ),
        (
            {"image": FILES, "label": [0, 2, 1, 2]}
            | {f"p_{name}": p for name, p in THIRDS.items()},
            [
                "--map id=image --map y=label --map logit__0=p_a --map logit__1=p_b "
                "--map logit__2=p_c --scores probability",
                "label seems to count the classes: 0 is p_a, 1 is p_b, 2 is p_c. Is it so?",
            ],
        ),
        (
            {"image": FILES, "target": [1.0, 3.0, None, 2.0]}
            | {f"raw_{name}": Z for name in "abc"},
            [
                "--map id=image --map y=target --map logit__1=raw_a --map logit__2=raw_b "
                "--map logit__3=raw_c",
                "target seems to count the classes: 1 is raw_a, 2 is raw_b, 3 is raw_c. Is it so?",
            ],
        ),
        (
            {"image": FILES, "true_class": [0, 6, 2, 1], "pred_class": [0, 6, 2, 2]}
            | {f"pred_{at}": Z for at in range(7)},
            [
                "--map id=image --map y=true_class "
                + " ".join(f"--map logit__{at}=pred_{at}" for at in range(7))
            ],
        ),
        (
            {"image": FILES, "true_class": [0, 6, 2, 1]} | {f"pred_{at}": Z for at in range(7)},
            ["--map id=image --map y=true_class --map 'logit__*=pred_*'"],
        ),
    ],
)
def test_tables_of_classes(tmp_path, columns, expected):
    frame = pl.DataFrame(columns)
    suggested = advise(frame, ALL).splitlines()
    assert [line.strip() for line in suggested[1 : 1 + len(expected)]] == expected
    mapping, scores = options_in("\n".join(suggested))
    frame.write_parquet(tmp_path / "x.parquet")
    frame.write_csv(tmp_path / "x.csv")
    label = next(old for new, old in mapping.items() if new == "y")
    want = [None if value is None else str(value).removesuffix(".0") for value in frame[label]]
    for path in (tmp_path / "x.parquet", tmp_path / "x.csv"):
        found = Predictions.load(path, columns=mapping, scores=scores)
        classes = [
            None if (row == -1).all() else found.attributes[row.argmax()]
            for row in found.samples.labels
        ]
        assert classes == want
    streamed = Shards.scan(tmp_path / "x.parquet", columns=mapping, scores=scores)
    part = streamed.rows(0, 4, ["id", "y", *streamed.answer_columns()])
    codes = streamed.labels(part).astype(int)
    np.testing.assert_array_equal(np.where(codes == 2, -1, codes), found.samples.labels.T)


def test_two_columns_that_may_be_the_class_are_not_chosen_between():
    frame = pl.DataFrame({"f": FILES, "first": CLASSES, "second": CLASSES, "p_cat": P, "p_dog": P})
    assert "Nothing looks like labels." in advise(frame, ALL)
    assert "--map y=first" in advise(frame.drop("second"), ALL)


def test_scores_of_two_models_are_not_taken_for_two_classes():
    frame = pl.DataFrame({"f": FILES, "label": BITS, "prob_resnet": P, "prob_vit": P})
    assert "--map y=label --map logit" not in advise(frame, ALL)


@pytest.mark.parametrize(
    ("columns", "lines"),
    [
        (
            {"file": FILES, "a_label": BITS, "b_label": BITS, "a_pred": BITS, "b_pred": BITS},
            [
                "  --map id=file --map 'y__*=*_label'",
                "Nothing looks like scores.",
                "a_pred, b_pred: answers without scores are not enough; logits or probabilities "
                "are needed.",
            ],
        ),
        (
            {"file": FILES, "label": CLASSES, "pred": CLASSES},
            [
                "  --map id=file --map y=label",
                "Nothing looks like scores.",
                "pred: answers without scores are not enough; logits or probabilities are needed.",
            ],
        ),
        (
            {"file": FILES, "a_prob": P, "b_prob": P},
            [
                "  --map id=file --map 'logit__*=*_prob' --scores probability",
                "Nothing looks like labels.",
            ],
        ),
        (
            {"file": FILES, "labels": [[0, 1]] * 4, "logits": [[0.5, 1.0]] * 4},
            [
                "  --map id=file",
                "Nothing looks like labels or scores.",
                "labels, logits: expected one column per attribute, not lists.",
            ],
        ),
        (
            {"v": Z, "w": Z, "pred": BITS},
            [
                "  --map id=filename --map 'y__*=*_true' --map 'logit__*=*_score'",
                "Nothing looks like ids or labels or scores.",
                "pred: answers without scores are not enough; logits or probabilities are needed.",
            ],
        ),
    ],
)
def test_what_is_not_there_is_told(columns, lines):
    assert advise(pl.DataFrame(columns), ALL).splitlines()[1:] == lines


@pytest.mark.parametrize("name", ["a=b", "*a*"])
def test_names_that_no_option_can_spell_are_not_suggested(name):
    frame = pl.DataFrame({"file": FILES, name: BITS, f"{name}_score": Z, "c": BITS, "sex": SEX})
    suggested = advise(frame, ALL)
    assert "such as:\n  --map id=filename --map 'y__*=*_true'" in suggested


def test_more_options_than_help_are_not_listed(monkeypatch):
    frame = pl.DataFrame({"file": FILES, "a": BITS, "a_score": Z, "sex": SEX})
    assert "--map y__a=a" in advise(frame, ALL)
    monkeypatch.setattr(advice, "MAX_OPTIONS", 3)
    assert "--map y__a=a" in advise(frame, ALL)
    monkeypatch.setattr(advice, "MAX_OPTIONS", 2)
    assert "--map y__a=a" not in advise(frame, ALL)


def test_only_the_first_of_very_many_columns_are_looked_at(monkeypatch):
    frame = pl.DataFrame({"file": FILES, "a_true": BITS, "a_score": Z, "b_true": BITS})
    monkeypatch.setattr(advice, "MAX_LOOKS", 2)
    assert "--map y__a=a_true" in advise(frame, ALL)  # the pattern would catch b_true


ATTRIBUTES = ["Bald", "Wearing_Hat", "5_o_Clock_Shadow", "Big-Nose", "ñandú", "A  B", "it's"]
AROUND = st.sampled_from([("{}_", ""), ("", "_{}"), ("", ".{}"), ("{}: ", ""), ("", " {}")])


@st.composite
def tables(draw):
    """Draw a table of another tool, and what is in it: attributes, labels, scores, groups."""
    attributes = draw(st.lists(st.sampled_from(ATTRIBUTES), min_size=1, max_size=4, unique=True))
    label = draw(st.sampled_from(["true", "Label", "target", "gt", "actual"]))
    score, scores = draw(
        st.sampled_from(
            [
                ("logit", "logits"),
                ("Score", "logits"),
                ("prob", "probability"),
                ("p", "probability"),
            ]
        )
    )
    before, after = (part.format(label) for part in draw(AROUND))
    if draw(st.booleans()):
        before = after = ""
    front, back = (part.format(score) for part in draw(AROUND))
    labels = draw(
        st.lists(
            st.lists(st.sampled_from([0, 1]), min_size=len(attributes), max_size=len(attributes)),
            min_size=3,
            max_size=5,
        )
    )
    n = len(labels)
    low = 0.0 if scores == "probability" else 1.25
    values = np.round(np.linspace(low, low + 0.75, n * len(attributes)), 3).reshape(n, -1)
    columns = {draw(st.sampled_from(["image_id", "File Name", "path"])): FILES[:n] + ["5"][: n - 4]}
    order = draw(st.permutations([*range(len(attributes))]))
    for a in range(len(attributes)):
        columns[f"{before}{attributes[a]}{after}"] = [row[a] for row in labels]
    for a in order:
        columns[f"{front}{attributes[a]}{back}"] = values[:, a].tolist()
    groups = draw(st.sampled_from([{}, {"sex": ["f", "m", "m", "f", "m"][:n]}]))
    names = sorted(columns | groups, key=lambda _: draw(st.integers(0, 9)))
    frame = pl.DataFrame({name: (columns | groups)[name] for name in names})
    return frame, attributes, np.array(labels), values, scores, groups


@given(table=tables(), suffix=st.sampled_from(["csv", "parquet"]))
def test_what_is_suggested_reads_the_table(tmp_path_factory, table, suffix):
    frame, attributes, labels, values, scores, groups = table
    path = tmp_path_factory.mktemp("foreign") / f"x.{suffix}"
    (frame.write_csv if suffix == "csv" else frame.write_parquet)(path)
    with pytest.raises(DataError, match="no column 'id', y__<attribute> or y, logit__") as refused:
        Predictions.load(path)
    mapping, kind = options_in(str(refused.value))
    assert kind == scores
    loaded = Predictions.load(path, columns=mapping, scores=kind)
    assert sorted(loaded.attributes) == sorted(attributes)
    order = [attributes.index(attribute) for attribute in loaded.attributes]
    assert loaded.samples.labels.tolist() == labels[:, order].tolist()
    found = loaded.probabilities if kind == "probability" else loaded.logits
    assert np.allclose(found, values[:, order], atol=1e-9)
    assert set(groups) <= set(loaded.samples.groups)
    rates = train_rates_from(path, mapping)
    assert set(rates.prevalence) == set(attributes)
