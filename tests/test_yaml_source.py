"""YAML files of settings: what they say, where, and what is wrong with them."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from prunescope.errors import ConfigError
from prunescope.yaml_source import parse_yaml, read_text

PATH = Path("settings.yaml")


def read(text):
    return parse_yaml(text, PATH, "settings")


def test_values_and_their_lines():
    told, source = read("a: 1\nb:\n  - {c: 2}\n  -\n    c: 3\n")
    assert told == {"a": 1, "b": [{"c": 2}, {"c": 3}]}
    lines = {(): 1, ("a",): 1, ("b",): 2, ("b", 0, "c"): 3, ("b", 1, "c"): 5, ("b", 1, "d"): 5}
    for place, line in lines.items():
        assert source.at(place) == f"settings.yaml:{line}"
    assert source.has(("b", 1, "c"))
    assert not source.has(("b", 1, "d"))
    assert not source.has(("a", "c"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "settings.yaml: expected settings as lines of 'key: value'"),
        ("# nothing", "settings.yaml: expected settings as lines"),
        ("- a\n- b", "settings.yaml: expected settings as lines"),
        ("a", "settings.yaml: expected settings as lines"),
        ("a: 1\nb: [", "settings.yaml:2: not YAML"),
        ("a: *\n", r"settings.yaml:1: not YAML: .*a \* stands in quotes"),
        ("a: \x07", "settings.yaml: not YAML: unacceptable character"),
        (
            "a: 2020-13-45",
            "settings.yaml: not YAML: a value is not what it looks like: month must be",
        ),
        ("[" * 5000, "settings.yaml: not YAML: lists and mappings lie more than 50 deep"),
        ("a: 1\nb: {c: 1,\n c: 2}", "settings.yaml:3: 'c' stands twice in one mapping"),
        ("a: 1\nb:\n  on: 2", "settings.yaml:3: 'on' is no name to YAML, .* put it in quotes"),
        ("1: 2", "settings.yaml:1: '1' is no name to YAML"),
        ("a: !!python/object/apply:os.getcwd []", "settings.yaml:1: not YAML: could not determ"),
    ],
)
def test_what_is_no_settings_is_told_with_its_line(text, message):
    with pytest.raises(ConfigError, match=message):
        read(text)


def test_nodes_of_several_names_are_looked_at_once():
    """Otherwise this document, nine lists of nine of the line before, would take for ever."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 40)]
    with pytest.raises(ConfigError, match=r"settings.yaml:\d+: not YAML: more than .* values"):
        read("\n".join(lines))
    with pytest.raises(ConfigError, match=r"settings.yaml: not YAML: an alias holds itself"):
        read("a: &a [*a]")


def test_a_file_that_cannot_be_read_says_how_to_make_one(tmp_path):
    path = tmp_path / "settings.yaml"
    with pytest.raises(ConfigError, match=r"no such file; 'init .*settings.yaml' writes one"):
        read_text(path, "init")
    for content, told in ((b"\xff\xfe", "the text is UTF-16"), (b"\x80", "the text is no UTF-8")):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=f"cannot be read: {told}.*'init .*' writes one"):
            read_text(path, "init")


class Size(BaseModel):
    model_config = ConfigDict(extra="forbid")
    pixels: int
    name: str = ""


def test_what_pydantic_finds_wrong_is_one_line_each():
    told, source = read("size:\n  pixels: many\n  nam: x\n")
    with (
        pytest.raises(ConfigError) as raised,
        source.located({"": ("size",), "size": ("pixels", "name")}, others=("size",)),
    ):
        Size(**told["size"])
    assert str(raised.value).splitlines() == [
        "settings.yaml:2: size.pixels: Input should be a valid integer, unable to parse string as "
        "an integer (got 'many')",
        "settings.yaml:3: unknown key in size 'nam': did you mean name? choose one of pixels, name",
    ]


def test_values_that_are_long_are_cut_in_messages():
    source = read("pixels: x")[1]
    with pytest.raises(ConfigError) as raised, source.located({"": ("pixels",)}):
        Size(pixels=["x" * 1000] * 1000)
    assert len(str(raised.value)) < 1000
