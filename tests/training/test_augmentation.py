import torch
from hypothesis import given
from hypothesis import strategies as st

from prunescope.training.augmentation import flip, shift


def batch(n, height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, 3, height, width), generator=generator, dtype=torch.uint8)
    return images, generator


SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**31))


@given(SHAPES)
def test_flip_against_a_loop(shape):
    images, generator = batch(*shape)
    n, _, height, width = images.shape
    flips = torch.rand(n, generator=generator) < 0.5
    flipped = flip(images, flips)
    assert flipped.dtype == torch.uint8
    for i in range(n):
        for row in range(height):
            for column in range(width):
                source = width - 1 - column if flips[i] else column
                assert torch.equal(flipped[i, :, row, column], images[i, :, row, source])


@given(SHAPES, st.integers(0, 4))
def test_shift_is_a_crop_of_the_image_padded_with_its_edge(shape, reach):
    images, generator = batch(*shape)
    n, _, height, width = images.shape
    shifts = torch.randint(-reach, reach + 1, (n, 2), generator=generator)
    shifted = shift(images, shifts)
    assert shifted.dtype == torch.uint8
    padded = torch.nn.functional.pad(images.float(), (reach,) * 4, mode="replicate")
    for i, (down, right) in enumerate(shifts.tolist()):
        top, left = reach + down, reach + right
        crop = padded[i, :, top : top + height, left : left + width]
        assert torch.equal(shifted[i].float(), crop)
