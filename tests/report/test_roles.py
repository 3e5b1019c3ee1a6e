import pytest

from prunescope.audit.roles import roles
from prunescope.report import build, findings


def test_populations_tell_the_story_and_members_stand_behind(seeds):
    cast = roles(seeds.info)
    assert [model.name for model in cast.dense] == ["dense (3 seeds)"]
    assert [model.name for model in cast.compressed] == ["gmp 0.5 (3 seeds)", "gmp 0.9 (3 seeds)"]
    assert cast.compressed[1].baseline == "dense (3 seeds)"
    assert cast.compressed[1].metadata.seed is None
    assert cast.compressed[1].metadata.compression.sparsity == 0.9
    assert cast.models_of("gmp 0.9 (3 seeds)") == ["a0-0.9-0", "a0-0.9-1", "a0-0.9-2"]
    assert cast.models_of("a0-0.9-0") == ["a0-0.9-0"]
    assert cast.population_of["a0-dense-2"] == "dense (3 seeds)"


def test_without_populations_models_tell_it_themselves(many):
    cast = roles(many.info)
    assert [*cast.dense, *cast.compressed] == many.info.models
    assert cast.members == cast.population_of == {}


def test_a_model_of_no_population_stands_beside_them(planted):
    dense, compressed = planted.wide()
    cast = roles(planted.run(dense, compressed[:4], replicates=0).info)
    assert [model.name for model in cast.compressed] == ["gmp 0.5 (3 seeds)", "a0-0.9-0"]
    assert cast.compressed[1].baseline == "a0-dense-0"


@pytest.fixture(scope="module")
def report(seeds):
    return build(seeds)


def test_key_figures_findings_and_details_are_those_of_the_populations(seeds, report):
    names = ["gmp 0.5 (3 seeds)", "gmp 0.9 (3 seeds)"]
    assert [model.name for model in report.compressed] == names
    assert [model.name for model in report.dense] == ["dense (3 seeds)"]
    assert [detail.model for detail in report.details] == names
    assert {finding.model for finding in report.findings} == set(names)
    assert {finding.model for finding in findings(seeds)} == set(names)
    (row,) = seeds.overall.filter(model=names[1], metric="accuracy").to_dicts()
    shown = next(f for f in report.compressed[1].figures if f.metric == "accuracy")
    told = (shown.value, shown.low, shown.high, shown.delta, shown.verdict)
    assert told == tuple(row[k] for k in ("value", "low", "high", "delta", "verdict"))


def test_members_follow_their_population(report):
    assert [model.name for model in report.models[:5]] == [
        "dense (3 seeds)", "a0-dense-0", "a0-dense-1", "a0-dense-2", "gmp 0.5 (3 seeds)",
    ]  # fmt: skip
    assert [model.population for model in report.models[:2]] == [None, "dense (3 seeds)"]
    assert report.models[0].members == ["a0-dense-0", "a0-dense-1", "a0-dense-2"]
    assert len(report.seeds) == 9
    assert (report.count(dense=True), report.count(dense=False)) == (3, 6)
    member = report.models[1]
    assert member.headline is member.subject is None
    assert next(row.metric for row in member.figures) == "accuracy"


def test_curves_draw_populations_with_their_seeds_behind(seeds, report):
    curve = report.curves[0]
    assert [p.estimate.model for p in curve.points if not p.member] == [
        "dense (3 seeds)", "gmp 0.5 (3 seeds)", "gmp 0.9 (3 seeds)",
    ]  # fmt: skip
    seeds_shown = [p.estimate.model for p in curve.points if p.member]
    assert seeds_shown == [model.name for model in seeds.info.models]


def test_images_of_a_population_are_those_that_any_seed_harms_most(seeds, report):
    shown = report.details[1].affected
    every = [image for image in seeds.info.affected if image.model.startswith("a0-0.9")]
    worst = {}
    for image in every:
        kept = worst.get(image.id)
        if kept is None or (image.harm, image.moved) > (kept.harm, kept.moved):
            worst[image.id] = image
    wanted = sorted(worst.values(), key=lambda image: (-image.harm, -image.moved))[:24]
    assert [(image.id, image.model) for image in shown] == [(i.id, i.model) for i in wanted]
