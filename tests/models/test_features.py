import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import prune
from torch.nn.utils.parametrizations import weight_norm
from transformers import (
    ConvNextConfig,
    ConvNextForImageClassification,
    EfficientNetConfig,
    EfficientNetForImageClassification,
    MobileNetV1Config,
    MobileNetV1ForImageClassification,
    MobileNetV2Config,
    MobileNetV2ForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

from prunescope.errors import ConfigError, DataError
from prunescope.models import ModelSpec, Quantized, build_model, penultimate

SMALL = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
HUB = {
    "vit": lambda: ViTForImageClassification(
        ViTConfig(image_size=16, patch_size=8, intermediate_size=8, num_labels=3, **SMALL)
    ),
    "convnext": lambda: ConvNextForImageClassification(
        ConvNextConfig(hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], num_labels=3)
    ),
    "mobilenet_v1": lambda: MobileNetV1ForImageClassification(
        MobileNetV1Config(depth_multiplier=0.25, num_labels=3, classifier_dropout_prob=0.0)
    ),
    "mobilenet_v2": lambda: MobileNetV2ForImageClassification(
        MobileNetV2Config(depth_multiplier=0.25, num_labels=3, classifier_dropout_prob=0.0)
    ),
    "efficientnet": lambda: EfficientNetForImageClassification(
        EfficientNetConfig(
            hidden_dim=320, width_coefficient=0.25, depth_coefficient=0.1, num_labels=3,
            image_size=32, dropout_rate=0.0,
        )
    ),
}  # fmt: skip


def head_of(network):
    """Find the last layer by hand: the last that the network registers."""
    return [m for m in network.modules() if isinstance(m, nn.Linear)][-1]


@pytest.mark.parametrize("arch", HUB)
def test_the_head_of_the_features_is_the_answer(arch):
    torch.manual_seed(0)
    network, images = HUB[arch]().eval(), torch.rand(4, 3, 32, 32)
    images = images[..., :16, :16] if arch == "vit" else images
    with torch.inference_mode():
        alone = network(images).logits
        with penultimate(network) as seen:
            watched = [network(part).logits for part in images.split(3)]
    head = head_of(network)
    values = torch.from_numpy(seen.values())
    assert values.shape == (4, head.in_features)
    torch.testing.assert_close(
        torch.cat(watched), functional.linear(values, head.weight, head.bias), rtol=0, atol=1e-6
    )
    torch.testing.assert_close(alone, torch.cat(watched))


def test_features_are_those_of_a_forward_by_hand_and_answers_stay(images):
    model = build_model("resnet_small", ["Bald", "Male", "Young"], image_size=16).eval()
    with torch.inference_mode():
        before = model(images)
        with penultimate(model) as seen:
            during = model(images)
        body = model.network.resnet(model.preprocess(images)).pooler_output.flatten(1)
    assert torch.equal(before, during)
    np.testing.assert_allclose(seen.values(), body.numpy(), rtol=0, atol=1e-6)
    assert seen.values() is not None
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def flat(*layers):
    return nn.Sequential(nn.Flatten(), *layers)


def pruned():
    layer = nn.Linear(6, 2)
    prune.l1_unstructured(layer, "weight", 0.5)
    return layer


@pytest.mark.parametrize(
    "head",
    [
        lambda: nn.Linear(6, 2),
        lambda: weight_norm(nn.Linear(6, 2)),
        pruned,
        lambda: nn.Sequential(nn.Unflatten(1, (6, 1, 1)), nn.Conv2d(6, 2, 1), nn.Flatten()),
        lambda: nn.Sequential(nn.Unflatten(1, (6, 1)), nn.Conv1d(6, 2, 1), nn.Flatten()),
        lambda: nn.Sequential(nn.Linear(6, 2), nn.Hardtanh(-9, 9)),
        lambda: nn.Sequential(nn.Unflatten(1, (1, 6)), nn.Linear(6, 2), nn.Flatten()),
    ],
)
def test_any_last_layer_is_found(images, head):
    body = flat(nn.Linear(768, 6), nn.Tanh())
    model = nn.Sequential(body, head()).eval()
    with torch.no_grad(), penultimate(model) as seen:
        model(images)
    np.testing.assert_allclose(seen.values(), body(images).detach().numpy(), rtol=0, atol=1e-6)


def test_a_convolution_as_large_as_the_map_is_a_last_layer(images):
    model = nn.Sequential(nn.AvgPool2d(8), nn.Conv2d(3, 2, 2), nn.Flatten())
    with penultimate(model) as seen:
        model(images)
    expected = model[0](images).flatten(1)
    np.testing.assert_allclose(seen.values(), expected.numpy(), rtol=0, atol=1e-6)


def test_a_hidden_layer_of_as_many_outputs_is_not_the_last(images):
    model = flat(nn.Linear(768, 2), nn.ReLU(), nn.Linear(2, 2))
    with penultimate(model) as seen:
        model(images)
    assert seen.values().shape == (4, 2)
    assert (seen.values() >= 0).all()  # after the ReLU


def test_one_output_may_be_a_vector(images):
    class One(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = flat(nn.Linear(768, 5)), nn.Linear(5, 1)

        def forward(self, images):
            return self.head(self.body(images))[:, 0]

    model = One()
    with penultimate(model) as seen:
        model(images)
    np.testing.assert_allclose(seen.values(), model.body(images).detach().numpy(), atol=1e-6)


def test_a_model_in_int8_is_seen_before_its_last_layer_rounds(images):
    spec = ModelSpec(
        arch="x:y", attributes=("a", "b"), image_size=16,
        preprocessing={"input_size": 16},
    )  # fmt: skip
    body = flat(nn.Linear(768, 6))
    model = Quantized(nn.Sequential(body, nn.Linear(6, 2)), spec, layers=["1"], folded=[]).eval()
    with torch.no_grad(), penultimate(model) as seen:
        model(images)
        expected = body(model.preprocess(images))
    np.testing.assert_allclose(seen.values(), expected.numpy(), rtol=0, atol=1e-6)


def test_half_precision_becomes_single(images):
    model = flat(nn.Linear(768, 6), nn.Linear(6, 2))
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad(), penultimate(model) as seen:
        model(images)
    assert seen.values().dtype == np.float32
    np.testing.assert_allclose(seen.values(), model[:2](images).detach().numpy(), atol=0.02)


def test_what_is_kept_is_no_view_of_the_tokens():
    class First(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(5, 2)

        def forward(self, tokens):
            return self.head(tokens[:, 0])

    model, tokens = First(), torch.rand(3, 7, 5)
    expected = tokens[:, 0].numpy().copy()
    with torch.no_grad(), penultimate(model) as seen:
        model(tokens)
        tokens.zero_()
    np.testing.assert_array_equal(seen.values(), expected)


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        flat(nn.Linear(768, 6), nn.GLU()),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    ],
)
def test_a_model_without_such_a_layer_is_refused(images, model):
    with pytest.raises(ConfigError, match="no layer of Sequential is known to give its answers"):  # noqa: SIM117
        with penultimate(model):
            model(images)
    assert not any(module._forward_hooks for module in model.modules())


def test_images_of_several_sizes_need_features_of_one(images):
    class Any(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleDict({"768": nn.Linear(768, 2), "192": nn.Linear(192, 2)})

        def forward(self, images):
            flattened = images.flatten(1)
            return self.layers[str(flattened.shape[1])](flattened)

    model = Any()
    with penultimate(model):
        model(images)
        with pytest.raises(DataError, match="sees 192 numbers of some images and 768 of others"):
            model(images[..., ::2, ::2])


def test_nothing_asked_is_nothing_seen():
    with penultimate(nn.Linear(1, 1)) as seen:
        pass
    assert seen.values().shape == (0, 0)
