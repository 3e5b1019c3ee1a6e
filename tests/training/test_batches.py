import threading
import time

import numpy as np
import pytest
import torch

from prunescope.errors import DataError
from prunescope.models import build_model
from prunescope.training import Recipe
from prunescope.training.augmentation import flip, shift
from prunescope.training.batches import (
    EpochPlan,
    ahead,
    check_fit,
    consecutive,
    training_batches,
)

CPU = torch.device("cpu")


def batches(dataset, recipe, epoch=0, n_steps=None):
    n_steps = n_steps or recipe.steps_per_epoch(len(dataset))
    return list(training_batches(dataset, recipe, epoch, n_steps, CPU))


def test_images_and_labels_are_those_of_the_positions(dots):
    dataset = dots(n=20)
    for batch in batches(dataset, Recipe(epochs=1, batch_size=6, flip=False)):
        expected = torch.from_numpy(dataset.images(batch.positions)).float() / 255
        torch.testing.assert_close(batch.images, expected)
        assert np.array_equal(batch.labels.numpy(), dataset.samples.labels[batch.positions])


def test_an_epoch_shows_each_sample_at_most_once_in_batches_of_one_size(dots):
    seen = [b.positions for b in batches(dots(n=20), Recipe(epochs=1, batch_size=6))]
    assert [len(positions) for positions in seen] == [6, 6, 6]
    assert len(set(np.concatenate(seen))) == 18


def test_few_samples_make_one_smaller_batch(dots):
    (batch,) = batches(dots(n=5), Recipe(epochs=1, batch_size=6))
    assert sorted(batch.positions) == [0, 1, 2, 3, 4]


def test_augmentation_is_that_of_the_plan(dots):
    dataset = dots(n=12)
    recipe = Recipe(epochs=1, batch_size=4, crop_padding=2, seed=3)
    plan = EpochPlan.draw(recipe, 12, epoch=5)
    found = torch.cat([batch.images for batch in batches(dataset, recipe, epoch=5)])
    pixels = torch.from_numpy(dataset.images(plan.order))
    expected = shift(flip(pixels, torch.from_numpy(plan.flips)), torch.from_numpy(plan.shifts))
    torch.testing.assert_close(found, expected.float() / 255)


@pytest.mark.parametrize("channels_last", [False, True])
def test_memory_layout(dots, channels_last):
    recipe = Recipe(epochs=1, batch_size=4, crop_padding=1, channels_last=channels_last)
    (batch, *_) = batches(dots(n=12), recipe)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert batch.images.is_contiguous(memory_format=layout)


def test_a_plan_is_a_function_of_seed_and_epoch():
    def drawn(seed, epoch):
        plan = EpochPlan.draw(Recipe(steps=1, seed=seed, crop_padding=3), 50, epoch)
        return [*plan.order, *plan.flips, *plan.shifts.ravel()]

    assert drawn(0, 0) == drawn(0, 0)
    assert drawn(0, 0) != drawn(0, 1)
    assert drawn(0, 0) != drawn(1, 0)


def test_the_frequencies_of_a_plan():
    plan = EpochPlan.draw(Recipe(steps=1, crop_padding=2), 20_000, epoch=0)
    assert sorted(plan.order) == list(range(20_000))
    assert plan.flips.mean() == pytest.approx(0.5, abs=0.02)
    values, counts = np.unique(plan.shifts, return_counts=True)
    assert values.tolist() == [-2, -1, 0, 1, 2]
    assert counts / counts.sum() == pytest.approx([0.2] * 5, abs=0.02)


def test_without_augmentation_a_plan_changes_nothing():
    plan = EpochPlan.draw(Recipe(steps=1, flip=False), 100, epoch=0)
    assert not plan.flips.any()
    assert not plan.shifts.any()


def test_order_does_not_depend_on_the_augmentation():
    plain = EpochPlan.draw(Recipe(steps=1, flip=False), 100, epoch=0)
    rich = EpochPlan.draw(Recipe(steps=1, crop_padding=4), 100, epoch=0)
    assert np.array_equal(plain.order, rich.order)


def test_one_is_made_ahead_and_not_more():
    made = []
    ready = ahead(lambda i: made.append(i) or i, 5)
    assert next(ready) == 0
    deadline = time.monotonic() + 5
    while len(made) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert made == [0, 1]
    ready.close()


def test_things_are_made_in_another_thread_that_ends():
    names = list(ahead(lambda _: threading.current_thread(), 3))
    assert set(names).isdisjoint({threading.main_thread()})
    assert not any(thread.is_alive() for thread in names)


def test_an_error_while_making_reaches_the_one_who_waits():
    def make(index):
        if index == 2:
            raise DataError("torn page")
        return index

    ready = ahead(make, 4)
    assert [next(ready), next(ready)] == [0, 1]
    with pytest.raises(DataError, match="torn page"):
        next(ready)


def test_consecutive_positions():
    assert [part.tolist() for part in consecutive(5, 2)] == [[0, 1], [2, 3], [4]]
    assert consecutive(0, 2) == []


def test_a_data_set_with_other_attributes_is_refused(dots):
    model = build_model("resnet_small", ["R", "B", "G"], image_size=8)
    with pytest.raises(
        DataError, match="the model answers R, B, G, but dots is labelled with R, G"
    ):
        check_fit(model, dots())


def test_the_models_own_attributes_are_fine(dots):
    check_fit(build_model("resnet_small", ["R", "G", "B"], image_size=8), dots())
