"""Models of every family: pruned, saved, loaded, with the same answers."""

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForImageClassification,
    ConvNextConfig,
    EfficientNetConfig,
    MobileNetV1Config,
    MobileNetV2Config,
    RegNetConfig,
    ResNetConfig,
    ViTConfig,
)

from prunescope.models import Provenance, build_model, load_checkpoint, save_checkpoint
from prunescope.pruning import Masks, count_kept, prune
from prunescope.training import Recipe, infer

RECIPE = Recipe(steps=20, batch_size=16, learning_rate=0.01)

CONFIGS = {
    "resnet": ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1]),
    "mobilenet_v1": MobileNetV1Config(depth_multiplier=0.25, min_depth=4),
    "mobilenet_v2": MobileNetV2Config(depth_multiplier=0.25, min_depth=4),
    "efficientnet": EfficientNetConfig(
        width_coefficient=0.1, depth_coefficient=0.2, image_size=32, hidden_dim=128
    ),
    "convnext": ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2),
    "vit": ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        image_size=32, patch_size=8,
    ),
    "regnet": RegNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], groups_width=8),
}  # fmt: skip


@pytest.fixture
def folder(request, tmp_path):
    """Save a small model as transformers does."""
    torch.manual_seed(0)
    model = AutoModelForImageClassification.from_config(CONFIGS[request.param])
    model.save_pretrained(tmp_path / "hub")
    return tmp_path / "hub"


@pytest.mark.filterwarnings("ignore:gmp-pt starts from a trained model")
@pytest.mark.parametrize("folder", CONFIGS, indirect=True)
def test_a_model_of_the_hub_is_pruned_saved_and_loaded(folder, dataset, tmp_path):
    model = build_model(f"hf:{folder}", dataset.samples.attributes, image_size=6, input_size=32)
    pruned = prune(
        model, dataset, "gmp-pt", 0.8, recipe=RECIPE, device="cpu", distribution="uniform"
    )
    assert pruned.masks.n_kept == count_kept(pruned.masks.n_weights, 0.8)
    provenance = Provenance.of(pruned.model, dataset, compression=pruned.compression)
    save_checkpoint(tmp_path / "pruned", pruned.model, provenance, pruned.masks)
    loaded = load_checkpoint(tmp_path / "pruned")
    assert Masks(loaded.masks) == pruned.masks
    saved, found = pruned.model.state_dict(), loaded.model.state_dict()
    assert saved.keys() == found.keys()
    assert all(torch.equal(saved[name], value) for name, value in found.items())
    same_layout = pruned.model.to(memory_format=torch.contiguous_format)
    answers = [infer(m, dataset, device="cpu") for m in (same_layout, loaded.model)]
    assert np.array_equal(*answers)
