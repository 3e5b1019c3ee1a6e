import numpy as np
import pytest

from prunescope.errors import ConfigError
from prunescope.runtimes import Intake, Quantization, TensorInfo

UNIT = {"input_range": (0, 1)}


def image(*shape, dtype="float32", scale=None, zero=0, layout=None):
    told = None if scale is None else Quantization(scale, zero)
    return TensorInfo("x", shape, np.dtype(dtype), told, layout)


@pytest.mark.parametrize(
    ("shape", "layout", "side", "batch"),
    [
        ((1, 3, 8, 8), "NCHW", 8, 1),
        ((None, 8, 8, 3), "NHWC", 8, None),
        ((None, 3, None, None), "NCHW", None, None),
        ((4, None, None, 3), "NHWC", None, 4),
        ((None, 3, 8, None), "NCHW", 8, None),
        ((None, 3, 8, 8), "NCHW", 8, None),
    ],
)
def test_the_layout_is_read_from_the_shape(shape, layout, side, batch):
    found = Intake.of(image(*shape), **UNIT)
    assert (found.layout, found.side, found.batch) == (layout, side, batch)


@pytest.mark.parametrize("shape", [(1, 3, 3, 3), (None, None, None, None), (1, None, 3, None)])
def test_a_shape_that_fits_both_layouts_is_asked_about(shape):
    with pytest.raises(ConfigError, match=r"may be NCHW or NHWC: say which with --input-layout"):
        Intake.of(image(*shape), **UNIT)
    for layout in ("NCHW", "NHWC"):
        if shape != (1, None, 3, None):
            assert Intake.of(image(*shape), layout=layout, **UNIT).layout == layout
    assert Intake.of(image(1, 3, 3, 3, layout="NHWC"), **UNIT).layout == "NHWC"


@pytest.mark.parametrize(
    ("shape", "layout", "said"),
    [
        ((1, 1, 28, 28), None, "expected images of 3 channels"),
        ((1, 3, 8, 9), None, "expected square images"),
        ((1, 3), None, "expected a batch of images"),
        ((1, 3, 8, 8), "NHWC", "is NCHW: leave out --input-layout NHWC"),
        ((1, 3, 8, 8), "CHWN", "unknown layout 'CHWN'.*NCHW, NHWC"),
    ],
)
def test_inputs_that_take_no_images_are_refused(shape, layout, said):
    with pytest.raises(ConfigError, match=said):
        Intake.of(image(*shape), layout=layout, **UNIT)


PIXELS = np.array([[[[0, 255]], [[51, 102]], [[153, 204]]]], np.uint8)  # 1 × 3 × 1 × 2


def test_ranges_and_layouts_by_hand():
    sided = (None, 3, None, None)
    unit = Intake.of(image(*sided), **UNIT).encode(PIXELS)
    assert unit.dtype == np.float32
    assert unit.ravel().tolist() == np.float32([0, 1, 0.2, 0.4, 0.6, 0.8]).tolist()
    both = Intake.of(image(*sided), input_range=(-1, 1)).encode(PIXELS)
    assert np.allclose(both.ravel(), [-1, 1, -0.6, -0.2, 0.2, 0.6])
    raw = Intake.of(image(*sided), input_range=(0, 255)).encode(PIXELS)
    assert raw.ravel().tolist() == [0, 255, 51, 102, 153, 204]
    last = Intake.of(image(None, None, None, 3), input_range=(0, 255)).encode(PIXELS)
    assert last[0, 0].tolist() == [[0, 51, 153], [255, 102, 204]]
    swapped = Intake.of(image(*sided), input_range=(0, 255), channels="bgr").encode(PIXELS)
    assert swapped[0, :, 0].tolist() == [[153, 204], [51, 102], [0, 255]]


def test_means_and_deviations_are_of_each_channel():
    normal = Intake.of(image(None, 3, None, None), mean=(0, 0.2, 0.5), std=(1, 2, 0.25))
    found = normal.encode(PIXELS).reshape(3, 2)
    assert np.allclose(found, [[0, 1], [0, 0.1], [0.4, 1.2]])


def test_pixels_are_quantised_once_and_cut_to_the_type():
    told = image(None, 3, None, None, dtype="int8", scale=1 / 255, zero=-128)
    stored = Intake.of(told).encode(PIXELS)
    assert stored.dtype == np.int8
    assert stored.ravel().tolist() == [-128, 127, -77, -26, 25, 76]
    narrow = image(None, 3, None, None, dtype="uint8", scale=0.5 / 255, zero=0)
    assert Intake.of(narrow, **UNIT).encode(PIXELS).ravel().tolist() == [0, 255, 102, 204, 255, 255]


@pytest.mark.parametrize(
    ("dtype", "scale", "zero", "ends"),
    [
        ("uint8", 1 / 255, 0, (0, 1)),
        ("int8", 1 / 255, -128, (0, 1)),
        ("uint8", 2 / 255, 128, (-1, 1)),
        ("uint8", 1.0, 0, (0, 255)),
        ("int8", 1.0, -128, (0, 255)),
    ],
)
def test_a_usual_range_is_read_from_the_quantisation(dtype, scale, zero, ends):
    told = image(None, 3, None, None, dtype=dtype, scale=scale, zero=zero)
    found = Intake.of(told)
    assert np.array_equal(found.values, Intake.of(told, input_range=ends).values)


def test_pixels_of_bytes_go_in_as_they_are():
    assert Intake.of(image(None, 3, None, None, dtype="uint8")).values[0].tolist() == [*range(256)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, r"does not tell its range; say .* --input-range 0,1"),
        ({"mean": (0, 0, 0)}, "expected both"),
        ({"mean": (0, 0), "std": (1, 1)}, "each three numbers"),
        ({"mean": (0, 0, 0), "std": (1, 0, 1)}, "above 0"),
        ({"mean": (0, 0, 0), "std": (1, 1, 1), "input_range": (0, 1)}, "give one of them"),
        ({"input_range": (1, 1)}, "two different numbers"),
        ({"input_range": (0, 1), "channels": "grb"}, "unknown order of channels 'grb'"),
    ],
)
def test_what_is_not_told_is_asked_for(options, said):
    with pytest.raises(ConfigError, match=said):
        Intake.of(image(None, 3, 8, 8), **options)


def test_an_unusual_quantised_range_is_asked_for():
    told = image(None, 3, 8, 8, dtype="int8", scale=4.76 / 255, zero=-14)
    with pytest.raises(ConfigError, match=r"from -2\.128 to 2\.632, the range of no usual scaling"):
        Intake.of(told)


@pytest.mark.parametrize(
    ("dtype", "options", "ask"),
    [
        ("uint8", UNIT, "0,255"),
        ("uint8", {"input_range": (-1, 1)}, "0,255"),
        ("uint8", {"input_range": (0, 128)}, "0,255"),
        ("uint8", {"input_range": (-128, 127)}, "0,255"),
        ("uint8", {"mean": [0.5] * 3, "std": [0.2] * 3}, "0,255"),
        ("int8", UNIT, "-128,127"),
        ("int8", {"input_range": (0, 255)}, "-128,127"),
        ("int32", UNIT, "0,255"),
    ],
)
def test_integers_without_scale_take_whole_numbers_alone(dtype, options, ask):
    with pytest.raises(ConfigError, match=f"would be rounded.*--input-range {ask}$"):
        Intake.of(image(1, 3, 8, 8, dtype=dtype), **options)


@pytest.mark.parametrize(
    ("dtype", "options", "ends"),
    [
        ("uint8", {}, (0, 255)),
        ("uint8", {"input_range": (255, 0)}, (255, 0)),
        ("uint8", {"mean": [0] * 3, "std": [1 / 255] * 3}, (0, 255)),
        ("int8", {"input_range": (-128, 127)}, (-128, 127)),
        ("int8", {"mean": [128 / 255] * 3, "std": [1 / 255] * 3}, (-128, 127)),
        ("int32", {"input_range": (-255, 255)}, (-255, 255)),
    ],
)
def test_integers_without_scale_take_every_pixel_of_a_whole_range(dtype, options, ends):
    values = Intake.of(image(1, 3, 8, 8, dtype=dtype), **options).values
    assert (values[0, 0], values[0, 255], len(set(values[0]))) == (*ends, 256)


@pytest.mark.parametrize(
    ("scale", "input_range", "left"), [(1.0, (0, 1), 2), (1 / 255, (0, 255), 2), (0.1, (-1, 1), 11)]
)
def test_a_range_that_leaves_few_grays_of_a_quantised_input_is_refused(scale, input_range, left):
    with pytest.raises(ConfigError, match=f"keep {left} of 256 grays; say what"):
        Intake.of(image(1, 3, 8, 8, dtype="uint8", scale=scale), input_range=input_range)
