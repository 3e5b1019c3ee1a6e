import pytest
import torch
from transformers import (
    AutoModelForImageClassification,
    DeiTConfig,
    DeiTForImageClassificationWithTeacher,
    LevitConfig,
    LevitForImageClassificationWithTeacher,
    ResNetConfig,
    SwinConfig,
    ViTConfig,
)

from prunescope.errors import ConfigError
from prunescope.models.labels import names_of_outputs, order_of, reorder_outputs, rows_of_labels
from prunescope.models.quiet import quiet_transformers

SMALL = {
    "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8,
    "image_size": 32, "patch_size": 16, "num_labels": 3,
}  # fmt: skip


def resnet():
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1], num_labels=3)
    return AutoModelForImageClassification.from_config(config)


def vit():
    return AutoModelForImageClassification.from_config(ViTConfig(**SMALL))


def deit():
    return DeiTForImageClassificationWithTeacher(DeiTConfig(**SMALL))


def levit():
    config = LevitConfig(
        image_size=32, hidden_sizes=[16, 16, 16], num_attention_heads=[1, 1, 1],
        depths=[1, 1, 1], key_dim=[8, 8, 8], num_labels=3,
    )  # fmt: skip
    return LevitForImageClassificationWithTeacher(config)


def swin():
    config = SwinConfig(
        image_size=32, embed_dim=8, depths=[1], num_heads=[1], window_size=4, num_labels=3
    )
    return AutoModelForImageClassification.from_config(config)


@pytest.mark.parametrize("make", [resnet, vit, deit, levit, swin])
def test_outputs_in_another_order(make):
    with quiet_transformers():
        network = make().eval()
    for weights in network.parameters():
        torch.nn.init.normal_(weights)
    images = torch.rand(2, 3, 32, 32)
    before = network(images).logits.detach().clone()
    reorder_outputs(network, [2, 0, 1], images)
    torch.testing.assert_close(network(images).logits.detach(), before[:, [2, 0, 1]])
    assert not torch.allclose(before, before[:, [2, 0, 1]])


def test_the_weights_of_the_outputs():
    assert rows_of_labels(resnet()) == {"classifier.1.weight": 0, "classifier.1.bias": 0}


def test_outputs_that_cannot_be_told_apart():
    network = resnet().eval()
    network.classifier.register_forward_hook(lambda _, __, logits: logits.cumsum(1))
    with pytest.raises(ConfigError, match="cannot be put into another order"):
        reorder_outputs(network, [1, 0, 2], torch.rand(2, 3, 32, 32))


@pytest.mark.parametrize(
    ("has", "asked", "order"),
    [
        (["a", "b", "c"], ["c", "a", "b"], [2, 0, 1]),
        (["A", "a"], ["a", "A"], [1, 0]),
        (["5 o Clock-Shadow", "bald"], ["Bald", "5_o_Clock_Shadow"], [1, 0]),
        (["A", "a"], ["A", "b"], None),
        (["No Beard", "no_beard"], ["No_Beard", "no-beard"], None),
        (["a", "b"], ["a"], None),
        (["a"], ["a", "b"], None),
        (["a", "b"], ["a", "c"], None),
    ],
)
def test_order(has, asked, order):
    assert order_of(has, asked) == order


@pytest.mark.parametrize(
    ("id2label", "names"),
    [
        ({0: "LABEL_0", 1: "LABEL_1"}, None),
        ({1: "b", 0: "a"}, ("a", "b")),
        ({"1": "b", "0": "a"}, ("a", "b")),
        ({0: "LABEL_0", 1: "b"}, ("LABEL_0", "b")),
    ],
)
def test_names(id2label, names):
    assert names_of_outputs(ResNetConfig(id2label=id2label)) == names


@pytest.mark.parametrize(
    ("id2label", "complaint"),
    [({1: "a", 2: "b"}, "numbers its outputs 1, 2"), ({0: "a", 1: "a"}, "has a more than once")],
)
def test_names_that_mean_nothing(id2label, complaint):
    with pytest.raises(ConfigError, match=complaint):
        names_of_outputs(ResNetConfig(id2label=id2label))
