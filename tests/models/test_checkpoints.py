import json
import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoImageProcessor, AutoModelForImageClassification

from prunescope.errors import CheckpointError
from prunescope.models import (
    ARCHITECTURES,
    Provenance,
    build_model,
    checkpoints,
    load_checkpoint,
    save_checkpoint,
    shapes_of,
    to_unit_range,
)
from prunescope.models.quantized import Int8Layer, Quantized
from prunescope.models.widths import layers_of, select_

ATTRIBUTES = ("Bald", "Male", "Young")
FILES = {"config.json", "preprocessor_config.json", "model.safetensors", "prunescope.json"}
STEM = "network.resnet.embedder.embedder.convolution.weight"


@pytest.fixture
def model():
    """A model whose weights and statistics are not those it starts with."""
    model = build_model("resnet_small", ATTRIBUTES, image_size=16)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.05 * torch.rand(tensor.shape))
    return model.eval()


@pytest.fixture
def masks(model):
    """Masks of the convolutions, whose pruned weights are zero."""
    generator = torch.Generator().manual_seed(0)
    masks = {
        name: torch.rand(parameter.shape, generator=generator) < 0.5
        for name, parameter in model.named_parameters()
        if parameter.ndim == 4
    }
    with torch.no_grad():
        for name, mask in masks.items():
            model.get_parameter(name).mul_(mask)
    return masks


def save(folder, model, masks=None):
    save_checkpoint(folder, model, Provenance.of(model, seed=3), masks)
    return folder


def names(folder):
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_architecture_comes_back_with_the_same_answers(arch, tmp_path, images):
    model = build_model(arch, ATTRIBUTES, image_size=16, input_size=32, seed=1)
    with torch.no_grad():
        model.train()(images)  # moves the running statistics
        loaded = load_checkpoint(save(tmp_path / arch, model))
        assert torch.equal(loaded.model(images), model.eval()(images))
    assert loaded.provenance.model == model.spec == loaded.model.spec
    assert loaded.masks is None
    assert not loaded.model.training


def test_the_folder_holds_what_is_expected_and_no_pickle(tmp_path, model, masks):
    save(tmp_path / "dense", model)
    save(tmp_path / "sparse", model, masks)
    assert names(tmp_path) == {"dense", "sparse"}
    assert names(tmp_path / "dense") == FILES
    assert names(tmp_path / "sparse") == FILES | {"masks.safetensors"}
    for path in (tmp_path / "sparse").iterdir():
        content = path.read_bytes()
        # A zip (torch.save) or a pickle of protocol 2 to 5; safetensors begin with a length.
        assert not content.startswith((b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"))
        if path.suffix == ".json":
            json.loads(content)


def test_transformers_opens_the_folder_and_gives_the_same_answers(tmp_path):
    model = build_model("resnet_small", ATTRIBUTES, image_size=32).eval()
    folder = save(tmp_path / "model", model)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    processor = AutoImageProcessor.from_pretrained(folder)
    network = AutoModelForImageClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        theirs = network(**processor(Image.fromarray(pixels), return_tensors="pt")).logits
        ours = model(to_unit_range(torch.from_numpy(pixels).permute(2, 0, 1)[None]))
    torch.testing.assert_close(theirs, ours)
    assert network.config.id2label == dict(enumerate(ATTRIBUTES))
    assert network.config.problem_type == "multi_label_classification"
    assert type(network).__name__ == "ResNetForImageClassification"


def test_a_pretrained_model_comes_back_without_its_origin(tmp_path, pretrained, images):
    model = build_model(f"hf:{pretrained}", ATTRIBUTES, image_size=16).eval()
    folder = save(tmp_path / "model", model)
    shutil.rmtree(pretrained)
    assert torch.equal(load_checkpoint(folder).model(images), model(images))


def test_in_the_files_weights_and_masks_have_the_names_of_the_network(tmp_path, model, masks):
    folder = save(tmp_path / "model", model, masks)
    weights = load_file(folder / "model.safetensors")
    assert weights.keys() == model.network.state_dict().keys()
    with safe_open(folder / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
    assert load_file(folder / "masks.safetensors").keys() < weights.keys()


def test_masks_come_back_by_the_names_of_the_model(tmp_path, model, masks):
    loaded = load_checkpoint(save(tmp_path / "model", model, masks)).masks
    assert loaded.keys() == masks.keys() <= dict(model.named_parameters()).keys()
    assert all(torch.equal(loaded[name], masks[name]) for name in masks)
    assert {mask.dtype for mask in loaded.values()} == {torch.bool}


def test_provenance_comes_back(tmp_path, model):
    provenance = Provenance.of(model, seed=8, compression={"method": "gmp-pt", "sparsity": 0.5})
    save_checkpoint(tmp_path / "model", model, provenance)
    assert load_checkpoint(tmp_path / "model").provenance == provenance


def test_memory_layout_does_not_matter(tmp_path, model, images):
    expected = model(images)
    model.to(memory_format=torch.channels_last)
    loaded = load_checkpoint(save(tmp_path / "model", model)).model
    assert torch.equal(loaded(images), expected)


def test_tied_weights_come_back_tied(tmp_path, nets, images):
    model = build_model(f"{nets}:tied", ATTRIBUTES, image_size=16).eval()
    save(tmp_path / "model", model)
    loaded = load_checkpoint(tmp_path / "model", factory=f"{nets}:tied").model
    assert torch.equal(loaded(images), model(images))
    assert loaded.network.first.weight is loaded.network.second.weight


def test_loading_leaves_torchs_generator_alone(tmp_path, model):
    folder = save(tmp_path / "model", model)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_checkpoint(folder)
    assert torch.equal(torch.rand(3), expected)


def test_a_factory_is_imported_only_when_the_caller_names_it(tmp_path, nets, images):
    model = build_model(f"{nets}:linear", ATTRIBUTES, image_size=16).eval()
    folder = save(tmp_path / "model", model)
    assert json.loads((folder / "config.json").read_text()) == {"factory": f"{nets}:linear"}
    with pytest.raises(CheckpointError, match=f"if you trust it, give factory='{nets}:linear'"):
        load_checkpoint(folder)
    loaded = load_checkpoint(folder, factory=f"{nets}:linear").model
    assert torch.equal(loaded(images), model(images))
    for other in ("tied", "liner"):  # neither the folder's own nor another is imported unasked
        with pytest.raises(CheckpointError, match=f"'{nets}:linear', not by '{nets}:{other}'"):
            load_checkpoint(folder, factory=f"{nets}:{other}")


def test_a_factory_for_a_model_that_has_none(tmp_path, model):
    with pytest.raises(CheckpointError, match="which no factory made"):
        load_checkpoint(save(tmp_path / "model", model), factory="nets:linear")


def test_a_config_that_asks_for_code_runs_none(tmp_path, model):
    folder = save(tmp_path / "model", model)
    (folder / "evil.py").write_text("raise SystemExit('executed')")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="not the configuration of an image classifier"):
        load_checkpoint(folder)


def test_nowhere(tmp_path):
    with pytest.raises(CheckpointError, match=r"no checkpoint at .*nowhere"):
        load_checkpoint(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "prunescope.json"])
def test_a_missing_file(tmp_path, model, name):
    folder = save(tmp_path / "model", model)
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        load_checkpoint(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "masks.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_tensors_that_are_cut_short(tmp_path, model, masks, name, share):
    path = save(tmp_path / "model", model, masks) / name
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match=f"{name} is damaged or cut short"):
        load_checkpoint(path.parent)


def test_weights_of_another_architecture(tmp_path, model):
    folder = save(tmp_path / "model", model)
    other = save(tmp_path / "other", build_model("resnet18", ATTRIBUTES, image_size=16))
    shutil.copy(other / "model.safetensors", folder)
    with pytest.raises(CheckpointError, match="weights of another architecture") as caught:
        load_checkpoint(folder)
    assert "unknown (resnet.encoder" in str(caught.value)
    assert "has shape (64, 3, 7, 7) instead of (32, 3, 7, 7)" in str(caught.value)


def test_weights_that_are_missing(tmp_path, model):
    path = save(tmp_path / "model", model) / "model.safetensors"
    weights = load_file(path)
    del weights["classifier.1.bias"]
    save_file(weights, path)
    with pytest.raises(CheckpointError, match=r"1 missing \(classifier.1.bias\)"):
        load_checkpoint(path.parent)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "prunescope.json is damaged"),
        ("[]", "prunescope.json is damaged"),
        ('{"format_version": 2}', "has format 2: this prunescope reads up to 1"),
        ('{"format_version": 1}', "prunescope.json is damaged: created: Field required"),
    ],
)
def test_a_provenance_that_cannot_be_read(tmp_path, model, content, message):
    folder = save(tmp_path / "model", model)
    (folder / "prunescope.json").write_text(content)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"model_type": "bert"}'])
def test_a_config_that_cannot_be_read(tmp_path, model, content):
    folder = save(tmp_path / "model", model)
    (folder / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match="not the configuration of an image classifier"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"network.nothing": torch.ones(2, dtype=torch.bool)}, "cover network.nothing"),
        ({STEM: torch.ones(32, 3, 5, 5, dtype=torch.bool)}, r"of shape \(32, 3, 5, 5\) for"),
        ({STEM: torch.ones(32, 3, 7, 7)}, "have torch.float32"),
    ],
)
def test_masks_that_do_not_fit_are_neither_saved_nor_loaded(tmp_path, model, wrong, message):
    with pytest.raises(CheckpointError, match=message):
        save(tmp_path / "model", model, wrong)
    assert not (tmp_path / "model").exists()
    folder = save(tmp_path / "model", model)
    inner = {name.removeprefix("network."): mask for name, mask in wrong.items()}
    save_file(inner, folder / "masks.safetensors")
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


def test_only_classifiers_are_saved(tmp_path, model):
    with pytest.raises(CheckpointError, match="cannot save a Linear"):
        save_checkpoint(tmp_path / "model", nn.Linear(1, 1), Provenance.of(model))


def test_another_models_provenance_is_refused(tmp_path, model):
    other = build_model("resnet_small", ATTRIBUTES[:2], image_size=16)
    with pytest.raises(CheckpointError, match="provenance is of another model"):
        save_checkpoint(tmp_path / "model", model, Provenance.of(other))


def test_a_folder_of_something_else_is_left_alone(tmp_path, model):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(CheckpointError, match="is no checkpoint: it is left alone"):
        save(tmp_path, model)
    assert names(tmp_path) == {"thesis.txt"}


def test_a_folder_that_cannot_be_written(tmp_path, model):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot write the checkpoint"):
        save(tmp_path / "file" / "model", model)


def test_an_empty_folder_and_absent_parents_are_fine(tmp_path, model):
    (tmp_path / "empty").mkdir()
    load_checkpoint(save(tmp_path / "empty", model))
    load_checkpoint(save(tmp_path / "new" / "deep", model))


def test_saving_again_replaces_all_files(tmp_path, model, masks):
    folder = save(tmp_path / "model", model, masks)
    assert load_checkpoint(save(folder, model)).masks is None
    assert names(tmp_path) == {"model"}


def test_what_a_killed_process_left_half_written_is_in_nobodys_way(tmp_path, model):
    (tmp_path / ".model.part").mkdir()
    (tmp_path / ".model.part" / "masks.safetensors").write_text("half")
    assert load_checkpoint(save(tmp_path / "model", model)).masks is None
    assert names(tmp_path) == {"model"}


@pytest.mark.parametrize("fails_in", ["_write", "_put_in_place"])
def test_when_saving_fails_the_old_checkpoint_is_whole(tmp_path, model, monkeypatch, fails_in):
    folder = save(tmp_path / "model", model)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(checkpoints, fails_in, fail)
    with pytest.raises(CheckpointError, match="disk full"):
        save_checkpoint(folder, model, Provenance.of(model, seed=9))
    assert load_checkpoint(folder).provenance.seed == 3
    assert names(tmp_path) == {"model"}


def test_a_process_that_dies_between_the_two_renames_loses_nothing(tmp_path, model, monkeypatch):
    class Killed(BaseException):
        pass

    folder = save(tmp_path / "model", model)
    rename = checkpoints.Path.rename

    def die_at_the_second(self, target):
        if self.name.endswith(".part"):
            raise Killed
        return rename(self, target)

    monkeypatch.setattr(checkpoints.Path, "rename", die_at_the_second)
    with pytest.raises(Killed):
        save_checkpoint(folder, model, Provenance.of(model, seed=9))
    assert not folder.exists()
    assert load_checkpoint(folder).provenance.seed == 3
    monkeypatch.undo()
    save_checkpoint(folder, model, Provenance.of(model, seed=9))
    assert load_checkpoint(folder).provenance.seed == 9
    assert names(tmp_path) == {"model"}


BODY = "resnet.encoder.stages.0.layers.0.layer"


def narrow_(model, channels=(1, 4, 7)):
    """Keep three channels between the two convolutions of the first block, and not the first."""
    layers = layers_of(model.network)
    select_(layers[f"{BODY}.0.convolution"], channels, range(32))
    select_(layers[f"{BODY}.0.normalization"], channels, channels)
    select_(layers[f"{BODY}.1.convolution"], range(32), channels)
    return model


def change_widths(folder, **widths):
    """Change what a folder says of its widths, by the last two parts of the layer's name."""
    path = folder / "prunescope.json"
    content = json.loads(path.read_text())
    content["widths"] |= {f"{BODY}.{name}": width for name, width in widths.items()}
    path.write_text(json.dumps(content))


def test_a_smaller_network_comes_back_with_the_same_answers(tmp_path, model, images):
    dense = model(images)
    expected = narrow_(model)(images)
    assert not torch.equal(expected, dense)
    loaded = load_checkpoint(save(tmp_path / "model", model))
    assert torch.equal(loaded.model(images), expected)
    assert shapes_of(loaded.model) == shapes_of(model)
    assert loaded.provenance.widths == {
        f"{BODY}.0.convolution": [3, 32, 1],
        f"{BODY}.0.normalization": [3, 3, 1],
        f"{BODY}.1.convolution": [32, 3, 1],
    }


def test_a_smaller_network_is_saved_again_as_it_is_then(tmp_path, model, images):
    first = load_checkpoint(save(tmp_path / "model", narrow_(model)))
    select_(layers_of(first.model.network)[f"{BODY}.0.convolution"], [0, 2], range(32))
    select_(layers_of(first.model.network)[f"{BODY}.0.normalization"], [0, 2], [0, 2])
    select_(layers_of(first.model.network)[f"{BODY}.1.convolution"], range(32), [0, 2])
    save_checkpoint(tmp_path / "model", first.model, first.provenance)  # which says 3
    second = load_checkpoint(tmp_path / "model")
    assert second.provenance.widths[f"{BODY}.0.normalization"] == [2, 2, 1]
    assert torch.equal(second.model(images), first.model(images))


def test_masks_of_a_smaller_network(tmp_path, model):
    name = f"network.{BODY}.0.convolution.weight"
    weight = narrow_(model).get_parameter(name)
    masks = {name: weight > 0}
    with torch.no_grad():
        weight.clamp_(min=0)
    loaded = load_checkpoint(save(tmp_path / "model", model, masks)).masks
    assert torch.equal(loaded[name], masks[name])


def test_a_dense_network_has_no_widths_to_tell(tmp_path, model):
    assert load_checkpoint(save(tmp_path / "model", model)).provenance.widths is None


def test_a_folder_from_before_there_were_widths(tmp_path, model, images):
    path = save(tmp_path / "model", model) / "prunescope.json"
    content = json.loads(path.read_text())
    del content["widths"]
    path.write_text(json.dumps(content))
    assert torch.equal(load_checkpoint(path.parent).model(images), model(images))


def test_a_smaller_network_from_a_factory(tmp_path, nets, images):
    model = build_model(f"{nets}:tied", ATTRIBUTES, image_size=16).eval()
    folder = save(tmp_path / "tied", model)
    assert load_checkpoint(folder, factory=f"{nets}:tied").provenance.widths == {
        "first": [3, 3, 1],
        "second": [3, 3, 1],
    }
    model = build_model(f"{nets}:deep", ATTRIBUTES, image_size=16).eval()
    select_(model.network[1], [5, 2], range(768))
    select_(model.network[3], range(3), [5, 2])
    folder = save(tmp_path / "deep", model)
    loaded = load_checkpoint(folder, factory=f"{nets}:deep").model
    assert torch.equal(loaded(images), model(images))


def test_saving_leaves_torchs_generator_alone_and_calls_no_factory(tmp_path, nets, monkeypatch):
    model = build_model(f"{nets}:linear", ATTRIBUTES, image_size=16)
    other = build_model("resnet_small", ATTRIBUTES, image_size=16)
    monkeypatch.delitem(sys.modules, nets)
    monkeypatch.setattr("prunescope.models.build.network_from_factory", None)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    save(tmp_path / "model", model)
    save(tmp_path / "other", other)
    assert torch.equal(torch.rand(3), expected)
    assert nets not in sys.modules


def test_a_smaller_network_in_int8(tmp_path, model, images):
    narrow_(model)
    layers = [f"{BODY}.0.convolution", "classifier.1"]
    quantized = Quantized(model.network, model.spec, layers=layers, folded=[]).eval()
    for layer in quantized.modules():
        if isinstance(layer, Int8Layer):
            layer.weight_int8.random_(-9, 9)
    loaded = load_checkpoint(save(tmp_path / "model", quantized))
    assert loaded.provenance.widths[f"{BODY}.0.convolution"] == [3, 32, 1]
    assert "classifier.1" not in loaded.provenance.widths
    assert torch.equal(loaded.model(images), quantized(images))


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ({"0.convolution": [-3, 32, 1]}, "from 1 to"),
        ({"0.convolution": [0, 32, 1]}, "from 1 to"),
        ({"0.convolution": [33, 32, 1]}, r"from 1 to \[32, 32, 1\]"),
        ({"0.convolution": [3, 32]}, "three whole numbers"),
        ({"0.convolution": [3, 32, 1, 1]}, "three whole numbers"),
        ({"0.normalization": [3, 2, 1]}, "the same number twice"),
        ({"0.convolutoin": [3, 32, 1]}, "unknown layer .*did you mean"),
        ({"0.convolution": "3, 32, 1"}, "prunescope.json is damaged: widths"),
        ({"0.convolution": [3.5, 32, 1]}, "prunescope.json is damaged: widths"),
        ({"0.convolution": [4, 32, 1]}, "has shape .3, 32, 3, 3. instead of .4, 32, 3, 3."),
    ],
)
def test_widths_that_were_tampered_with(tmp_path, model, widths, message):
    folder = save(tmp_path / "model", narrow_(model))
    change_widths(folder, **widths)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


def test_widths_that_fit_the_weights_but_not_each_other(tmp_path, model):
    folder = save(tmp_path / "model", narrow_(model))
    change_widths(folder, **{"1.convolution": [32, 2, 1]})
    weights = load_file(folder / "model.safetensors")
    name = f"{BODY}.1.convolution.weight"
    save_file(weights | {name: weights[name][:, :2].contiguous()}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="widths that do not fit together: RuntimeError"):
        load_checkpoint(folder)


def test_weights_of_a_smaller_network_without_its_widths(tmp_path, model):
    folder = save(tmp_path / "dense", model)
    smaller = save(tmp_path / "smaller", narrow_(model))
    shutil.copy(smaller / "model.safetensors", folder)
    with pytest.raises(CheckpointError, match="weights of another architecture"):
        load_checkpoint(folder)


def test_masks_of_another_run_of_the_same_architecture(tmp_path, model, masks):
    save(tmp_path / "one", model, masks)
    others = {f"{name.removeprefix('network.')}": ~mask for name, mask in masks.items()}
    save_file(others, tmp_path / "one" / "masks.safetensors")
    with pytest.raises(CheckpointError, match=r"masks.safetensors prune weights .* another model"):
        load_checkpoint(tmp_path / "one")
