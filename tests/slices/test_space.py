import numpy as np
import pytest
from pydantic import ValidationError
from threadpoolctl import threadpool_limits

from prunescope.errors import DataError
from prunescope.slices import space as space_module
from prunescope.slices import standard as standard_module
from prunescope.slices.rules import Feature
from prunescope.slices.space import Space, neighbours, typical

N, WIDTH, FACTORS = 3000, 48, 12


@pytest.fixture(scope="module")
def drawn(seed):
    """Return a function that mixes normal factors into features, some samples shifted apart."""
    base = seed

    def make(share=0.0, apart=5.0, seed=0):
        rng = np.random.default_rng([base, seed])
        factors = rng.standard_normal((N, FACTORS)) * np.linspace(1.5, 0.7, FACTORS)
        planted = rng.random(N) < share
        towards = rng.standard_normal(FACTORS)
        factors[planted] += apart * towards / np.linalg.norm(towards)
        mixing = np.linalg.qr(rng.standard_normal((WIDTH, FACTORS)))[0].T
        values = factors @ mixing + 0.1 * rng.standard_normal((N, WIDTH))
        damage = rng.poisson(0.2, N) + planted * rng.binomial(10, 0.1, N)
        return values.astype(np.float32), planted, damage[:, None].astype(float)

    return make


@pytest.fixture(scope="module")
def fitted(drawn):
    """A space without a planted part, and its samples."""
    values, _, damage = drawn()
    return Space.fit(values, damage), values


def candidates(space, values):
    """Yield what one term of a rule can hold of: halves by quantiles, and clusters."""
    for column in space.coordinates(values).T:
        for share in (0.01, 0.02, 0.05, 0.1):
            yield column < np.quantile(column, share)
            yield column >= np.quantile(column, 1 - share)
    for codes in space.clusters_of(values):
        yield from (codes == code for code in np.unique(codes))


@pytest.mark.parametrize("share", [0.05, 0.02, 0.01])
def test_samples_that_stand_apart_are_a_half_or_a_cluster_on_the_other_half(drawn, share):
    values, planted, damage = drawn(share)
    space = Space.fit(values[: N // 2], damage[: N // 2])
    others, truth = values[N // 2 :], planted[N // 2 :]
    overlap = [(held & truth).sum() / (held | truth).sum() for held in candidates(space, others)]
    assert max(overlap) > 0.5


def test_a_direction_follows_damage_and_does_so_on_the_other_half(drawn):
    values, _, _ = drawn(seed=1)
    rng = np.random.default_rng(0)
    risk = (values @ rng.standard_normal(WIDTH)).astype(float)
    damage = (risk + 3 * risk.std() * rng.standard_normal(N))[:, None]
    space = Space.fit(values[: N // 2], damage[: N // 2])
    along = space.coordinates(values[N // 2 :])
    follows = [abs(np.corrcoef(column, risk[N // 2 :])[0, 1]) for column in along.T]
    assert max(follows) > 0.8


def test_coordinates_are_products_with_standardised_features(fitted):
    space, values = fitted
    z = (values - values.mean(axis=0, dtype=float)) / values.std(axis=0, dtype=float)
    z = z.clip(-5, 5)
    expected = z @ np.array(list(space.directions.values())).T
    np.testing.assert_allclose(space.coordinates(values), expected, atol=1e-4)
    assert space.coordinates(values).dtype == np.float32
    assert len(space.directions) <= 32


def test_clusters_are_the_nearest_centroids(fitted):
    space, values = fitted
    z = space.standard.of_rows(values).astype(float)
    places = z @ np.array(space.clusters.basis).T
    for codes, (k, points) in zip(
        space.clusters_of(values), space.clusters.centroids.items(), strict=True
    ):
        far = ((places[:, None] - np.array(points)) ** 2).sum(axis=2)
        chosen = far[np.arange(N), codes]
        np.testing.assert_allclose(chosen, far.min(axis=1), rtol=1e-3)
        assert codes.dtype == np.int32
        assert set(codes) <= set(range(k))


def test_columns_are_named_for_rules(fitted):
    space, values = fitted
    columns = space.columns(values[:7])
    along = space.coordinates(values[:7])
    assert columns[Feature(kind="direction", name="2")].tolist() == along[:, 1].tolist()
    of_16 = columns[Feature(kind="cluster", name="16")]
    assert of_16.values == tuple(range(1, 17))
    assert of_16.codes.tolist() == space.clusters_of(values[:7])[1].tolist()


def test_what_a_file_holds_tells_the_same_to_the_bit(fitted):
    space, values = fitted
    again = Space.model_validate_json(space.model_dump_json())
    assert again == space
    assert again.coordinates(values).tobytes() == space.coordinates(values).tobytes()
    for mine, theirs in zip(space.clusters_of(values), again.clusters_of(values), strict=True):
        assert mine.tobytes() == theirs.tobytes()


def test_only_what_is_asked_is_kept_and_tells_the_same(fitted):
    space, values = fitted
    asked = [Feature(kind="direction", name="3"), Feature(kind="cluster", name="16")]
    columns = space.columns(values)
    kept = space.kept([*asked, Feature(kind="label", name="3")])
    assert list(kept.columns(values)) == asked
    found = kept.columns(values)
    np.testing.assert_allclose(found[asked[0]], columns[asked[0]], atol=1e-5)
    assert (found[asked[1]].codes == columns[asked[1]].codes).all()
    assert space.kept(asked[:1]).clusters is None
    assert list(space.kept(asked[1:]).columns(values)) == asked[1:]


def test_the_seed_alone_tells_the_result(drawn):
    values, _, damage = drawn(seed=2)
    with threadpool_limits(1):
        one = Space.fit(values, damage, seed=3)
    with threadpool_limits(2):
        two = Space.fit(values, damage, seed=3)
    assert one == two
    assert one != Space.fit(values, damage, seed=4)


def test_constant_features_change_nothing(drawn):
    values, _, damage = drawn(seed=4)
    padded = np.hstack([values, np.full((N, 1), 1e6), np.zeros((N, 1))]).astype(np.float32)
    padded[:, -2] += np.spacing(np.float32(1e6)) * (np.arange(N) % 2)  # rounding
    space = Space.fit(padded, damage)
    assert space.standard.factor[-2:] == (0, 0)
    assert not np.array(list(space.directions.values()))[:, -2:].any()


def test_a_sample_that_is_far_off_turns_no_direction_to_itself(drawn):
    values, _, damage = drawn(seed=4)
    values[0, 0] = 1e30  # its feature tells nothing then, and the others as much as before
    along = Space.fit(values, damage).coordinates(values)
    assert np.isfinite(along).all()
    assert (np.abs(along - along.mean(axis=0))[0] < 10 * along.std(axis=0)).all()


def test_images_that_repeat_are_clustered_without_a_warning():
    values = np.eye(4, dtype=np.float32)[np.arange(400) % 4]
    space = Space.fit(values, np.zeros((400, 1)))
    assert [len(np.unique(codes)) for codes in space.clusters_of(values)] == [4, 4]


@pytest.mark.parametrize(
    "values",
    [np.ones((60, 3)), np.random.default_rng(0).normal(size=(5, 3)), np.ones((1, 1))],
)
def test_too_little_gives_no_direction_and_no_cluster(values):
    values = values.astype(np.float32)
    space = Space.fit(values, np.zeros((len(values), 1)))
    assert space.coordinates(values).shape == (len(values), 0)
    assert space.clusters_of(values) == []
    assert space.columns(values) == {}


def test_few_samples_give_few_directions():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 200)).astype(np.float32)
    space = Space.fit(values, rng.normal(size=(50, 3)))
    assert 5 <= len(space.directions) <= 16
    assert np.isfinite(space.coordinates(values)).all()


def test_damage_that_is_the_same_everywhere_gives_no_direction_of_its_own(drawn):
    values, _, damage = drawn(seed=5)
    assert len(Space.fit(values, np.ones_like(damage)).directions) == 8 + 16


def test_embeddings_of_another_network_are_refused(fitted):
    with pytest.raises(DataError, match=r"have 47 features: expected 48"):
        fitted[0].columns(fitted[1][:, 1:])


@pytest.mark.parametrize(
    "change",
    [
        {"directions": {"1": [0.5]}},
        {"directions": {"0": [1.0, 1.0]}},
        {"directions": {"1": ["x", 1.0]}},
        {"standard": {"mean": [0.0, 0.0], "factor": [1.0]}},
        {"standard": {"mean": [], "factor": []}, "directions": {}},
        {"clusters": {"basis": [[1.0, 0.0]], "centroids": {"2": [[1.0]]}}},
        {"clusters": {"basis": [[1.0, 0.0]], "centroids": {"1": [[1.0, 2.0]]}}},
        {"clusters": {"basis": [[1.0]], "centroids": {}}},
        {"more": 1},
    ],
)
def test_numbers_that_do_not_fit_together_are_refused(change):
    told = {"standard": {"mean": [0, 0], "factor": [1, 1]}, "directions": {"1": [1, 0]}}
    assert Space.model_validate(told).coordinates(np.eye(2, dtype=np.float32)).tolist() == [
        [1],
        [0],
    ]
    with pytest.raises(ValidationError):
        Space.model_validate(told | change)


def test_not_a_number_is_refused():
    text = '{"standard": {"mean": [NaN], "factor": [1]}, "directions": {}}'
    with pytest.raises(ValidationError):
        Space.model_validate_json(text)


@pytest.fixture
def in_small_parts(monkeypatch):
    for module in (space_module, standard_module):
        monkeypatch.setattr(module, "CHUNK", 7)


def test_neighbours_and_typical_ones_are_those_of_brute_force(in_small_parts):
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(101, 4)) * [1, 10, 100, 0]).astype(np.float32)
    z = values[:, :3] / values[:, :3].std(axis=0)
    among = rng.permutation(101)[:60]
    row = int(among[5])
    order = sorted((((z[other] - z[row]) ** 2).sum(), other) for other in among if other != row)
    assert neighbours(values, row, among, 9).tolist() == [other for _, other in order[:9]]
    middle = z[among].mean(axis=0)
    order = sorted(among, key=lambda other: ((z[other] - middle) ** 2).sum())
    assert typical(values, among, 9).tolist() == order[:9]
    assert neighbours(values, 0, np.array([0]), 3).tolist() == []
    assert typical(values, among[:0], 3).tolist() == []


def test_of_equal_neighbours_the_first_row_is_first():
    values = np.array([[0.0], [1.0], [-1.0], [1.0]], np.float32)
    assert neighbours(values, 0, np.array([3, 2, 1]), 2).tolist() == [1, 2]
