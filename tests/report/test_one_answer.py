"""Whatever is read, console, page, JSON, Markdown or card, has the same answer."""

import html
import json
import re

import numpy as np
import polars as pl
import pytest

from prunescope.cli.tables import print_findings
from prunescope.data import Group, Samples
from prunescope.predictions import Metadata, Predictions
from prunescope.report import build, to_html, to_json, to_markdown, to_model_card
from prunescope.verdict import WORDS, Policy, shipped
from prunescope.verdict.numbers import escape

COUNTS = {"few": 12, "some": 300, "many": 4000}


def noisy(planted, n, noise, *, groups=True, names=("dense", "sparse")):
    """Return an audit of n images with six attributes, of which noise alone flips answers."""
    rng = np.random.default_rng([n, 7])
    male = {"Male": Group.from_series(pl.Series(rng.random(n) < 0.4))} if groups else {}
    latent = rng.normal(size=(n, 6)) - np.linspace(0, 1.2, 6)
    samples = Samples(
        pl.Series([f"i{i}" for i in range(n)]),
        tuple("abcdef"),
        (latent > 0).astype(np.int8),
        male,
    )
    scores = 3 * latent + rng.normal(size=(n, 6))
    models = [
        Predictions(samples, scores + size * rng.normal(size=(n, 6)), Metadata(name=name))
        for name, size in zip(names, (0.0, noise), strict=True)
    ]
    return planted.run(*models)


WORLDS = {
    "few": ("unknown", lambda planted, _: noisy(planted, 12, 0.3)),
    "some": ("unknown", lambda planted, _: noisy(planted, 300, 0.3)),
    "no groups": ("unknown", lambda planted, _: noisy(planted, 300, 0.3, groups=False)),
    "ruined": ("stop", lambda planted, _: noisy(planted, 4000, 6.0)),
    "damage": ("stop", lambda _, get: get("harmed")),
    "nothing changed": ("care", lambda _, get: get("unharmed")),
    "plenty": ("ship", lambda _, get: get("plenty")),
    "models": ("care", lambda _, get: get("many")),
    "classes": ("stop", lambda _, get: get("classes")),
    "seeds": ("stop", lambda _, get: get("seeds")),
    "too few": ("unknown", lambda _, get: get("few")),
    "no intervals": ("stop", lambda _, get: get("untested")),
}


@pytest.fixture(scope="module", params=WORLDS)
def world(request, planted):
    """An audit, its report, and the answer that it has to get."""
    answer, make = WORLDS[request.param]
    audit = make(planted, request.getfixturevalue)
    return answer, audit, build(audit)


def words_of(page):
    """Return the words of a page that are shown, apart from style and scripts."""
    shown = re.sub(r"(?s)<(style|script|symbol).*?</\1>|<[^>]*>", " ", page)
    return " ".join(html.unescape(shown).split())


def console(report, capsys):
    capsys.readouterr()
    print_findings(report)
    return " ".join(capsys.readouterr().out.split())


def test_all_tell_the_same_answer(world, capsys):
    answer, audit, report = world
    verdict = shipped().judge(audit)
    assert report.verdict == verdict
    assert verdict.answer == answer
    page = to_html(report)
    (heading,) = re.findall(r'<h1><span class="answer (\w+)">.*?</svg>(.*?)</span>', page, re.S)
    assert heading == (answer, html.escape(verdict.text))
    assert f"{verdict.text} {report.headline}" in words_of(page)
    assert console(report, capsys).startswith(f"{verdict.text} {report.headline}"[:200])
    for text in (to_markdown(report), to_model_card(report)):
        assert f"**{escape(verdict.text)}** {escape(report.headline)}" in text
    told = json.loads(to_json(report))["verdict"]
    assert (told["answer"], told["text"]) == (answer, verdict.text)
    assert told["answers"] == verdict.answers
    assert verdict.text in report._repr_html_()


def test_findings_count_as_the_first_screen_does(world):
    """Of how many rows, and how many of them are at or beyond a limit."""
    _, _, report = world
    counts = r"(\d+) of (\d+) (?:attribute|class)[-\w]*(?: \((\d+) at or beyond a limit\))?"
    for model in report.compressed:
        judged = {one.criterion: one for one in report.judged(model.name).criteria}
        for finding in report.findings_of(model.name):
            one, found = judged.get(finding.text.split(":")[0]), re.search(counts, finding.text)
            if one is not None and found is not None:
                n, total, broken = found.groups()
                assert (int(total), int(broken or n)) == (one.n_rows, one.n_broken or int(n))


def test_all_tell_the_same_of_each_model(world, capsys):
    _, _, report = world
    out = console(report, capsys)
    page, text = words_of(to_html(report)), to_markdown(report)
    for model in report.compressed:
        judged = report.judged(model.name)
        word = WORDS[report.verdict.answers[model.name]]
        assert judged.answer == report.verdict.answers[model.name]
        assert f"{model.name}: {word}" in out
        assert judged.text in text
        if len(report.compressed) > 1:
            assert f"{model.name} {word}" in page
            assert f". {word}\n" in text
        bad = judged.having("broken", "open", "not judged")
        for one in bad:
            assert f"{escape(one.criterion)}: {escape(one.text)}" in text


def test_the_first_screen_lists_what_is_broken_open_and_held(world):
    _, _, report = world
    screen = to_html(report).split('<div id="verdict">')[1].split("<nav")[0]
    judged = report.judged(report.featured)
    lists = re.findall(r'(?s)<div class="judged (broken|open|held)">(.*?)</div>', screen)
    assert [name for name, _ in lists] == ["broken", "open", "held"]
    states = {"broken": ["broken"], "open": ["open", "not judged"], "held": ["held"]}
    for name, part in lists:
        items = re.findall(r"(?s)<li>(.*?)</li>", part)
        found = judged.having(*states[name])
        assert len(items) == len(found)
        for item, one in zip(items, found, strict=True):
            told = words_of(item)
            assert told.startswith(one.criterion)
            assert told.endswith(" ".join(one.text.split()))
    settled = judged.answer in ("unknown", "care") and bool(judged.settling)
    assert ('id="settle"' in screen) == settled


def test_a_headline_does_not_contradict_its_answer(world):
    answer, _, report = world
    if len(report.compressed) == 1:
        assert ("these data cannot tell" in report.headline) == (answer == "unknown")
        assert ("is ruled out" in report.headline) == (answer == "ship")
    assert "unchanged" not in report.headline
    assert "no damage" not in report.headline


def test_what_chance_alone_would_call_worse_is_said(world):
    _, _, report = world
    page = words_of(to_html(report))
    told = f"{report.n_families:,} families of figures were tested on"
    assert (told in page) == (report.n_families > 0)
    if report.n_families:
        expected = f"{0.05 * report.n_families:.2g}"
        assert f"about {expected} such rows are to be expected by chance" in page


def test_what_would_settle_it_begins_with_the_deciding_one_that_lacks_most(planted):
    report = build(noisy(planted, 300, 0.3))
    judged = report.judged("sparse")
    found = judged.settling
    deciding = [row.more for one, row in found if one.decides]
    assert deciding
    assert deciding == sorted(deciding, reverse=True)
    assert [one.decides for one, _ in found] == sorted(
        (one.decides for one, _ in found), reverse=True
    )
    for one, row in found:
        assert row.more == max(row.more for row in one.rows if row.more is not None)
    first = words_of(to_html(report).split('id="settle">')[1].split("</li>")[0])
    n = found[0][1].more
    rounded = float(f"{n:.2g}")
    assert first.endswith(f"{found[0][0].criterion} : about {rounded:,.0f} more images would tell")


def test_the_worst_seed_speaks_for_its_population(seeds):
    report = build(seeds)
    for model in report.compressed:
        judged = report.judged(model.name)
        alike = [
            one
            for one in report.verdict.models
            if one.model in model.members and one.answer == judged.answer
        ]
        most = max(len(one.having("broken")) for one in alike)
        assert len(judged.having("broken")) == most
        assert judged.answer == report.verdict.answers[model.name]


def test_a_policy_of_ones_own_is_the_policy_of_all(harmed, capsys):
    policy = Policy.parse("{version: 2, criteria: [{name: Mine, metric: accuracy, lte: 1}]}")
    report = build(harmed, policy=policy)
    assert report.verdict == policy.judge(harmed)
    assert report.headline == (
        "95% of weights removed: accuracy −3.2 points (−3.8 to −2.8), and every damage beyond the "
        "limits is ruled out."
    )
    assert console(report, capsys).startswith("Ship. 95% of weights removed")
    assert "Mine: at most 100%, else severe (accuracy); decides." in words_of(to_html(report))
