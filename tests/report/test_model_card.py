"""The sections of a model card: what an audit found, and what it could not tell."""

import re
from dataclasses import replace

import polars as pl
import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.repocard import metadata_eval_result

from prunescope.errors import ConfigError
from prunescope.predictions import Compression
from prunescope.report import FORMATS, build, to_model_card, write_report
from prunescope.report.front_matter import front_matter
from prunescope.report.model_card import MOST_GAPS, MOST_NAMES

HEADINGS = [
    "## Bias, Risks, and Limitations",
    "### What could not be estimated",
    "### Recommendations",
    "## Evaluation",
    "### Testing Data, Factors & Metrics",
    "#### Testing Data",
    "#### Factors",
    "#### Metrics",
    "### Results",
    "#### How the figures were made",
]


def headings(text):
    return [line for line in text.splitlines() if line.startswith("#")]


def section(text, heading):
    return re.split(r"\n#+ ", text.split(f"{heading}\n")[1])[0]


def test_the_sections_and_what_they_say(harmed):
    report = build(harmed)
    text = to_model_card(report)
    assert headings(text) == HEADINGS
    bias = section(text, HEADINGS[0])
    assert "on 1,200 images:\n\n**Do not ship.** 95% of weights removed: accuracy −3.2" in bias
    assert "- **broken, severe** Rare answers fade: Bald: 1.00 → 0.20 (" in bias
    assert "- Weigh what is broken and what is open above" in text
    assert "- **severe**: Rare answers fade: on 2 of 4 attributes" in bias
    assert "- Bias amplification, 2 estimates: not applicable (Male is the group itself)" in text
    assert section(text, "#### Testing Data").strip() == "1,200 images, split test."
    factors = section(text, "#### Factors")
    assert "- 4 attributes: Bald, Big_Nose, Male, Smiling\n- 1 group: Male" in factors
    assert "- Bias amplification: Take the side of a group" in section(text, "#### Metrics")
    results = section(text, "### Results")
    assert "| sparse95 | 95% | 96.8% [96." in results
    assert "95% intervals" in results
    made = section(text, HEADINGS[-1])
    assert "- 95% intervals that cover the choice of images" in made
    assert "- sparse95: gmp, 95% of weights removed, compared with dense" in made
    assert "[More Information Needed]" not in text


def test_models_get_a_heading_each_and_what_was_found(many, seeds):
    text = to_model_card(build(many))
    assert [h for h in headings(text) if h.startswith("### gmp-")] == [
        "### gmp-0.5-0: 50% of weights removed by gmp. Ship with care",
        "### gmp-0.8-0: 80% of weights removed by gmp. Ship with care",
        "### gmp-0.95-0: 95% of weights removed by gmp. Do not ship",
    ]  # fmt: skip
    pooled = to_model_card(build(seeds))
    assert [h for h in headings(pooled) if "gmp" in h] == [
        "### gmp 0.5 (3 seeds): 50% of weights removed. Do not ship",
        "### gmp 0.9 (3 seeds): 90% of weights removed. Do not ship",
    ]  # fmt: skip
    assert "- Most compressed models answer otherwise" in pooled


def test_what_is_not_known_is_said_and_only_then(few, harmed):
    text = to_model_card(build(few))
    gaps = [line for line in section(text, HEADINGS[1]).splitlines() if line.startswith("- ")]
    assert all("insufficient support" in line or "not applicable" in line or "undefined" in line
               or line.endswith("estimates more") for line in gaps)  # fmt: skip
    assert len(gaps) <= MOST_GAPS + 1
    assert "nothing is known: that is not the same as no harm" in text
    whole = build(harmed).model_copy(update={"gaps": []})
    assert headings(to_model_card(whole)) == [h for h in HEADINGS if h != HEADINGS[1]]
    assert "nothing is known" not in to_model_card(whole)


def test_without_intervals_none_is_claimed(untested):
    text = to_model_card(build(untested))
    assert "- no intervals were asked for" in text
    assert "% intervals" not in text


def test_many_names_are_counted(harmed):
    report = build(harmed)
    groups = [f"g{i}" for i in range(MOST_NAMES + 5)]
    factors = section(
        to_model_card(report.model_copy(update={"groups": groups, "n_attributes": 1000})),
        "#### Factors",
    )
    assert "- 1,000 attributes: Bald, Big_Nose, Male, Smiling, 996 more" in factors
    assert "g59, 5 more" in factors
    none = to_model_card(report.model_copy(update={"groups": []}))
    assert "- no groups: how it treats them is not known" in none


@pytest.mark.parametrize("name", ["hostile", "hostile_seeds", "hostile_classes"])
def test_hostile_names_add_no_markup(request, name):
    metadata, text = re.split(r"^---\n", to_model_card(build(request.getfixturevalue(name))),
                              flags=re.M)[1:]  # fmt: skip
    assert yaml.safe_load(metadata)["model-index"]
    assert not re.search(r"(?<!\\)[<>]", re.sub(r"^> ", "", text, flags=re.M))
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {9}
    assert [h for h in headings(text) if not h.startswith("### ")] == [
        h for h in HEADINGS if not h.startswith("### ")
    ]


def test_it_is_a_format_of_the_report(harmed, tmp_path):
    report = build(harmed)
    (path,) = write_report(report, tmp_path, formats=("card",))
    assert path == tmp_path / "model_card.md"
    assert path.read_text(encoding="utf-8") == to_model_card(report) == FORMATS["card"](report)


@pytest.fixture(scope="module")
def card(harmed, tmp_path_factory):
    """Return a function: settings of the compressed model, and of `build` → the card, as read."""

    def read(how=None, arch=None, audit=harmed, **options):
        models = [
            one.model_copy(
                update={"metadata": one.metadata.model_copy(
                    update={"compression": how or one.metadata.compression} if one.baseline
                    else {"model": {"arch": arch}}
                )}
            )
            for one in audit.info.models
        ]  # fmt: skip
        told = replace(audit, info=audit.info.model_copy(update={"models": models}))
        (path,) = write_report(
            build(told, **options), tmp_path_factory.mktemp("card"), formats=("card",)
        )
        return ModelCard.load(path)

    return read


def test_the_hub_reads_the_figures_of_the_audit(card, harmed):
    found = card()
    assert found.data.model_name == "sparse95"
    over_all = pl.col("attribute").is_null() & pl.col("group_value").is_null()
    table = harmed.table.filter(over_all, model="sparse95")
    rows = {row["metric"]: row["value"] for row in table.iter_rows(named=True)}
    figures = {one.metric_type: one for one in found.data.eval_results}
    assert {"accuracy", "rare_value_ratio", "flip_rate"} <= figures.keys()
    for metric, one in figures.items():
        assert one.metric_value == pytest.approx(rows[metric], rel=1e-5), metric
        assert (one.task_type, one.dataset_type) == ("image-classification", "unknown")
        assert one.dataset_split == "test"
    one = figures["accuracy"]
    made = metadata_eval_result(
        model_pretty_name="sparse95",
        task_pretty_name="Multi-label Image Classification",
        task_id="image-classification",
        metrics_pretty_name="Accuracy",
        metrics_id="accuracy",
        metrics_value=one.metric_value,
        dataset_pretty_name="unknown",
        dataset_id="unknown",
        dataset_split="test",
    )
    [entry] = yaml.safe_load(re.split(r"^---\n", str(found), flags=re.M)[1])["model-index"]
    [result] = entry["results"]
    [accuracy] = [metric for metric in result["metrics"] if metric["type"] == "accuracy"]
    alone = [{**accuracy, "verified": False}]
    assert made["model-index"] == [{**entry, "results": [{**result, "metrics": alone}]}]
    assert found.content == str(ModelCard(found.content))
    assert found.text.startswith("\n## Bias, Risks, and Limitations")


@pytest.mark.parametrize(
    ("how", "relation"),
    [
        (Compression(method="gmp-pt", sparsity=0.9), "finetune"),
        (Compression(method="distilled"), "finetune"),
        (Compression(method="int8", bits=8), "quantized"),
        (Compression(method="gmp-pt", sparsity=0.9, bits=4), "quantized"),
        (Compression(method="static_uint8"), "quantized"),
        (Compression(method="Quanto"), "quantized"),
        (Compression(), None),
    ],
)
def test_what_it_is_to_the_model_it_was_made_of(card, how, relation):
    data = card(how, base_model="microsoft/resnet-18").data
    assert data.base_model == "microsoft/resnet-18"
    assert data.get("base_model_relation") == relation
    assert data.pipeline_tag == "image-classification"
    assert "base_model_relation" not in card(how).data


@pytest.mark.parametrize(
    ("arch", "base"),
    [
        ("hf:google/vit-base-patch16-224", "google/vit-base-patch16-224"),
        *((one, None) for one in ("resnet18", "hf:resnet", "hf:./models/vit", "hf:/srv/a/b", None)),
    ],
)
def test_the_base_is_what_dense_models_were_loaded_by(card, arch, base):
    assert card(arch=arch).data.base_model == base
    assert card(arch=arch, base_model="a/b").data.base_model == "a/b"


@pytest.mark.parametrize("name", ["a/b/c", "../x", "a b", "", "x\ny: 1", "/a"])
def test_a_base_that_cannot_be_one_is_refused(harmed, name):
    with pytest.raises(ConfigError, match="no name of a model on the Hugging Face hub"):
        build(harmed, base_model=name)


def test_several_models_have_an_entry_each(seeds, few):
    told = yaml.safe_load(re.split(r"^---\n", to_model_card(build(seeds)), flags=re.M)[1])
    assert [one["name"] for one in told["model-index"]] == [
        "gmp 0.5 (3 seeds)",
        "gmp 0.9 (3 seeds)",
    ]
    assert "model-index" not in yaml.safe_load(
        re.split(r"^---\n", to_model_card(build(few)), flags=re.M)[1]
    )


def test_no_name_ends_the_metadata(harmed):
    report = build(harmed)
    models = [
        one.model_copy(update={"name": "a\n---\nb: |\n- 'c"}) if one.baseline else one
        for one in report.models
    ]
    text = front_matter(report.model_copy(update={"models": models}))
    assert ModelCard(text).data.model_name == "a --- b: | - 'c"


def test_the_command_takes_the_base(harmed, tmp_path):
    from typer.testing import CliRunner

    from prunescope.cli.app import app

    harmed.save(tmp_path)
    words = ["report", str(tmp_path), "--format", "card", "--base-model", "microsoft/resnet-18"]
    assert CliRunner().invoke(app, words).exit_code == 0
    data = ModelCard.load(tmp_path / "model_card.md").data
    assert (data.base_model, data.base_model_relation) == ("microsoft/resnet-18", "finetune")
