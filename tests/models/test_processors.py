"""What a network sees here is what it sees in transformers, file for file, or the model is refused.

The oracle is the library: `AutoImageProcessor` on what its `load_image` makes of a file.
"""

import json

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, ResNetConfig
from transformers.image_utils import load_image
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES

from prunescope.data.decode import decode
from prunescope.data.framing import Frame
from prunescope.errors import ConfigError
from prunescope.models.preprocessing import Preprocess
from prunescope.models.processors import as_tensor, from_timm, read_processor
from prunescope.models.quiet import quiet_transformers

REFUSED = {
    "donut-swin": "not all squares of one size",  # upright pages
    "imagegpt": "it makes no image",  # colours become the numbers of clusters
    "pp_lcnet": "torchvision",  # there is none without it
    "siglip2": "expected a height and a width",  # as many patches as fit
    "textnet": "not all squares of one size",  # any shape, in multiples of 32
}
"""Model types whose own image processor is not followed, and what is said of it."""

ELSEWHERE = ("timm_wrapper",)
"""Needs timm, and has its settings in the model's: `from_timm` is tested below."""

HALVES = (61, 83), (97, 40), (9, 14), (160, 31), (48, 48)


def processor_of(model_type):
    """Return settings of a model type's image processor, its sizes a seventh of the usual."""
    names = IMAGE_PROCESSOR_MAPPING_NAMES.get(model_type, {"pil": "BitImageProcessorPil"})
    kind = names.get("pil") or names["torchvision"]
    settings = {"image_processor_type": kind.removesuffix("Pil")}
    if "pil" not in names:
        return settings
    if model_type == "imagegpt":
        settings["clusters"] = [[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]
    for key in ("size", "crop_size"):
        usual = getattr(getattr(transformers, kind), key, None)
        if usual:
            settings[key] = {side: pixels // 7 for side, pixels in usual.items()}
    return settings


@pytest.fixture
def files(tmp_path):
    """Images of many shapes and kinds, as files."""
    rng = np.random.default_rng(0)
    found = []
    for width, height in HALVES:
        image = Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))
        found.append(tmp_path / f"{width}x{height}.png")
        image.save(found[-1])
    rgba = Image.fromarray(rng.integers(0, 256, (50, 71, 4), np.uint8))
    turned = Image.Exif()
    turned[0x0112] = 6
    for name, made, more in (
        ("grey.png", image.convert("L"), {}),
        ("rgba.png", rgba, {}),
        ("palette.gif", image.convert("P"), {}),
        ("photo.jpg", rgba.convert("RGB").resize((400, 300)), {"exif": turned}),
    ):
        found.append(tmp_path / name)
        made.save(found[-1], **more)
    return found


@pytest.fixture
def folder(tmp_path):
    """Return what writes a folder of a model, without its weights."""

    def write(settings, config=None):
        folder = tmp_path / "model"
        with quiet_transformers():
            (config or ResNetConfig()).save_pretrained(folder)
        text = settings if isinstance(settings, str) else json.dumps(settings)
        (folder / "preprocessor_config.json").write_text(text)
        return folder

    return write


def read(folder, size=32):
    with quiet_transformers():
        return read_processor(str(folder), AutoConfig.from_pretrained(folder), size)


def oracle(folder):
    """Return what transformers makes of an image."""
    with quiet_transformers():
        processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    return lambda image: processor(image, return_tensors="pt")["pixel_values"].float()


def compare(folder, files):
    """Compare what a network sees of files."""
    found = read(folder)
    normalise, theirs = Preprocess(found.preprocessing), oracle(folder)
    for file in files:
        pixels = decode(file, found.preprocessing.input_size, found.frame)
        mine = normalise(torch.from_numpy(pixels.copy())[None].float() / 255)
        with Image.open(file) as image:
            expected = theirs(load_image(image))
        torch.testing.assert_close(mine, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("model_type", sorted(set(MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES)))
def test_every_image_classifier_of_transformers(model_type, folder, files):
    if model_type in ELSEWHERE:
        pytest.skip("its preprocessing is timm's")
    model = folder(processor_of(model_type), CONFIG_MAPPING[model_type]())
    if model_type not in REFUSED:
        compare(model, files)
        return
    with pytest.raises(ConfigError, match=r"the image processor of .*model") as error:
        read(model)
    assert REFUSED[model_type] in str(error.value)


VIT = {"image_processor_type": "ViTImageProcessor", "size": {"height": 24, "width": 24}}
BIT = {
    "image_processor_type": "BitImageProcessor",
    "size": {"shortest_edge": 29},
    "crop_size": {"height": 24, "width": 24},
}
EFFICIENTNET = {**VIT, "image_processor_type": "EfficientNetImageProcessor"}
CONVNEXT = {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 26}}
POOLFORMER = {**BIT, "image_processor_type": "PoolFormerImageProcessor"}


@pytest.mark.parametrize(
    "settings",
    [
        VIT | {"do_normalize": False},
        VIT | {"do_rescale": False},
        VIT | {"do_rescale": False, "do_normalize": False},
        VIT | {"rescale_factor": 1 / 127.5},
        VIT | {"image_mean": 0.3, "image_std": 0.7},
        VIT | {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]},
        *(VIT | {"resample": number} for number in range(6)),
        VIT | {"size": 19},
        VIT | {"image_processor_type": "ViTImageProcessorFast"},
        VIT | {"size": {"height": 24, "width": 24}, "do_sharpen": True, "answer": 42},
        {key: value for key, value in VIT.items() if key != "image_processor_type"}
        | {"feature_extractor_type": "ViTFeatureExtractor"},
        {"size": {"shortest_edge": 30}},
        {},
        BIT | {"size": 29, "crop_size": 20},
        BIT | {"size": {"height": 40, "width": 30}},
        BIT | {"crop_size": {"height": 37, "width": 37}},
        BIT | {"crop_size": {"height": 64, "width": 64}},
        BIT | {"do_resize": False},
        BIT | {"do_convert_rgb": False},
        EFFICIENTNET | {"include_top": False},
        EFFICIENTNET | {"rescale_offset": True, "rescale_factor": 1 / 127.5},
        EFFICIENTNET | {"do_normalize": False},
        EFFICIENTNET | {"do_center_crop": True, "crop_size": {"height": 20, "width": 20}},
        CONVNEXT | {"crop_pct": 0.95},
        CONVNEXT | {"crop_pct": 0.61},
        CONVNEXT | {"size": {"shortest_edge": 384}},
        CONVNEXT | {"do_resize": False, "do_center_crop": True, "crop_size": 20},
        POOLFORMER | {"crop_pct": 0.8},
        POOLFORMER | {"size": {"height": 29, "width": 29}},
        POOLFORMER | {"size": {"height": 29, "width": 40}},
        BIT | {"image_processor_type": "MobileViTImageProcessor", "do_flip_channel_order": False},
        BIT | {"image_processor_type": "LevitImageProcessor"},
        BIT | {"image_processor_type": "LevitImageProcessor", "size": {"height": 30, "width": 40}},
        BIT | {"image_processor_type": "PerceiverImageProcessor", "size": 21},
    ],
    ids=lambda settings: ",".join(map(str, settings.values()))[:60],
)
def test_every_setting(settings, folder, files):
    compare(folder(settings), files)


def test_images_that_are_not_resized_are_taken_as_they_are(folder):
    model = folder(VIT | {"do_resize": False, "image_mean": 0.25})
    found = read(model, 40)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
    mine = Preprocess(found.given(None))(as_tensor(image))
    torch.testing.assert_close(mine, oracle(model)(image), rtol=1e-5, atol=1e-5)
    assert found.frame is None


@pytest.mark.parametrize(
    "settings",
    [
        VIT,
        VIT | {"resample": 3},
        BIT,
        BIT | {"crop_size": {"height": 37, "width": 37}},
        CONVNEXT,
        BIT | {"image_processor_type": "MobileViTImageProcessor"},
        BIT | {"image_processor_type": "PerceiverImageProcessor", "size": 21},
    ],
    ids=lambda settings: ",".join(map(str, settings.values()))[:60],
)
@pytest.mark.parametrize("size", [16, 24, 61])
def test_squares_of_another_size_are_prepared_in_the_network(settings, size, folder):
    """Within 2 steps of 255, for Pillow rounds to bytes twice as it resizes."""
    model = folder(settings)
    preprocessing = read(model).given(None)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8))
    mine = Preprocess(preprocessing)(as_tensor(image))
    steps = (mine - oracle(model)(image)).abs().amax((0, 2, 3)) * 255
    deviation = torch.tensor(preprocessing.std)
    assert (steps * deviation).max() <= 2


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ('{"size": 24', "cannot be read"),
        ("[1, 2]", "cannot be read"),
        ('"ViTImageProcessor"', "cannot be read"),
        (VIT | {"image_processor_type": "NoSuchImageProcessor"}, "cannot be read"),
        (VIT | {"image_processor_type": "DonutImageProcessor"}, "its input differs by up to"),
        (VIT | {"image_processor_type": 7}, "cannot be read"),
        ({"auto_map": {"AutoImageProcessor": "theirs.Code"}}, "cannot be read"),
        (VIT | {"image_mean": [0.5, 0.5]}, "not one that prunescope follows exactly"),
        (VIT | {"image_std": [0.5, 0, 0.5]}, "greater than 0"),
        (VIT | {"image_mean": "grey"}, "not one that prunescope follows exactly"),
        (VIT | {"rescale_factor": 0}, "not one that prunescope follows exactly"),
        (VIT | {"resample": 17}, "not one that prunescope follows exactly"),
        (VIT | {"size": {"height": 24, "width": 20}}, "not all squares of one size"),
        (VIT | {"size": {"longest_edge": 24}}, "expected a height and a width"),
        (VIT | {"do_pad": True, "pad_size": {"height": 30, "width": 30}}, "an input of shape"),
        (BIT | {"do_center_crop": False}, "not all squares of one size"),
        (BIT | {"crop_size": {"height": 20, "width": 24}}, "expected a square"),
        (CONVNEXT | {"crop_pct": 0}, "not one that prunescope follows exactly"),
        (CONVNEXT | {"crop_pct": 1e-320}, "not one that prunescope follows exactly"),
        (CONVNEXT | {"crop_pct": 1e-3}, "less than or equal to 4096"),
        (BIT | {"crop_size": {"height": 600_000, "width": 600_000}}, "or equal to 4096"),
        (VIT | {"size": {"height": 10**20, "width": 10**20}}, "or equal to 4096"),
        (
            BIT | {"image_processor_type": "MobileViTImageProcessor", "do_normalize": True},
            "its input differs by up to",
        ),
    ],
    ids=str,
)
def test_what_is_not_followed_is_refused_by_name(settings, complaint, folder):
    model = folder(settings, CONFIG_MAPPING["hgnet_v2"]())  # which has none of its own
    with pytest.raises(ConfigError) as error:
        read(model)
    message = " ".join(str(error.value).split())
    assert complaint in message
    assert str(model) in message


def test_no_image_processor(tmp_path):
    ResNetConfig().save_pretrained(tmp_path)
    assert read(tmp_path) is None


def test_a_network_cannot_resize_by_every_filter(folder):
    found = read(folder(VIT | {"resample": 1}))
    assert found.given(found.frame).frame is None
    with pytest.raises(ConfigError, match="cannot resize with Pillow's lanczos filter"):
        found.given(None)


@pytest.mark.parametrize(
    ("cfg", "frame", "mean"),
    [
        ({}, {"resize": 256, "crop": 224, "resample": "bicubic"}, (0.485, 0.456, 0.406)),
        (
            {"input_size": [3, 288, 288], "crop_pct": 0.95, "interpolation": "bilinear"},
            {"resize": 303, "crop": 288, "resample": "bilinear"},
            (0.485, 0.456, 0.406),
        ),
        (
            {"crop_pct": 1.0, "crop_mode": "squash", "mean": [0.5], "std": [0.5], "num_classes": 9},
            {"resize": (224, 224), "crop": 224, "resample": "bicubic"},
            (0.5, 0.5, 0.5),
        ),
        (
            {"crop_pct": 0.9, "crop_mode": "squash", "mean": [0.1, 0.2, 0.3]},
            {"resize": (248, 248), "crop": 224, "resample": "bicubic"},
            (0.1, 0.2, 0.3),
        ),
    ],
    ids=str,
)
def test_timm(cfg, frame, mean):
    found = from_timm(cfg)
    assert found.frame == Frame(half="even", transparent="ignored", **frame)
    assert found.preprocessing.mean == mean
    assert found.preprocessing.input_size == frame["crop"]
    assert found.preprocessing.to_transformers()["pretrained_cfg"] == cfg


@pytest.mark.parametrize(
    ("cfg", "complaint"),
    [
        ({"crop_mode": "border"}, "crop_mode 'border'"),
        ({"crop_border_pixels": 2}, "no border"),
        ({"input_size": [1, 28, 28]}, "expected 3 colours"),
        ({"input_size": [3, 28, 30]}, "expected 3 colours and a square"),
        ({"interpolation": "random"}, "resample"),
        ({"std": [0.0]}, "std"),
        ({"crop_pct": 1e-3}, "less than or equal to 4096"),
    ],
)
def test_what_is_not_followed_of_timm(cfg, complaint):
    with pytest.raises(ConfigError, match=complaint):
        from_timm(cfg)
