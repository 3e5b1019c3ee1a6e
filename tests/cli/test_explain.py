"""`prunescope explain`: ids of a data set, files of images, and what is refused."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from prunescope.data import DataConfig, load_dataset
from prunescope.models import Provenance, build_model, save_checkpoint

SIZE = 32
FLIPS = "Smiling"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with data and models of one network, which disagree about Smiling alone."""
    folder = tmp_path_factory.mktemp("explained")
    config = DataConfig(n_train=1, n_val=1, n_test=3, size=SIZE, cache=folder / "cache")
    dataset = load_dataset(config)
    names = dataset.samples.attributes
    models = {"dense": (names, SIZE, 5.0), "pruned": (names, SIZE, -5.0)}
    models |= {"others": (names[:2], SIZE, 1.0), "smaller": (names, 16, 1.0)}
    for name, (attributes, size, level) in models.items():
        model = build_model("resnet_small", attributes, image_size=size)
        head = model.network.classifier[1]
        with torch.no_grad():
            head.weight.mul_(1e-3)
            head.bias.fill_(1.0)
            head.bias[attributes.index(FLIPS) if FLIPS in attributes else 0] = level
        data = config if size == SIZE else None
        save_checkpoint(folder / name, model, Provenance.of(model, dataset, data=data))
    yellow = np.full((40, 50, 3), (250, 200, 20), np.uint8)
    Image.fromarray(yellow).save(folder / "a face.png")
    (folder / "no image.png").write_text("text")
    ids = dataset.split("test").samples.ids.to_list()
    (folder / "ids.json").write_text(json.dumps(ids))
    return folder


@pytest.fixture
def explain(prunescope, made, tmp_path):
    """Return a function that explains answers of the pruned model."""

    def run(*arguments, dense="dense", compressed="pruned", out="out"):
        models = ("--dense", made / dense, "--compressed", made / compressed)
        return prunescope("explain", *arguments, *models, "-o", tmp_path / out)

    return run


@pytest.fixture
def ids(made):
    return json.loads((made / "ids.json").read_text())


def test_what_flipped_is_explained(explain, ids, tmp_path):
    ran = explain(ids[0], "--json")
    assert ran.code == 0, ran.err
    told = ran.json
    assert [(case["id"], case["attribute"]) for case in told["cases"]] == [(ids[0], FLIPS)]
    assert (told["dense"], told["compressed"], told["method"]) == ("dense", "pruned", "gradients")
    assert told["cases"][0]["dense"]["yes"]
    assert not told["cases"][0]["compressed"]["yes"]
    assert told["file"] == str(tmp_path / "out" / "explain.html")
    assert len(list((tmp_path / "out" / "maps").glob("*.png"))) == 8
    written = json.loads((tmp_path / "out" / "explain.json").read_text())
    assert written == {key: value for key, value in told.items() if key != "file"}


def test_files_attributes_and_a_method(explain, made, tmp_path):
    face = made / "a face.png"
    ran = explain(face, "--attribute", "Bald", "--attribute", "Smiling", "--method", "gradcam")
    assert ran.code == 0, ran.err
    assert f"{face}\n  Bald: dense says yes (0.73), pruned says yes (0.73)." in ran.out
    assert "  Smiling: dense says yes (0.99), pruned says no (0.01)." in ran.out
    assert ran.out.rstrip().endswith("explain.html")
    again = explain(face, face, "--attribute", "Bald", "--method", "gradcam")
    assert again.code == 0, again.err  # a result of ours is replaced


@pytest.mark.parametrize(
    ("arguments", "models", "said"),
    [
        (["nobody"], {}, "unknown id 'nobody': synthetic has face-000000, face-000001"),
        (
            ["{id}", "--attribute", "Smilling"],
            {},
            "unknown attribute 'Smilling': did you mean Smil",
        ),
        (["{id}"], {"compressed": "dense"}, "both models answer alike about"),
        (["{id}"], {"compressed": "others"}, "expected two models of the same attributes"),
        (["{id}"], {"compressed": "smaller"}, "expected two models of one image size"),
        (["{id}"], {"dense": "nothing"}, "no checkpoint at"),
        (["{folder}/no image.png"], {}, "no image.png is not an image that Pillow can read"),
        (["{id}", "{folder}/a face.png"], {}, "unknown id"),
        (["{id}", "--compressed", "more"], {}, "name images first, before the options"),
        ([str(i) for i in range(51)], {}, "51 images: at most 50"),
        (["{id}", "--method", "guess"], {}, "'guess'"),
    ],
)
def test_what_is_wrong_is_one_error(explain, ids, made, tmp_path, arguments, models, said):
    words = [word.format(id=ids[0], folder=made) for word in arguments]
    ran = explain(*words, **models)
    assert ran.code == 2
    assert said in " ".join(ran.err.split())
    assert not (tmp_path / "out").exists()


def test_weights_that_are_no_numbers(explain, ids, made, tmp_path):
    from prunescope.models import load_checkpoint

    found = load_checkpoint(made / "pruned")
    with torch.no_grad():
        found.model.network.classifier[1].bias[0] = torch.nan
    shutil.rmtree(tmp_path / "broken", ignore_errors=True)
    save_checkpoint(tmp_path / "broken", found.model, found.provenance)
    ran = explain(ids[0], compressed=tmp_path / "broken")
    assert ran.code == 2
    assert "not finite" in ran.err
    assert not (tmp_path / "out").exists()


def test_files_of_others_stay(explain, ids, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "explain.html").write_text("mine")
    ran = explain(ids[0])
    assert ran.code == 2
    assert "left alone" in ran.err
    assert (tmp_path / "out" / "explain.html").read_text() == "mine"


def test_checkpoints_for_the_viewer_are_named(answers, prunescope, tmp_path):
    dense, sparse = answers(tmp_path)
    audit = tmp_path / "audit"
    done = prunescope("audit", dense, "--compressed", sparse, "-o", audit, "--replicates", "0")
    assert done.code == 0, done.err
    for given, said in [
        ("dense", "expected NAME=FOLDER, such as dense=dense"),
        ("=folder", "expected NAME=FOLDER"),
        ("danse=folder", "unknown model 'danse': did you mean dense"),
        (f"dense={tmp_path / 'nothing'}", "no checkpoint at"),
    ]:
        ran = prunescope("view", audit, "--no-browser", "--checkpoint", given)
        assert ran.code == 2
        assert said in ran.err
