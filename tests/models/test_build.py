import copy
import math

import pytest
import torch
from torch import nn

from prunescope.errors import ConfigError
from prunescope.models import ARCHITECTURES, build_model, fresh_copy, reshape_, shapes_of
from prunescope.models.build import is_factory

ATTRIBUTES = ("Bald", "Male", "Young")


def small(**changes):
    return build_model("resnet_small", ATTRIBUTES, image_size=32, **changes)


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("n_outputs", [1, 40])
def test_every_architecture_answers_at_64_px(arch, n_outputs):
    names = [f"attribute {i}" for i in range(n_outputs)]
    model = build_model(arch, names, image_size=64)
    with torch.no_grad():
        assert model(torch.rand(2, 3, 64, 64)).shape == (2, n_outputs)
    assert model.training
    assert model.spec.attributes == tuple(names)


@pytest.mark.parametrize(
    ("arch", "n_weights"),
    # The published sizes with 1,000 outputs, batch normalisation included.
    [("resnet18", 11_689_512), ("resnet50", 25_557_032), ("mobilenet_v1", 4_231_976)],
)
def test_sizes_are_those_of_the_literature(arch, n_weights):
    model = build_model(arch, [str(i) for i in range(1000)], image_size=64)
    assert sum(parameter.numel() for parameter in model.parameters()) == n_weights


@pytest.mark.parametrize(
    ("arch", "image_size", "input_size"),
    [
        ("resnet18", 64, 128),
        ("resnet18", 48, 144),
        ("resnet50", 128, 128),
        ("mobilenet_v1", 224, 224),
        ("resnet_small", 64, 64),
        ("resnet_small", 32, 64),
    ],
)
def test_small_images_are_enlarged_by_a_whole_factor(arch, image_size, input_size):
    settings = build_model(arch, ["Bald"], image_size=image_size).spec.preprocessing
    assert (settings.input_size, settings.resize) == (input_size, "nearest")


@pytest.mark.parametrize(("size", "resize"), [(64, "nearest"), (48, "bilinear"), (16, "bilinear")])
def test_the_input_size_can_be_chosen(size, resize):
    settings = small(input_size=size).spec.preprocessing
    assert (settings.input_size, settings.resize) == (size, resize)


def test_an_enlarged_stem_is_a_smaller_kernel_on_the_image():
    """7×7 with stride 2 on doubled pixels equals 4×4 with stride 1, as its comment says."""
    kernel, image = torch.rand(2, 3, 7, 7), torch.rand(1, 3, 10, 10)
    doubled = nn.functional.interpolate(image, scale_factor=2, mode="nearest")
    expected = nn.functional.conv2d(doubled, kernel, stride=2, padding=3)
    # Taps −3 … 3 around pixel 2i fall on pixels i−2, i−1, i−1, i, i, i+1, i+1.
    folded = torch.zeros(2, 3, 4, 4)
    taps = [0, 1, 1, 2, 2, 3, 3]
    for row, target_row in enumerate(taps):
        for column, target_column in enumerate(taps):
            folded[:, :, target_row, target_column] += kernel[:, :, row, column]
    padded = nn.functional.pad(image, (2, 1, 2, 1))
    torch.testing.assert_close(nn.functional.conv2d(padded, folded), expected)


def test_weights_are_a_function_of_the_seed_alone():
    torch.manual_seed(5)
    first = small(seed=3).state_dict()
    torch.manual_seed(6)
    again, other = small(seed=3).state_dict(), small(seed=4).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_building_leaves_torchs_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    small()
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("arch", ["resnet_small", "mobilenet_v1"])
def test_convolutions_start_by_the_rule_of_he(arch):
    model = build_model(arch, ATTRIBUTES, image_size=64)
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 5000:
            fan_out = module.weight.shape[0] * module.weight[0, 0].numel()
            assert module.weight.std().item() == pytest.approx(math.sqrt(2 / fan_out), rel=0.1)


def test_a_mobile_net_drops_nothing_out():
    model = build_model("mobilenet_v1", ATTRIBUTES, image_size=64)
    assert {m.p for m in model.modules() if isinstance(m, nn.Dropout)} == {0.0}


def test_a_model_can_be_copied(images):
    model = small().eval()
    images = nn.functional.interpolate(images, size=32)
    assert torch.equal(copy.deepcopy(model)(images), model(images))


def test_trying_a_model_leaves_its_statistics_alone():
    tracked = [v for name, v in small().state_dict().items() if name.endswith("batches_tracked")]
    assert tracked
    assert not any(tracked)


def test_an_unknown_name_lists_the_choices():
    with pytest.raises(ConfigError) as caught:
        build_model("resnet81", ATTRIBUTES, image_size=64)
    message = str(caught.value)
    assert "did you mean resnet18" in message
    assert all(arch in message for arch in (*ARCHITECTURES, "hf:NAME_OR_FOLDER", "module:factory"))


def test_an_architecture_may_say_at_which_size_it_sees_images():
    enlarged, as_they_are = (
        build_model(arch, ATTRIBUTES, image_size=64) for arch in ("resnet18", "resnet18@64")
    )
    sizes = [model.spec.preprocessing.input_size for model in (enlarged, as_they_are)]
    assert sizes == [128, 64]
    images = torch.rand(2, 3, 64, 64)
    by_argument = build_model("resnet18", ATTRIBUTES, image_size=64, input_size=64)
    assert torch.equal(as_they_are.eval()(images), by_argument.eval()(images))
    again = fresh_copy(as_they_are, seed=1)
    assert (again.spec.arch, again.spec.preprocessing.input_size) == ("resnet18@64", 64)


@pytest.mark.parametrize("pixels", ["", "0", "-64", "64px", "6.4"])
def test_a_size_that_is_no_number_of_pixels(pixels):
    with pytest.raises(ConfigError, match=r"expected pixels after @, as in resnet18@64"):
        build_model(f"resnet18@{pixels}", ATTRIBUTES, image_size=64)


def test_no_attribute():
    with pytest.raises(ConfigError, match="at least one attribute"):
        build_model("resnet_small", [], image_size=64)


def test_an_input_size_below_one():
    with pytest.raises(ConfigError, match="input size 0: expected at least 1"):
        small(input_size=0)


@pytest.mark.parametrize(
    ("arch", "expected"), [("m:f", True), ("a.b:c.d", True), ("hf:a/b", False), ("resnet18", False)]
)
def test_a_factory_is_told_by_its_colon(arch, expected):
    assert is_factory(arch) == expected


def test_a_factory_makes_the_network(nets, images):
    model = build_model(f"{nets}:linear", ATTRIBUTES, image_size=16)
    assert model(images).shape == (4, 3)
    assert model.spec.preprocessing.input_size == 16


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("liner", "did you mean linear"),
        ("not_callable", "unknown factory"),
        ("broken", r"broken\(n_outputs=3\) failed: RuntimeError: no such luck"),
        ("no_module", "gave a list: expected a torch.nn.Module"),
        ("too_wide", r"gave \(2, 4\) for 2 images: expected logits of shape \(2, 3\)"),
        ("picky", "fails on images of 16 px.*RuntimeError"),
    ],
)
def test_a_factory_that_cannot_be_used(nets, name, message):
    with pytest.raises(ConfigError, match=message):
        build_model(f"{nets}:{name}", ATTRIBUTES, image_size=16)


@pytest.mark.parametrize("module", ["prunescope_absent", "", "prunescope_test_nets.deeper"])
def test_a_module_that_cannot_be_imported(nets, module):
    with pytest.raises(ConfigError, match="PYTHONPATH"):
        build_model(f"{module}:make", ATTRIBUTES, image_size=16)


@pytest.mark.parametrize("origin", ["resnet_small", "hf"])
def test_a_fresh_copy_has_new_weights_and_the_same_widths(origin, pretrained):
    arch = f"hf:{pretrained}" if origin == "hf" else origin
    model = build_model(arch, ("a", "b"), image_size=32)
    first, same, other = (fresh_copy(model, seed) for seed in (5, 5, 6))
    weights = [[p for p in m.parameters() if p.ndim > 1] for m in (model, first, same, other)]
    for old, one, again, another in zip(*weights, strict=True):
        assert torch.equal(one, again)
        assert not torch.equal(one, old)
        assert not torch.equal(one, another)
    assert first.spec == model.spec


def test_a_fresh_copy_of_a_narrow_network_is_as_narrow():
    model = build_model("resnet_small", ("a", "b"), image_size=32)
    wide = shapes_of(model.network)
    narrow = {name: tuple(n // 2 if n % 32 == 0 else n for n in width)
              for name, width in wide.items()}  # fmt: skip
    reshape_(model.network, narrow)
    fresh = fresh_copy(model, 0)
    assert shapes_of(fresh.network) == shapes_of(model.network) != wide
    assert fresh(torch.zeros(2, 3, 32, 32)).shape == (2, 2)
