import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from prunescope.data.decode import decode
from prunescope.errors import ImageError


def encode(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def rgb():
    return np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)


def test_pixels_of_the_right_size_stay_exact(rgb, tmp_path):
    (tmp_path / "a.png").write_bytes(encode(Image.fromarray(rgb)))
    assert (decode(tmp_path / "a.png", 8) == rgb.transpose(2, 0, 1)).all()


@pytest.mark.parametrize(("height", "width"), [(8, 12), (12, 8), (8, 11), (9, 8)])
def test_centre_crop(height, width):
    values = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    top, left = (height - 8) // 2, (width - 8) // 2
    expected = values[top : top + 8, left : left + 8].transpose(2, 0, 1)
    assert (decode(encode(Image.fromarray(values)), 8) == expected).all()


def test_shrinking_averages():
    checkers = np.indices((64, 64)).sum(axis=0) % 2 * 255
    pixels = decode(encode(Image.fromarray(checkers.astype(np.uint8))), 8)
    assert np.abs(pixels.astype(int) - 127.5).max() <= 2


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("L", (9, 9), 100), (100, 100, 100)),
        (Image.new("1", (9, 9), 1), (255, 255, 255)),
        (Image.new("LA", (9, 9), (100, 255)), (100, 100, 100)),
        (Image.new("RGBA", (9, 9), (10, 20, 30, 255)), (10, 20, 30)),
        (Image.new("RGBA", (9, 9), (10, 20, 30, 0)), (255, 255, 255)),
        (Image.new("RGBA", (9, 9), (0, 100, 200, 51)), (204, 224, 244)),
        (Image.fromarray(np.full((9, 9), 0x1234, np.uint16)), (0x12, 0x12, 0x12)),
        (Image.fromarray(np.full((9, 9), 65_535, np.uint16)), (255, 255, 255)),
    ],
    ids=lambda value: getattr(value, "mode", ""),
)
def test_modes(image, expected):
    assert (decode(encode(image), 8) == np.array(expected)[:, None, None]).all()


def test_palette(rgb):
    palette = Image.fromarray(rgb).quantize(16)
    expected = np.asarray(palette.convert("RGB")).transpose(2, 0, 1)
    assert (decode(encode(palette), 8) == expected).all()


def test_transparent_palette_colour_is_white():
    image = Image.new("P", (8, 8), 0)
    image.putpalette([1, 2, 3, 40, 50, 60])
    image.putpixel((0, 0), 1)
    pixels = decode(encode(image, transparency=0), 8)
    assert pixels[:, 0, 0].tolist() == [40, 50, 60]
    assert (pixels[:, 1:, 1:] == 255).all()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM"])
def test_formats(kind):
    pixels = decode(encode(Image.new("RGB", (8, 8), (200, 100, 50)), kind), 8)
    assert np.abs(pixels.astype(int) - np.array([200, 100, 50])[:, None, None]).max() <= 4


def test_cmyk_jpeg():
    pixels = decode(encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"), 8)
    assert pixels[0].min() > 240
    assert pixels[1:].max() < 15


def test_16_bit_tiff_of_either_byte_order():
    for order in "<>":
        values = np.full((8, 8), 0xABCD, np.dtype(f"{order}u2"))
        image = Image.frombytes("I;16B" if order == ">" else "I;16", (8, 8), values.tobytes())
        assert (decode(encode(image, "TIFF"), 8) == 0xAB).all()


def test_exif_orientation():
    values = np.zeros((8, 8, 3), np.uint8)
    values[:2] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the first row is the right side
    pixels = decode(encode(Image.fromarray(values), exif=exif), 8)
    assert (pixels[:, :, 6:] == 255).all()
    assert (pixels[:, :, :6] == 0).all()


def test_large_jpeg_is_close_to_its_full_decoding():
    wave = np.sin(np.linspace(0, 9, 512))[:, None, None] * np.cos(np.linspace(0, 7, 512))[:, None]
    values = (127 + 120 * np.broadcast_to(wave, (512, 512, 3))).astype(np.uint8)
    image = Image.fromarray(values)
    exact = decode(encode(image), 16).astype(int)
    assert np.abs(decode(encode(image, "JPEG", quality=95), 16) - exact).max() <= 4


def png(width, height):
    """Write a PNG that claims a size and holds nothing."""

    def chunk(kind, content):
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    empty = chunk(b"IDAT", zlib.compress(b""))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + empty + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (b"", "is not an image that Pillow can read"),
        (b"hello", "is not an image that Pillow can read"),
        (encode(Image.new("RGB", (99, 99), "red"), "JPEG")[:-40], "cannot be decoded .*truncated"),
        (png(8, 8), "cannot be decoded"),
        (png(8000, 11_000), "has 8000×11000 pixels: at most 80,000,000"),
        (png(30_000, 30_000), "decompression bomb"),
        (encode(Image.new("RGB", (8, 8)), "EPS"), "is EPS, which would run a program"),
        (encode(Image.new("F", (8, 8)), "TIFF"), "32-bit floats, whose range is unknown"),
        (encode(Image.new("I", (8, 8), 70_000), "TIFF"), "32-bit integers, whose range"),
        (encode(Image.new("I", (8, 8), -1), "TIFF"), "32-bit integers, whose range"),
        (encode(Image.new("I", (8, 8), 200), "TIFF"), "32-bit integers, whose range"),
    ],
)
def test_bad_images_give_a_reason(encoded, reason):
    with pytest.raises(ImageError, match=reason):
        decode(encoded, 8)


def test_missing_file(tmp_path):
    with pytest.raises(ImageError, match=r"^is missing$"):
        decode(tmp_path / "none.png", 8)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_damaged_bytes_never_raise_anything_else(kind, rgb):
    whole = encode(Image.fromarray(rgb), kind)
    random = np.random.default_rng(0)
    for _ in range(60):
        damaged = np.frombuffer(whole, np.uint8).copy()
        places = random.integers(0, len(whole), 6)
        damaged[places] = random.integers(0, 256, 6)
        cut = damaged[: random.integers(1, len(whole) + 1)].tobytes()
        with suppress(ImageError):
            assert decode(cut, 8).shape == (3, 8, 8)
