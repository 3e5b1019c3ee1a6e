import json

import pytest
import torch
from transformers import (
    AutoModelForImageClassification,
    MobileNetV1Config,
    MobileNetV2Config,
    ResNetConfig,
    ResNetModel,
    ViTConfig,
    ViTForImageClassification,
)
from transformers.utils import logging

from prunescope.errors import ConfigError
from prunescope.models import build_model
from prunescope.models.hub import load_pretrained, network_from_config

ATTRIBUTES = ("Bald", "Male", "Young")
FOUR = ("Bald", "Male", "Young", "Smiling")


def reference(folder):
    return AutoModelForImageClassification.from_pretrained(folder).eval()


def test_a_folder_with_as_many_outputs_keeps_all_its_weights(pretrained, images):
    model = build_model(f"hf:{pretrained}", FOUR, image_size=16).eval()
    expected = reference(pretrained)((images - 0.5) / 0.5).logits
    torch.testing.assert_close(model(images), expected)


def test_another_number_of_outputs_gets_a_fresh_last_layer_and_keeps_the_rest(pretrained):
    model = build_model(f"hf:{pretrained}", ATTRIBUTES, image_size=16)
    before = reference(pretrained).state_dict()
    changed = {
        name
        for name, value in model.network.state_dict().items()
        if not (value.shape == before[name].shape and torch.equal(value, before[name]))
    }
    assert changed == {"classifier.1.weight", "classifier.1.bias"}
    assert model.network.config.id2label == dict(enumerate(ATTRIBUTES))


def test_the_fresh_layer_is_a_function_of_the_seed(pretrained):
    def head(seed):
        model = build_model(f"hf:{pretrained}", ATTRIBUTES, image_size=16, seed=seed)
        return model.network.classifier[1].weight

    assert torch.equal(head(0), head(0))
    assert not torch.equal(head(0), head(1))


def test_normalisation_and_size_come_from_the_processor_where_there_is_one(pretrained, images):
    settings = {
        "image_processor_type": "ViTImageProcessor",
        "size": {"height": 32, "width": 32},
        "image_mean": [0.4, 0.5, 0.6],
        "image_std": [0.1, 0.2, 0.3],
    }
    (pretrained / "preprocessor_config.json").write_text(json.dumps(settings))
    model = build_model(f"hf:{pretrained}", FOUR, image_size=16).eval()
    read = model.spec.preprocessing
    assert (read.input_size, read.mean, read.std) == (32, (0.4, 0.5, 0.6), (0.1, 0.2, 0.3))
    seen = torch.nn.functional.interpolate(images, size=32, mode="bilinear", antialias=True)
    mean, std = (torch.tensor(v).reshape(1, 3, 1, 1) for v in (read.mean, read.std))
    torch.testing.assert_close(model(images), reference(pretrained)((seen - mean) / std).logits)


def test_a_network_of_a_fixed_size_gets_images_of_that_size(tmp_path):
    config = ViTConfig(
        image_size=24, patch_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8, num_labels=3,
    )  # fmt: skip
    ViTForImageClassification(config).save_pretrained(tmp_path)
    model = build_model(f"hf:{tmp_path}", ATTRIBUTES, image_size=16)
    assert model.spec.preprocessing.input_size == 24


def test_half_precision_is_loaded_as_float32(pretrained):
    reference(pretrained).half().save_pretrained(pretrained)
    network, _ = load_pretrained(str(pretrained), FOUR, "multilabel", 16)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_a_folder_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match=r"cannot load .*nowhere"):
        build_model(f"hf:{tmp_path / 'nowhere'}", ATTRIBUTES, image_size=16)


def test_weights_that_are_cut_short(pretrained):
    weights = pretrained / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ConfigError, match=r"cannot load .*weights as safetensors"):
        build_model(f"hf:{pretrained}", ATTRIBUTES, image_size=16)


def test_a_folder_without_safetensors_is_refused_even_if_it_has_pickles(pretrained):
    (pretrained / "model.safetensors").rename(pretrained / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="cannot load"):
        build_model(f"hf:{pretrained}", ATTRIBUTES, image_size=16)


def test_something_else_than_a_classifier(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ConfigError, match="expected an image classifier"):
        build_model(f"hf:{tmp_path}", ATTRIBUTES, image_size=16)


def test_missing_weights_of_the_body_are_not_made_up(pretrained):
    other = ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[2, 1], layer_type="basic")
    other.num_labels = 4
    other.architectures = ["ResNetForImageClassification"]
    other.save_pretrained(pretrained)
    with pytest.raises(ConfigError, match="lacks weights that its architecture needs"):
        build_model(f"hf:{pretrained}", FOUR, image_size=16)


def test_a_backbone_gets_a_last_layer(tmp_path):
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1], layer_type="basic")
    ResNetModel(config).save_pretrained(tmp_path)
    model = build_model(f"hf:{tmp_path}", ATTRIBUTES, image_size=16)
    assert model(torch.zeros(2, 3, 16, 16)).shape == (2, 3)


@pytest.mark.parametrize("config", [MobileNetV1Config(), MobileNetV2Config(), ResNetConfig()])
def test_batch_norm_forgets_as_torch_does(config):
    network = network_from_config(config)
    momenta = {m.momentum for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)}
    assert momenta == {0.1}


def test_nothing_reaches_the_terminal_and_transformers_talks_as_before(pretrained, capfd):
    verbosity = logging.get_verbosity()
    build_model(f"hf:{pretrained}", ATTRIBUTES, image_size=16)
    assert capfd.readouterr() == ("", "")
    assert logging.get_verbosity() == verbosity
    assert logging.is_progress_bar_enabled()
