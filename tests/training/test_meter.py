import math
from types import SimpleNamespace

import pytest
import torch

from prunescope.errors import TrainingError
from prunescope.training import meter as module
from prunescope.training.meter import SMOOTHING, Meter


class Clock:
    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def state(step=0):
    return SimpleNamespace(step=step, total_steps=100, epoch=0, loss=math.nan, lr=0.25)


def run(meter, state, clock, losses, seconds=0.125):
    for loss in losses:
        clock.now += seconds
        state.step += 1
        meter.add(torch.tensor(loss), n_images=8)


def test_reports_come_every_half_second_with_rates_and_the_time_left(clock):
    reports, where = [], state()
    run(Meter(where, reports.append), where, clock, [1.0] * 11)
    assert [report.step for report in reports] == [4, 8]
    assert [report.images_per_second for report in reports] == pytest.approx([64, 64])
    assert [report.seconds_left for report in reports] == pytest.approx([12.0, 11.5])
    assert [report.loss for report in reports] == pytest.approx([1.0, 1.0])


def test_the_time_left_of_a_resumed_run_counts_its_own_steps(clock):
    reports, where = [], state(step=50)
    run(Meter(where, reports.append), where, clock, [1.0] * 4)
    assert reports[0].seconds_left == pytest.approx(5.75)


def test_the_smoothed_loss_is_a_running_mean_without_bias_to_zero(clock):
    where = state()
    meter = Meter(where, None)
    run(meter, where, clock, [3.0, 1.0])
    meter.read()
    weights = [SMOOTHING, 1.0]
    assert where.loss == pytest.approx((3 * weights[0] + 1 * weights[1]) / sum(weights))


def test_an_epoch_is_summed_up(clock):
    where = state()
    meter = Meter(where, None)
    run(meter, where, clock, [5.0] * 7)
    where.epoch = 1
    assert meter.end_epoch().loss == 5.0
    clock.now += 60  # whatever happens between epochs
    meter.start_epoch()
    run(meter, where, clock, [1.0, 2.0, 6.0])
    where.epoch = 2
    record = meter.end_epoch()
    assert (record.epoch, record.step, record.lr) == (2, 10, 0.25)
    assert record.loss == pytest.approx(3.0)
    assert record.images_per_second == pytest.approx(64)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_names_its_step(clock, bad):
    where = state()
    meter = Meter(where, None)
    run(meter, where, clock, [1.0, 1.0, bad])
    with pytest.raises(TrainingError, match=f"the loss is {bad} at step 2 of 100, with learning"):
        meter.end_epoch()


def test_the_learning_rate_named_is_that_of_the_step(clock):
    where = state()
    meter = Meter(where, None)
    run(meter, where, clock, [1.0, math.nan])
    where.lr = 0.1
    run(meter, where, clock, [1.0])
    with pytest.raises(TrainingError, match=r"learning rate 0.25: .* lower the learning rate"):
        meter.read()
