"""Errors in a study's file name the line and what to do."""

import re

import pytest

from prunescope.errors import ConfigError
from prunescope.study.plan import plan_study, template

GOOD = """\
name: a study
data:
  n_train: 100
  groups: [Male]
base:
  architectures: [resnet_small]
  methods: [gmp-pt, gmp-ri]
  sparsities: [0.8, 0.95]
  seeds: [0, 1]
  recipe: {like: demo, steps: 40}
vary:
  - {}
  - single: [Smiling]
    sparsities: [0.9]
"""


def change(*changes):
    text = GOOD
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


@pytest.fixture
def plan(tmp_path):
    def read(text):
        path = tmp_path / "study.yaml"
        path.write_text(text)
        return plan_study(path)

    return read


def test_a_good_file(plan):
    found = plan(GOOD)
    assert found.study.name == "a study"
    assert [setting.name for setting in found.settings] == ["resnet_small", "resnet_small-Smiling"]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("sparsities: [0.8", "sparsites: [0.8", 8, "'sparsites': did you mean sparsities?"),
        ("  n_train: 100", "  n_trian: 100", 3, "key in data 'n_trian': did you mean n_train"),
        ("name: a study", "name: a study\nthread: 2", 2, "unknown key 'thread': did you mean thr"),
        ("    sparsities: [0.9]", "    sparcities: [0.9]", 14, "unknown key in vary 'sparcities'"),
        ("[0.8, 0.95]", "[0.8, 95]", 8, r"sparsity 95 is outside \(0, 1\): 95 percent is 0.95"),
        ("[0.8, 0.95]", "[0.8, 1.0]", 8, r"sparsity 1 is outside \(0, 1\)"),
        ("    sparsities: [0.9]", "    sparsities: [0]", 14, r"sparsity 0 is outside \(0, 1\)"),
        ("[0.8, 0.95]", "[0.8, high]", 8, r"base.sparsities.1: .*valid number.*\(got 'high'\)"),
        ("[0.8, 0.95]", "[0.8, 0.8]", 8, "0.8 is named twice, which gives two runs with one key"),
        ("[gmp-pt, gmp-ri]", "[gmp]", 7, "unknown method 'gmp': did you mean imp, gmp-ri, gmp-pt"),
        ("[resnet_small]", "[resnet]", 6, "unknown architecture 'resnet': did you mean resnet"),
        ("[0, 1]", "[-1]", 9, "seed -1: expected 0 or more"),
        ("{like: demo, steps: 40}", "{like: demos}", 10, "recipe 'demos': did you mean demo"),
        ("steps: 40}", "epoch: 1}", 10, r"base.recipe: epoch: Extra inputs .*\(got 1\)"),
        ("steps: 40}", "seed: 1}", 10, "leave 'seed' out .*: expected it in the list 'seeds'"),
        ("[Smiling]", "[Smilling]", 13, "unknown attribute 'Smilling': did you mean Smiling?"),
        ("  groups: [Male]", "  groups: [Mole]", 2, "Mole"),
        ("data:\n", "data:\n  source: absent.csv\n", 2, "absent.csv does not exist"),
        ("name: a study\n", "", 1, "name is missing"),
        ("  - {}", "  - base", 12, "'base': expected lines of 'key: value'"),
        ("  groups: [Male]", "  n_train: 20", 4, "'n_train' stands twice in one mapping"),
        ("vary:\n", "splits: [vall]\nvary:\n", 2, "unknown split 'vall': did you mean val?"),
        ("  seeds: [0, 1]", "  seeds: [0, 1", 10, "not YAML"),
        (
            "  - single: [Smiling]", "  - {}\n  - single: [Smiling]", 13,
            r"study.yaml:13: asks for gmp-pt-80-s0 of resnet_small, as does .*study.yaml:12: two "
            r"runs with one key \(resnet_small-gmp-pt-80-s0-[0-9a-f]{12}\); leave it out of one",
        ),
        (
            "  - single: [Smiling]", "  - backdoors: {kind: yellow, attribute: Smiling}", 13,
            r"vary.1.backdoors.0.kind: .*grayscale",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(plan, tmp_path, old, new, line, message):
    with pytest.raises(ConfigError) as caught:
        plan(change((old, new)))
    found = str(caught.value)
    assert found.startswith(f"{tmp_path / 'study.yaml'}:{line}: "), found
    assert re.search(message, found), found


def test_several_problems_are_told_at_once(plan):
    with pytest.raises(ConfigError) as caught:
        plan(change(("[gmp-pt, gmp-ri]", "[gmp]"), ("[0.8, 0.95]", "[2, 3]")))
    assert [line.split(":")[1] for line in str(caught.value).splitlines()] == ["7", "8"]


@pytest.mark.parametrize("text", ["", "- a\n", "7\n"])
def test_no_study_at_all(plan, text):
    with pytest.raises(ConfigError, match="expected a study as lines of 'key: value'"):
        plan(text)


def test_an_absent_file(tmp_path):
    with pytest.raises(ConfigError, match=r"'prunescope study init .*none\.yaml' writes one"):
        plan_study(tmp_path / "none.yaml")


def test_paths_start_from_the_file(tmp_path, plan):
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "labels.csv").write_text(
        "image,Smiling,split\na.png,1,train\nb.png,0,val\nc.png,1,test\n"
    )
    found = plan("name: a\ndata: {source: faces/labels.csv}\nbase: {architectures: resnet_small, "
                 "methods: gmp-ri, sparsities: 0.5}")  # fmt: skip
    assert found.study.data.source == str(tmp_path / "faces" / "labels.csv")
    assert found.study.grids[0].seeds == (0,)


def test_the_template_is_a_study(plan):
    found = plan(template())
    assert len(found.settings) == 5
    text = template().replace("# splits:", "splits:").replace("# threads", "threads")
    assert plan(text).settings == found.settings  # what is commented out says the defaults
