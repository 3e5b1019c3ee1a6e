"""The studies that come along are as they say."""

from pathlib import Path

import pytest

from prunescope.data import Outline
from prunescope.errors import ConfigError
from prunescope.study.plan import make_plan, parse_study, plan_study

STUDIES = Path(__file__).parents[3] / "studies"
SIX = {0.8, 0.9, 0.95, 0.98, 0.99, 0.995}
CELEBA = Outline(
    ("Smiling", "Blond_Hair", "Big_Nose", "Wearing_Hat", "Bald", "Wearing_Lipstick", "Male"),
    ("Male", "Young", "Chubby", "Pale_Skin"),
    {"train": 1000, "val": 100, "test": 100},
)


def laid_out(name):
    path = STUDIES / f"{name}.yaml"
    study, source = parse_study(path.read_text(), path)
    return make_plan(study, CELEBA, source)


@pytest.mark.parametrize("name", ["smoke", "synthetic"])
def test_those_on_drawn_faces_can_be_run_anywhere(name):
    plan = plan_study(STUDIES / f"{name}.yaml")
    assert plan.study.name == name
    assert any(setting.single for setting in plan.settings)
    assert {setting.backdoor.kind for setting in plan.settings if setting.backdoor} == {
        "grayscale", "yellow-corner",
    }  # fmt: skip


def test_the_papers_own():
    plan = laid_out("celeba-paper")
    joint = [one for one in plan.settings if not one.single and not one.backdoor]
    assert [one.arch for one in joint] == ["resnet18", "resnet50", "mobilenet_v1"]
    for setting in joint:
        assert {run.sparsity for run in setting.compressed} == SIX | {0.0}
        assert [run.seed for run in setting.dense] == [0, 1, 2]
    assert {run.method for run in joint[0].compressed} == {"gmp-ri", "gmp-pt", "int8"}
    assert {run.method for run in joint[2].compressed} == {"ac/dc", "int8"}
    recipe = joint[0].dense[0].recipe
    assert (recipe["epochs"], recipe["learning_rate"], recipe["batch_size"]) == (100, 0.256, 256)
    assert len([one for one in plan.settings if one.single]) == len(CELEBA.attributes)


@pytest.mark.parametrize("name", ["celeba64", "celeba64-cpu", "celeba-paper"])
def test_those_on_faces_say_what_is_missing(name, tmp_path):
    (tmp_path / "studies").mkdir()
    path = tmp_path / "studies" / f"{name}.yaml"
    path.write_text((STUDIES / f"{name}.yaml").read_text())
    assert laid_out(name).study.name == name
    with pytest.raises(ConfigError, match=rf"{name}\.yaml:\d+: .*local.* does not exist"):
        plan_study(path)
