"""Drawn faces: every attribute is seen, where it belongs and as its level says."""

import dataclasses

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from prunescope.data.faces import NUISANCES, render
from prunescope.data.faces.camera import photograph
from prunescope.data.faces.canvas import Canvas, Pose, divide, mirror, points, spline, stroke
from prunescope.data.faces.person import person
from prunescope.data.synthetic import (
    ATTRIBUTES,
    draw_faces,
    draw_latents,
    face_streams,
    thresholds,
)

N = 12
WORN = ("Eyeglasses", "Wearing_Earrings", "Wearing_Hat")


def draw(changes=None, *, size=64, n=N, seed=3):
    """Draw n faces of usual levels, some of which are changed, always with the same nuisances."""
    streams = face_streams(seed, range(n))
    levels = (0.5 * draw_latents(streams) - thresholds()).clip(-2, -0.7)
    levels[:, ATTRIBUTES.index("Young")] = 1
    by_name = dict(zip(ATTRIBUTES, levels.T, strict=True))
    by_name.update({name: np.full(n, float(level)) for name, level in (changes or {}).items()})
    return render(by_name, streams, size).astype(float)


def change(attribute, low, high):
    """Return how much each pixel (n, 64, 64) changes, in grey levels."""
    return np.abs(draw({attribute: high}) - draw({attribute: low})).mean(axis=1)


@pytest.mark.parametrize("size", [16, 33, 64, 130])
def test_faces_come_in_the_size_asked_for(size):
    faces = draw(size=size, n=2)
    assert faces.shape == (2, 3, size, size)
    assert 40 < faces.mean() < 220
    assert faces.std() > 20


def test_a_larger_picture_shows_the_same_face():
    small = draw(size=32, n=4)
    large = draw(size=128, n=4).reshape(4, 3, 32, 4, 32, 4).mean(axis=(3, 5))
    for one, other in zip(small, large, strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.9


def test_people_differ():
    faces = draw(n=N).reshape(N, -1)
    apart = np.abs(faces[:, None] - faces).mean(axis=-1)
    assert apart[~np.eye(N, dtype=bool)].min() > 10


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_every_attribute_changes_the_picture(attribute):
    changed = change(attribute, -1.5, 1.5).reshape(N, -1)
    strongest = np.sort(changed, axis=1)[:, -64 * 64 // 100 :].mean(axis=1)
    assert strongest.min() > 8  # on every single face, however it is lit and posed
    assert strongest.mean() > 15


@pytest.mark.parametrize(
    ("attribute", "rows"),
    [
        ("Bangs", slice(0, 36)),
        ("Beard", slice(32, 64)),
        ("Big_Nose", slice(26, 46)),
        ("Bushy_Eyebrows", slice(18, 38)),
        ("Eyeglasses", slice(18, 48)),
        ("Narrow_Eyes", slice(20, 42)),
        ("Rosy_Cheeks", slice(26, 50)),
        ("Wearing_Earrings", slice(26, 52)),
        ("Wearing_Hat", slice(0, 34)),
        ("Wearing_Lipstick", slice(34, 54)),
    ],
)
def test_an_attribute_changes_its_own_part_of_the_face(attribute, rows):
    seen = change(attribute, -1.5, 1.5).mean(axis=(0, 2))
    assert seen[rows].sum() > 0.9 * seen.sum()


@pytest.mark.parametrize(
    ("attribute", "rows", "quality", "sign"),
    [
        ("Bald", slice(8, 22), "light", 1),
        ("Bangs", slice(16, 28), "light", -1),
        ("Beard", slice(40, 52), "light", -1),
        ("Blond_Hair", slice(4, 30), "light", 1),
        ("Bushy_Eyebrows", slice(20, 32), "light", -1),
        ("Pale_Skin", slice(24, 50), "light", 1),
        ("Rosy_Cheeks", slice(30, 48), "red", 1),
        ("Wearing_Lipstick", slice(38, 52), "red", 1),
        ("Young", slice(4, 30), "light", -1),  # grey hair is lighter
    ],
)
def test_an_attribute_shows_in_the_direction_of_its_name(attribute, rows, quality, sign):
    low, high = (draw({attribute: level})[:, :, rows, 16:48] for level in (-1.5, 1.5))
    red, green, blue = (high - low).mean(axis=(0, 2, 3))
    seen = (red + green + blue) / 3 if quality == "light" else red - (green + blue) / 2
    assert sign * seen > 0.3


@pytest.mark.parametrize("attribute", [name for name in ATTRIBUTES if name not in WORN])
def test_an_attribute_grows_with_its_level_and_is_ambiguous_at_its_threshold(attribute):
    low = draw({attribute: -1.5})
    away = [np.abs(draw({attribute: level}) - low).mean() for level in (-0.5, 0.5, 1.5)]
    assert 0 < away[0] < away[1] < away[2]
    near = np.abs(draw({attribute: 0.05}) - draw({attribute: -0.05})).mean()
    assert near < 0.25 * away[2]


@pytest.mark.parametrize("attribute", WORN)
def test_what_is_worn_is_there_or_not(attribute):
    np.testing.assert_array_equal(draw({attribute: -1.5}), draw({attribute: -0.01}))
    np.testing.assert_array_equal(draw({attribute: 0.01}), draw({attribute: 1.5}))
    assert change(attribute, -0.01, 0.01).max() > 5


def test_levels_move_neither_the_pose_nor_anything_else_that_is_a_nuisance():
    u = dict(zip(NUISANCES, np.random.default_rng(0).random((len(NUISANCES), N)), strict=True))
    low, high = (person(dict.fromkeys(ATTRIBUTES, np.full(N, x)), u) for x in (-1.5, 1.5))
    for field in dataclasses.fields(Pose):
        np.testing.assert_array_equal(getattr(low.pose, field.name), getattr(high.pose, field.name))
    for name in ("iris", "eye_x", "freckles", "shadow"):
        np.testing.assert_array_equal(getattr(low, name), getattr(high, name))


@pytest.mark.parametrize("attribute", ["Male", "Young"])
def test_male_and_young_are_seen_in_several_cues_with_noise_of_their_own(attribute):
    rng = np.random.default_rng(1)
    u = dict(zip(NUISANCES, rng.random((len(NUISANCES), 4000)), strict=True))
    levels = {name: np.full(4000, -1.0) for name in ATTRIBUTES}
    levels[attribute] = rng.standard_normal(4000)
    drawn = person(levels, u)
    cues = {
        "Male": [drawn.jaw, drawn.stubble, drawn.build, -drawn.lashes, -drawn.hair_end],
        "Young": [-drawn.wrinkles, -drawn.bald, -drawn.hair[:, 2]],
    }[attribute]
    for cue in cues:
        assert 0.3 < np.corrcoef(cue, levels[attribute])[0, 1] < 0.9
    noise = np.stack([_residual(cue, levels[attribute]) for cue in cues])
    assert np.abs(np.corrcoef(noise) - np.eye(len(cues))).max() < 0.3


def _residual(y, x):
    """Return what is left of y without its cubic trend on x."""
    return y - np.polyval(np.polyfit(x, y, 3), x)


def test_skins_cover_a_broad_range_and_pale_is_its_light_end():
    u = {name: np.full(5, 0.5) for name in NUISANCES}
    levels = {name: np.full(5, -1.0) for name in ATTRIBUTES}
    levels["Pale_Skin"] = np.array([-4.0, -2.5, -1.5, 0.0, 1.0])
    light = person(levels, u).skin.mean(axis=1)
    assert np.all(np.diff(light) > 10)
    assert light[0] < 90
    assert light[-1] > 210


def test_obvious_attributes_can_be_learned_from_small_pictures():
    labels, pixels = draw_faces(0, range(1400), 48)
    small = np.stack([np.asarray(Image.fromarray(np.moveaxis(x, 0, 2)).reduce(2)) for x in pixels])
    assert small.shape == (1400, 24, 24, 3)
    x, train, test = small.reshape(1400, -1) / 255, slice(0, 1000), slice(1000, None)
    scores = Ridge(alpha=30).fit(x[train], labels[train]).predict(x[test])
    auc = {name: roc_auc_score(labels[test, a], scores[:, a]) for a, name in enumerate(ATTRIBUTES)}
    easy = ("Male", "Young", "Pale_Skin", "Eyeglasses", "Blond_Hair", "Beard", "Wearing_Hat")
    assert all(auc[name] > 0.72 for name in easy), auc
    assert auc["Male"] < 0.99  # not a give-away
    assert np.mean(list(auc.values())) > 0.72, auc


def straight(n=1, **moved):
    """Return a pose that moves nothing but what is named."""
    still = {"tilt": 0.0, "yaw": 0.0, "nod": 0.0, "dx": 0.0, "dy": 0.0, "scale": 1.0}
    return Pose(**{name: np.full(n, value) for name, value in {**still, **moved}.items()})


def square(low, high, y=1.0):
    return points((low, -y), (high, -y), (high, y), (low, y))


def painted(canvas, size=8, background=((0.0, 0.0, 0.0),)):
    return np.stack(list(canvas.paint(size, np.array(background))))


def test_canvas_paints_back_to_front_with_opacity():
    canvas = Canvas(straight())
    canvas.fill(square(-2, 0, 2), (200, 100, 0))
    canvas.fill(square(-2, -0.5, 2), (100, 200, 50), opacity=0.5)
    picture = painted(canvas)[0]
    np.testing.assert_allclose(picture[4, 0], (150, 150, 25), atol=2)
    np.testing.assert_array_equal(picture[4, 3], (200, 100, 0))
    np.testing.assert_array_equal(picture[4, 6], (0, 0, 0))


def test_canvas_paints_only_where_and_gives_each_face_its_own_colour():
    canvas = Canvas(straight(2))
    canvas.fill(square(-2, 2, 2), np.array([[9.0, 0, 0], [0, 9, 0]]))
    canvas.fill(square(-2, 2, 2), (50, 50, 50), where=np.array([False, True]))
    pictures = painted(canvas, background=np.zeros((2, 3)))
    assert pictures[:, 4, 4].tolist() == [[9, 0, 0], [50, 50, 50]]


def test_a_pair_is_a_shape_and_its_mirror_image():
    canvas = Canvas(straight())
    canvas.pair(square(0.3, 0.8, 0.5), (255, 255, 255))
    picture = painted(canvas, size=32)[0, ..., 0].astype(int)
    assert np.abs(picture - picture[:, ::-1]).mean() < 10
    assert picture[16, 16] == 0
    assert picture[16, 24] == picture[16, 7] == 255


def test_a_glow_fades_from_its_centre():
    canvas = Canvas(straight())
    canvas.fill(square(-0.5, 0.5, 0.5), (255, 255, 255), soft=True)
    row = painted(canvas, size=32)[0, 16, :, 0].astype(int)
    assert row[15] > 230
    assert np.all(np.diff(row[8:16]) >= 0)
    assert row[4] == row[28] == 0


@pytest.mark.parametrize(
    ("moved", "frame", "depth", "expected"),
    [
        ({}, "head", 1.0, (0.2, -0.48)),
        ({"yaw": 0.1}, "head", 2.0, (0.4, -0.48)),
        ({"yaw": 0.1}, "body", 2.0, (0.2, -0.48)),
        ({"nod": 0.1}, "head", -1.0, (0.2, -0.58)),
        ({"dx": 0.1, "dy": 0.2, "scale": 2.0}, "body", 0.0, (0.5, -0.76)),
        ({"dx": 0.1, "scale": 2.0}, "picture", 0.0, (0.2, -0.48)),
        ({"tilt": np.pi / 2}, "head", 0.0, (1.0, 0.72)),  # about the neck, at (0, 0.52)
    ],
)
def test_a_pose_places_points(moved, frame, depth, expected):
    placed = straight(**moved).apply(points((0.2, -0.48)), frame, depth)
    np.testing.assert_allclose(placed[0, 0], expected, atol=1e-12)


def test_splines_go_through_their_knots():
    knots = ((0.0, 0.0), (1.0, 2.0), (3.0, -1.0), (2.0, -2.0))
    np.testing.assert_allclose(spline(*knots, steps=5)[0, ::5], knots)
    np.testing.assert_allclose(spline(*knots, closed=False, steps=5)[0, ::5], knots)


def test_a_stroke_has_the_width_asked_for():
    line = points((0, 0), (1, 0), (2, 0))
    outline = stroke(line, 0.4, tapered=False)[0]
    np.testing.assert_allclose(sorted(set(outline[:, 1].round(9))), [-0.2, 0.2])
    tapered = np.abs(stroke(line, 0.4)[0, :, 1])
    np.testing.assert_allclose(tapered[:3], (0.03, 0.2, 0.03), atol=1e-6)


def test_mirroring_twice_changes_nothing():
    curve = points((0.3, 1), (np.array([0.1, 0.2]), 2))
    np.testing.assert_array_equal(mirror(mirror(curve)), curve)
    assert mirror(curve)[1].tolist() == [[-0.3, 1], [-0.2, 2]]


def test_divide_gives_everyone_at_most_one_part():
    masks = np.array(divide(np.linspace(0.0005, 0.9995, 1000), 0.3, 0.28, 0.24, 0.18))
    assert masks.sum(axis=1).tolist() == [300, 280, 240, 180]
    assert (masks.sum(axis=0) == 1).all()
    assert not np.any(divide(np.array([0.7]), 0.3, 0.4))


def camera(n=1, **nuisances):
    """Return nuisances of a camera that changes little but what is named."""
    neutral = {"light_angle": 0.0, "light": 0.0, "exposure": 12 / 19, "contrast": 0.5}
    neutral |= {"warmth": 0.5, "blur": 0.0, "noise": 0.0}
    return {name: np.full(n, value) for name, value in {**neutral, **nuisances}.items()}


def shoot(level=120, *, grain=0.0, **nuisances):
    drawn = np.full((1, 9, 9, 3), level, np.uint8)
    noise = np.full((1, 3, 9, 9), grain, np.float32)
    return photograph(drawn, camera(**nuisances), noise)[0].astype(int)


def test_a_neutral_camera_changes_nothing():
    np.testing.assert_array_equal(shoot(), 120)


def test_light_comes_from_its_angle():
    from_right = shoot(light=1.0)[0]
    assert from_right[4].tolist() == sorted(from_right[4])
    assert from_right[4, 8] - from_right[4, 0] == pytest.approx(0.3 * 120, abs=2)
    from_below = shoot(light=1.0, light_angle=0.25)[0]
    assert from_below[8, 4] - from_below[0, 4] == pytest.approx(0.3 * 120, abs=2)


def test_exposure_contrast_and_warmth():
    assert shoot(exposure=1.0).mean() > 125 > 115 > shoot(exposure=0.0).mean()
    assert shoot(60, contrast=1.0).mean() < 60 < shoot(60, contrast=0.0).mean()
    red, green, blue = shoot(warmth=1.0).mean(axis=(1, 2))
    assert red > green > blue


def test_noise_is_the_grain_and_stays_in_range():
    assert shoot(grain=2.0, noise=1.0)[0, 0, 0] == 134
    assert shoot(250, grain=9.0, noise=1.0).max() == 255
    assert shoot(5, grain=-9.0, noise=1.0).min() == 0


def test_blur_spreads_a_dot_evenly_and_keeps_what_is_flat():
    np.testing.assert_array_equal(shoot(blur=1.0), 120)
    drawn = np.zeros((1, 9, 9, 3), np.uint8)
    drawn[0, 4, 4] = 200
    seen = photograph(drawn, camera(blur=1.0), np.zeros((1, 3, 9, 9), np.float32))[0, 0]
    expected = 200 * np.outer([0.2, 0.6, 0.2], [0.2, 0.6, 0.2])
    np.testing.assert_allclose(seen[3:6, 3:6], expected, atol=1)
    assert seen.sum() == seen[3:6, 3:6].sum()
