from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from prunescope.report import Report, build, findings, to_json

AUDITS = (
    "harmed", "unharmed", "many", "few", "ungrouped", "single", "classes", "hostile",
    "pooled", "seeds", "untested", "class_seeds", "hostile_seeds", "hostile_classes",
)  # fmt: skip


@pytest.fixture(params=AUDITS)
def audit(request):
    return request.getfixturevalue(request.param)


def test_building_is_pure(audit):
    before = audit.table.clone()
    assert build(audit) == build(audit)
    assert audit.table.equals(before)


def test_json_and_back(audit):
    report = build(audit)
    assert Report.model_validate_json(to_json(report)) == report


def test_a_report_has_the_findings_of_the_audit(audit):
    report = build(audit)
    told = sorted(report.findings, key=str)
    assert told == sorted(findings(audit), key=str)
    populations = {population.name for population in audit.info.populations}
    assert {m.name for m in report.models} == {m.name for m in audit.info.models} | populations


def test_the_headline_is_the_story_of_the_planted_damage(harmed):
    assert build(harmed).headline == (
        "95% of weights removed: accuracy −3.2 points, and the rarer answer is given less than "
        "half as often as it is true for Bald; answers on Big_Nose lean 13.3 points further "
        "towards Male."
    )


def test_the_headline_says_what_is_ruled_out_and_what_is_not(unharmed):
    assert build(unharmed).headline == (
        "50% of weights removed: accuracy is at most 0.3 points worse; cannot be ruled out: Some "
        "groups lose more."
    )


def test_the_headline_of_many_models_is_of_the_first_that_may_not_be_shipped(many):
    report = build(many)
    assert report.verdict.text == (
        "Ship with care: at most 80% of weights removed. Do not ship: more than 80% removed."
    )
    assert report.headline.startswith("95% of weights removed by gmp: accuracy −3.2 points, and ")
    assert report.featured == "gmp-0.95-0"


def test_too_few_samples_make_no_claim(few):
    assert build(few).headline == (
        "90% of weights removed: these data cannot tell; accuracy cannot be compared."
    )


def test_families_are_those_that_are_corrected_together(single, few):
    """Counted by hand: those of all attributes and those of the one attribute apart."""
    rows = single.table.filter(pl.col("q_value").is_not_null()).rows(named=True)
    families = {(row["metric"], row["group"], row["attribute"] is None) for row in rows}
    assert build(single).n_families == len(families) > 0
    assert build(few).n_families == 0


def test_another_format_version_is_refused(harmed):
    text = to_json(build(harmed)).replace('"format_version":5', '"format_version":4')
    with pytest.raises(ValidationError, match="format_version"):
        Report.model_validate_json(text)


def test_titles(harmed, many, pooled, seeds):
    assert build(harmed).title == "sparse95 against dense"
    assert build(many).title == "6 compressed models against dense-0"
    assert build(pooled).title == "12 compressed models against dense (2 seeds)"
    assert build(seeds).title == "6 compressed models against dense (3 seeds)"
    assert build(many, title="Mine").title == "Mine"


def test_dense_models_come_first_and_then_the_sparser_the_later(many):
    models = build(many).models
    assert [m.baseline is None for m in models[:2]] == [True, False]
    assert [m.sparsity for m in models[1:]] == [0.5] * 2 + [0.8] * 2 + [0.95] * 2


def test_thumbnails_are_of_the_affected_images(harmed, pictures):
    report = build(harmed, dataset=pictures, max_thumbnails=3)
    ids = [image.id for image in report.details[0].affected]
    assert len(ids) == 3
    assert list(report.thumbnails) == ids
    assert ids == [image.id for image in harmed.info.affected[:3]]


def test_without_a_data_set_images_go_by_id(harmed):
    report = build(harmed)
    assert report.thumbnails == {}
    assert len(report.details[0].affected) == 24


def test_provenance_tells_settings_seeds_counts_and_versions(many):
    provenance = build(many).provenance
    assert provenance.settings["replicates"] == 200
    assert provenance.settings["seed"] == 1
    assert provenance.settings["estimates"] == many.table.height
    assert provenance.versions.keys() >= {"prunescope", "python", "numpy", "polars"}
    last = provenance.models[-1]
    assert last["compared with"] == "dense-0"
    assert last["compression"] == {"method": "one-shot", "sparsity": 0.95}
    assert last["training rates"] == "in the file"
    assert "train_prevalence" not in last


def test_warnings_and_notes_are_passed_on(planted):
    samples = planted.faces()
    nothing = {"train_prevalence": None, "train_group_rates": None}
    dense, sparse = (
        replace(file, metadata=file.metadata.model_copy(update=nothing))
        for file in (planted.model(samples, planted.right(samples), n) for n in ("a", "b"))
    )
    report = build(planted.run(dense, sparse.take(np.arange(1100))))
    assert "No file tells the rates of the training split" in report.warnings[0]
    assert "100 of 1200 samples left out" in report.provenance.notes[0]


def test_each_model_has_its_own_images(many):
    for detail in build(many).details:
        assert bool(detail.affected) == ("0.95" in detail.model)
        assert {image.model for image in detail.affected} <= {detail.model}


def test_it_looks_well_in_a_notebook(harmed, hostile):
    html = build(harmed)._repr_html_()
    assert "Do not ship. 95% of weights removed: accuracy" in html
    assert html.count("broken") >= 5
    assert "Accuracy falls" in html
    assert "<img" not in build(hostile)._repr_html_()
