import json

import numpy as np
import pytest
import torch

from prunescope.errors import ConfigError, DataError
from prunescope.explain import find, write_explanations
from prunescope.explain.write import to_page
from prunescope.models import build_model

NAMES = ("Bald", "<b>Hat</b>", "Male", "Young", "Beard")
IDS = ("face/1", "<i>face 2</i>")


@pytest.fixture(scope="module")
def models():
    """Return two models of one network whose first four answers differ about every image."""
    made = [build_model("resnet_small", NAMES, image_size=32) for _ in range(2)]
    for model, sign in zip(made, (1, -1), strict=True):
        with torch.no_grad():
            model.network.classifier[1].weight.mul_(1e-3)
            levels = sign * torch.tensor([1.0, 4.0, 3.0, 2.0, 0.0]) + torch.tensor(
                [0, 0, 0, 0, 5.0]
            )
            model.network.classifier[1].bias.copy_(levels)
    return made


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), np.uint8)


@pytest.fixture(scope="module")
def found(models, pixels):
    return find(*models, pixels, IDS, method="gradcam", draws=1)


def test_those_that_flipped_most_are_explained(found):
    cases = [(case.id, case.attribute) for case in found.info.cases]
    wanted = ("<b>Hat</b>", "Male", "Young")
    assert cases == [(key, name) for key in IDS for name in wanted]
    assert all(case.flipped for case in found.info.cases)
    assert found.info.notes == [f"{key}: 4 answers flipped; not shown are Bald." for key in IDS]


def test_those_that_are_named_are_explained(models, pixels):
    named = find(*models, pixels, IDS, ["Beard"], method="gradients", draws=0)
    assert [case.attribute for case in named.info.cases] == ["Beard", "Beard"]
    assert not named.info.cases[0].flipped
    assert named.info.baseline == (0.5, 0.5, 0.5)
    assert named.info.cases[0].dense.complete
    assert not named.info.cases[0].dense.checks


def test_nothing_flipped_and_names_that_are_none(models, pixels):
    with pytest.raises(ConfigError, match="both models answer alike about face/1, "):
        find(models[0], models[0], pixels, IDS, method="gradcam")
    with pytest.raises(ConfigError, match="unknown attribute 'Bold': did you mean Bald"):
        find(*models, pixels, IDS, ["Bold"], method="gradcam")


def test_a_folder_holds_page_figures_and_pictures(found, tmp_path):
    page = write_explanations(found, tmp_path / "out")
    told = json.loads((tmp_path / "out" / "explain.json").read_text())
    assert told["format_version"] == 1
    files = [picture["file"] for case in told["cases"] for picture in case["pictures"]]
    assert len(files) == 6 * 8
    assert {
        path.relative_to(tmp_path / "out").as_posix() for path in page.parent.rglob("*.png")
    } == {*files}
    text = page.read_text()
    assert "<b>Hat</b>" not in text
    assert "&lt;b&gt;Hat&lt;/b&gt;" in text
    assert text.count("data:image/png;base64,") == 6 * 8


def test_pictures_of_an_earlier_result_go_and_no_others(found, models, pixels, tmp_path):
    write_explanations(found, tmp_path)
    (tmp_path / "maps" / "mine.png").write_bytes(b"mine")
    fewer = find(*models, pixels[:1], IDS[:1], ["Male"], method="gradcam", draws=0)
    write_explanations(fewer, tmp_path)
    left = {path.name for path in (tmp_path / "maps").iterdir()}
    kinds = ("image", "dense", "compressed", "difference")
    assert left == {"mine.png", *(f"001-{kind}.png" for kind in kinds)}


def test_nothing_is_left_half_written(found, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(DataError, match="cannot write"):
        write_explanations(found, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_page_works_with_the_network_cut(found, visit, barriers, tmp_path):
    path = tmp_path / "explain.html"
    path.write_text(to_page(found), encoding="utf-8")
    for width in ("desktop", "phone"):
        page = visit(path, width)
        assert page.locator("h1").inner_text() == "6 answers, as dense and compressed see them"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        images = page.locator("section img")
        assert images.count() == 6 * 8
        assert page.evaluate("[...document.images].every(one => one.complete && one.naturalWidth)")
        assert barriers(page) == []
