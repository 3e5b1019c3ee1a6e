import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from prunescope.errors import ConfigError, DataError
from prunescope.predictions import check_thresholds, read_thresholds

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)
NUMBERS = st.floats(-1e6, 1e6)


@pytest.fixture
def write(tmp_path):
    """Return a function that writes text to a file of thresholds."""

    def save(text, name="t.json"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return save


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.json", '{"Bald": 0.5, "Male": -1}'),
        ("t.yaml", "Bald: 0.5\nMale: -1\n"),
        ("t.YML", "{Bald: 0.5, Male: -1}"),
        ("t.csv", "attribute,threshold\nBald,0.5\nMale,-1\n"),
        ("t.csv", "attribute; threshold; note\nBald; 0.5; x\nMale; -1.0;\n"),
        ("t.csv", "model,threshold,attribute\n,0.5,Bald\n*,-1,Male\n"),
    ],
)
def test_thresholds_for_all_models(write, name, text):
    assert read_thresholds(write(text, name)) == {"*": {"Bald": 0.5, "Male": -1.0}}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.json", '{"*": {"Bald": 0.5}, "sparse": {"Bald": 0.7, "Male": 2}}'),
        ("t.yaml", "'*': {Bald: 0.5}\nsparse:\n  Bald: 0.7\n  Male: 2\n"),
        ("t.csv", "model,attribute,threshold\n,Bald,0.5\nsparse,Bald,0.7\nsparse,Male,2\n"),
    ],
)
def test_thresholds_by_model(write, name, text):
    expected = {"*": {"Bald": 0.5}, "sparse": {"Bald": 0.7, "Male": 2.0}}
    assert read_thresholds(write(text, name)) == expected


def test_probabilities_become_logits(write):
    path = write('{"a": 0.5, "b": 0.9, "c": 1e-9}')
    found = read_thresholds(path, scores="probability")["*"]
    assert found["a"] == 0
    assert [float(expit(found[name])) for name in "bc"] == pytest.approx([0.9, 1e-9])
    with pytest.raises(ConfigError, match="unknown kind of scores 'prob': choose one of logits"):
        read_thresholds(path, scores="prob")


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, NUMBERS, max_size=3), min_size=1, max_size=3))
def test_what_is_written_is_read_in_any_format(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("thresholds")
    (folder / "t.json").write_text(json.dumps(content))
    (folder / "t.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    for name in ("t.json", "t.yaml"):
        assert read_thresholds(folder / name) == content


@pytest.mark.parametrize("value", [0, 1, 1.5, -0.1])
def test_a_threshold_that_is_no_probability_is_refused(write, value):
    message = rf"'a' is {value}: expected a probability between 0 and 1. If it is a logit, leave"
    with pytest.raises(DataError, match=message):
        read_thresholds(write(f'{{"a": {value}}}'), scores="probability")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.json", "{nope", r"t\.json: cannot be read as json: Expecting property name"),
        ("t.json", "", "cannot be read as json"),
        ("t.json", "[" * 100_000, "cannot be read as json"),
        ("t.json", "[1]", r"expected {attribute: threshold} or {model: .*}}; found \[1\]$"),
        ("t.json", "{}", "expected {attribute: threshold} or .* found {}$"),
        ("t.json", '{"a": 1, "b": {"a": 1}}', "expected .* found both$"),
        ("t.json", '{"b": 1, "a": 1, "a": 2}', "cannot be read as json: 'a' is named twice"),
        ("t.json", '{"m": {"a": 1, "a": 2}}', "cannot be read as json: 'a' is named twice"),
        ("t.json", '{"a": "0.5"}', "the threshold of 'a' is '0.5': expected a number$"),
        ("t.json", '{"a": true}', "the threshold of 'a' is True: expected a number$"),
        ("t.json", '{"a": null}', "the threshold of 'a' is None: expected a number$"),
        ("t.json", '{"a": NaN}', "cannot be read as json: NaN is no number in JSON"),
        ("t.json", '{"a": 1e999}', "cannot be read as json: 1e999 is more than any number"),
        ("t.json", f'{{"a": 1{"0" * 400}}}', "cannot be read as json: a number of 401 digits"),
        ("t.yaml", "a: [1", "cannot be read as yaml"),
        ("t.yaml", "a: 1\na: 2\n", "cannot be read as yaml: 'a' is named twice"),
        ("t.yaml", "? [a]\n: 1\n", "cannot be read as yaml"),
        ("t.yaml", "no: 1\n", "the name False is no text: write it in quotes$"),
        ("t.yaml", "a: .inf\n", "the threshold of 'a' is inf: expected a finite number$"),
        ("t.yaml", "!!python/object/apply:os.getcwd []", "cannot be read as yaml"),
        ("t.csv", "", "cannot be read as csv: empty CSV"),
        ("t.csv", "attribut,threshold\na,1\n", r"unknown column 'attribute': did you mean attrib"),
        ("t.csv", "attribute,value\na,1\n", "unknown column 'threshold': .*Expected the columns a"),
        ("t.csv", "attribute,threshold\na,\n", "row 1 lacks an attribute or its threshold$"),
        ("t.csv", "attribute,threshold\na,1\n,2\n", "row 2 lacks an attribute or its threshold$"),
        ("t.csv", "attribute,threshold\na,1\na,1\n", "row 2 names 'a' a second time$"),
        ("t.csv", "attribute;threshold\na;0,5\n", "the threshold of 'a' is '0,5': expected a num"),
        ("t.csv", "attribute,threshold\na,nan\n", "the threshold of 'a' is nan: expected a finite"),
        ("t.csv", "attribute,threshold\n", r"t\.csv: expected .* found {}$"),
        ("t.toml", "a = 1", r"t\.toml: expected thresholds as \.json, \.yaml or \.csv$"),
    ],
)
def test_files_that_make_no_sense_are_a_data_error(write, name, text, message):
    with pytest.raises(DataError, match=message):
        read_thresholds(write(text, name))


def test_a_file_that_is_absent_or_a_folder(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(DataError, match="no such file; expected thresholds as"):
            read_thresholds(path)


def test_names_that_nobody_has_are_refused(build):
    model = build([[1, 1]], [[0.0, 0.0]], names=("Bald", "Male"), name="sparse")
    message = (
        r"^thresholds: unknown attribute 'Blad': did you mean Bald\? choose one of Bald, Male$"
    )
    for thresholds in ({"*": {"Blad": 1.0}}, {"dense": {"Blad": 1.0}}):
        with pytest.raises(DataError, match=message):
            check_thresholds(thresholds, ["dense"], model.attributes)
    with pytest.raises(DataError, match=r"^thresholds: unknown model 'spars': did you mean sparse"):
        check_thresholds({"spars": {"Bald": 1.0}}, ["dense", "sparse"], model.attributes)
    check_thresholds({"*": {"Bald": 1.0}, "dense": {}}, ["dense", "sparse"], model.attributes)
