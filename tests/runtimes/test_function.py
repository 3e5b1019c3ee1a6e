import numpy as np
import pytest
import torch

from prunescope.errors import ConfigError, DataError
from prunescope.runtimes import Function, imported, makes_models


def test_it_gets_floats_and_its_answers_stay_in_order(faces):
    dataset = faces(70)
    seen = []

    def mean(images):
        assert (images.dtype, images.shape[1:]) == (np.float32, (3, 16, 16))
        assert 0 <= images.min() <= images.max() <= 1
        seen.append(len(images))
        return images.mean(axis=(2, 3))

    found = Function("mean", mean).infer(dataset)
    pixels = dataset.pixels[dataset.rows]
    assert np.allclose(found, pixels.mean(axis=(2, 3)) / 255, atol=1e-6)
    assert seen == [64, 6]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: torch.nn.Parameter(torch.from_numpy(x)).mean((2, 3)),
        lambda x: torch.from_numpy(x).mean((2, 3)).bfloat16(),
        lambda x: x.mean((2, 3)).tolist(),
    ],
)
def test_answers_of_other_libraries(faces, call):
    dataset = faces(5)
    expected = dataset.pixels[dataset.rows].mean(axis=(2, 3)) / 255
    assert np.allclose(Function("f", call).infer(dataset), expected, atol=0.01)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda x: x[:, :2, 0, 0], r"what f returns has shape \(5, 2\) for 5 images"),
        (lambda x: 1 / 0, r"f fails on images of shape \(5, 3, 16, 16\).*ZeroDivisionError"),
        (lambda x: None, "f fails on images|what f returns"),
        (lambda x: {"logits": 1}, "f fails on images"),
    ],
)
def test_what_is_no_answer_is_refused(faces, call, said):
    with pytest.raises(DataError, match=said):
        Function("f", call).infer(faces(5))


def test_a_factory_is_told_by_what_it_can_be_called_with():
    class Net:
        def __init__(self, n_outputs, width=8): ...

    assert makes_models(Net)
    assert makes_models(lambda **options: ...)
    assert not makes_models(lambda images, **options: ...)
    assert not makes_models(lambda: ...)
    assert not makes_models(np.ones_like)


def test_names_that_cannot_be_imported_are_errors():
    assert imported("math:sqrt", "function")(9) == 3
    with pytest.raises(ConfigError, match=r"cannot import 'no_such'.*expected module:function"):
        imported("no_such:f", "function")
    with pytest.raises(ConfigError, match="unknown function of math 'sqrtt': did you mean sqrt"):
        imported("math:sqrtt", "function")
