"""Models in int8 as folders."""

import json
import shutil

import pytest
import torch
from torch import nn

from prunescope.errors import CheckpointError, ConfigError
from prunescope.models import (
    Provenance,
    Quantized,
    build_model,
    check_float,
    load_checkpoint,
    save_checkpoint,
)
from prunescope.models.quantized import Int8Linear, can_be_int8

ATTRIBUTES = ("Bald", "Male", "Young")


def filled(model):
    """Quantise by drawing integers and scales: as good as any for saving and loading."""
    layers = [name for name, module in model.network.named_modules() if can_be_int8(module)]
    folded = [
        name for name, module in model.network.named_modules() if isinstance(module, nn.BatchNorm2d)
    ]
    quantized = Quantized(model.network, model.spec, layers=layers, folded=folded).eval()
    random = torch.Generator().manual_seed(0)
    for name in layers:
        layer = quantized.network.get_submodule(name)
        layer.weight_int8.random_(-127, 128, generator=random)
        layer.weight_scale.uniform_(0.001, 0.004, generator=random)
        layer.bias.uniform_(-1, 1, generator=random)
        layer.input_scale.fill_(0.02)
        layer.input_zero_point.fill_(100)
    return quantized


@pytest.fixture
def quantized(pretrained):
    return filled(build_model(f"hf:{pretrained}", ATTRIBUTES, image_size=16))


@pytest.fixture
def saved(quantized, tmp_path):
    folder = tmp_path / "int8"
    compression = {"method": "int8", "sparsity": 0.0}
    save_checkpoint(folder, quantized, Provenance.of(quantized, compression=compression))
    return folder


def test_a_folder_gives_the_same_answers_to_the_last_bit(quantized, saved, images):
    loaded = load_checkpoint(saved)
    assert isinstance(loaded.model, Quantized)
    assert (loaded.model.layers, loaded.model.folded) == (quantized.layers, quantized.folded)
    assert loaded.masks is None
    assert loaded.provenance.compression["method"] == "int8"
    assert not loaded.model.training
    with torch.no_grad():
        answers = quantized(images)
        assert torch.equal(loaded.model(images), answers)
    assert len(answers.unique()) > 6, "they depend on the image"
    before, after = quantized.state_dict(), loaded.model.state_dict()
    assert all(before[name].dtype == tensor.dtype for name, tensor in after.items())


def test_a_quarter_of_the_bytes(tmp_path):
    model = build_model("resnet_small", ATTRIBUTES, image_size=64)
    save_checkpoint(tmp_path / "float", model, Provenance.of(model))
    quantized = filled(model)
    save_checkpoint(tmp_path / "int8", quantized, Provenance.of(quantized))
    before = sum(file.stat().st_size for file in (tmp_path / "float").iterdir())
    after = sum(file.stat().st_size for file in (tmp_path / "int8").iterdir())
    assert 0.25 < after / before < 0.26
    assert not (tmp_path / "int8" / "model.safetensors").exists()


def test_a_factorys_model(nets, tmp_path):
    arch = f"{nets}:linear"
    quantized = filled(build_model(arch, ATTRIBUTES, image_size=4))
    save_checkpoint(tmp_path / "int8", quantized, Provenance.of(quantized))
    image = torch.rand(2, 3, 4, 4)
    loaded = load_checkpoint(tmp_path / "int8", factory=arch).model
    assert torch.equal(loaded(image), quantized(image))


def test_a_linear_layer_by_hand():
    """x = (1, −0.6), scale 0.5, zero point 2: integers 4 and 1, so it sees (1, −0.5)."""
    layer = Int8Linear(nn.Linear(2, 1))
    layer.weight_int8.copy_(torch.tensor([[2, -3]]))
    layer.weight_scale.fill_(0.1)
    layer.bias.fill_(1)
    layer.input_scale.fill_(0.5)
    layer.input_zero_point.fill_(2)
    seen = layer.quantized_input(torch.tensor([[1.0, -0.6], [1000.0, -1000.0]]))
    assert seen.tolist() == [[1.0, -0.5], [126.5, -1.0]]
    torch.testing.assert_close(layer(torch.tensor([[1.0, -0.6]])), torch.tensor([[1.35]]))


def test_which_layers_can_be_int8():
    class Own(nn.Linear):
        def forward(self, x):
            return x @ self.weight.T

    assert can_be_int8(nn.Conv2d(4, 4, 3, groups=4, padding="same"))
    assert not can_be_int8(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"))
    assert not can_be_int8(Own(2, 2))
    assert not can_be_int8(nn.Conv1d(1, 1, 1))


def test_floats_where_they_are_needed(quantized):
    check_float(nn.Linear(1, 1), "to prune")
    with pytest.raises(ConfigError, match="in int8, and a float model is needed to prune"):
        check_float(quantized, "to prune")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is damaged"),
        ('{"layers": []}', "is damaged: KeyError"),
        ('{"layers": ["resnet.nose"], "folded": []}', "has no layer 'resnet.nose'"),
        ('{"layers": ["resnet.pooler"], "folded": []}', "is a AdaptiveAvgPool2d"),
        ('{"layers": [], "folded": []}', "another architecture"),
    ],
)
def test_a_damaged_list_of_layers(saved, content, complaint):
    (saved / "quantization.json").write_text(content)
    with pytest.raises(CheckpointError, match=complaint):
        load_checkpoint(saved)


def test_missing_files(saved, tmp_path):
    copy = shutil.copytree(saved, tmp_path / "copy")
    (copy / "quantization.json").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors is missing"):
        load_checkpoint(copy)
    (saved / "model.int8.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.int8\.safetensors is missing"):
        load_checkpoint(saved)


def test_the_list_of_layers_is_plain(saved, quantized):
    content = json.loads((saved / "quantization.json").read_text())
    assert content == {"layers": list(quantized.layers), "folded": list(quantized.folded)}


def test_slopes_pass_where_inputs_are_within_range_and_answers_stay():
    layer = Int8Linear(nn.Linear(5, 1))
    layer.input_scale.fill_(0.02)
    layer.input_zero_point.fill_(100)
    plain = torch.tensor([-3.0, -1.999, 0.013, 1.5, 4.0])
    asked = plain.clone().requires_grad_()
    seen = layer.quantized_input(asked)
    assert torch.equal(seen.detach(), layer.quantized_input(plain))
    [slopes] = torch.autograd.grad(seen.sum(), [asked])
    assert slopes.tolist() == pytest.approx([0, 1, 1, 1, 0])
