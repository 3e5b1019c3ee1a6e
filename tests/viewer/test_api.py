"""The API: what it tells is what the files hold, and no input breaks it."""

import csv
import io

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from PIL import Image
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from prunescope.viewer.decisions import Decisions


def decide(client, id, attribute="Bald", answer="yes", by="ada"):
    body = {"id": id, "attribute": attribute, "answer": answer, "by": by}
    return client.post("/api/review/decisions", json=body)


def test_a_page_of_samples_tells_both_answers(client, collection):
    told = client.get("/api/samples?attribute=Bald&flip=harmful&size=2&model=sparse-1").json()
    dense, sparse = collection.models["dense-1"], collection.models["sparse-1"]
    column = collection.columns["Bald"]
    labels = collection.samples.labels[:, column]
    harmful = (dense.yes != sparse.yes)[:, column] & (labels == dense.yes[:, column])
    assert told["total"] == harmful.sum()
    assert (told["page"], told["pages"]) == (1, -(-int(harmful.sum()) // 2))
    for card in told["samples"]:
        row = collection.rows[card["id"]]
        assert harmful[row]
        assert card["n_flips"] == (dense.yes != sparse.yes)[row].sum()
        answer = card["answer"]
        assert answer["flip"] == "harmful"
        assert answer["label"] == bool(labels[row]) == answer["dense"] != answer["compressed"]
        assert answer["p_dense"] == pytest.approx(dense.probability[row, column], abs=1e-4)
        assert answer["risk"] == pytest.approx(collection.risk.risk[row, column], rel=1e-6)
        assert answer["why"] in collection.risk.reasons


def test_a_sample_tells_every_answer_of_every_model(client, collection):
    told = client.get("/api/sample", params={"id": "face/3 é", "model": "sparse-0"}).json()
    assert told["groups"].keys() == collection.samples.groups.keys()
    assert {q["answer"]["attribute"] for q in told["questions"]} == set(collection.columns)
    for question in told["questions"]:
        column = collection.columns[question["answer"]["attribute"]]
        assert [one["model"] for one in question["said"]] == list(collection.models)
        for one in question["said"]:
            model = collection.models[one["model"]]
            assert one["yes"] == model.yes[3, column]
            assert one["probability"] == pytest.approx(model.probability[3, column], abs=1e-4)


def test_an_image_is_that_of_its_sample(client, collection):
    shown = 0
    for row in range(len(collection.samples)):
        answer = client.get(f"/image/{row}")
        [places] = (
            (collection.dataset.samples.ids == collection.samples.ids[row]).to_numpy().nonzero()
        )
        if not len(places):
            assert answer.status_code == 404
            continue
        shown += 1
        pixels = np.asarray(Image.open(io.BytesIO(answer.content))).transpose(2, 0, 1)
        assert np.array_equal(pixels, collection.dataset.images(places)[0])
    assert shown == len(collection.samples) - 1


@pytest.mark.parametrize(
    "path",
    [
        "/image/..%2f..%2fetc%2fpasswd", "/image/%2e%2e/%2e%2e/etc/passwd",
        "/image/../../etc/passwd", "/static//etc/passwd",
        "/image/-1", "/image/60", "/image/1e9", "/image/99999999999999999999", "/image/0%00",
        "/static/..%2fapp.py", "/static/../app.py", "/static/%2e%2e%2fapp.py",
        "/static/viewer.css%00.png", "/static/", "/image/",
    ],
)  # fmt: skip
def test_no_path_leads_out(client, path):
    answer = client.get(path)
    assert answer.status_code in (404, 422)
    assert "root:" not in answer.text
    assert "import " not in answer.text


def test_two_reviewers_are_never_asked_the_same_and_the_queue_ends(client):
    query = "attribute=Bald&flip=any&model=sparse-0"
    total = client.get(f"/api/review/progress?{query}").json()["total"]
    assert total >= 4
    first, second = (client.post(f"/api/review/next?{query}&session={who}").json() for who in "ab")
    assert first["position"] == 0
    assert second["position"] == 1
    asked = []
    for turn in range(total):
        item = client.post(f"/api/review/next?{query}&session={'ab'[turn % 2]}").json()
        asked.append(item["id"])
        assert decide(client, item["id"], by="ab"[turn % 2]).status_code == 201
    assert len(set(asked)) == total
    last = client.post(f"/api/review/next?{query}&session=a").json()
    assert last["position"] is None
    assert last["progress"]["decided"] == total
    assert sum(last["progress"]["reviewers"].values()) == total


def test_both_groups_of_a_url_count(client, collection):
    groups = collection.samples.groups
    male = groups["Male"].codes == groups["Male"].values.index(True)
    town = groups['a "town", or']
    there = town.codes == town.values.index("z")
    wanted = [("group", "Male=True"), ("group", '"a ""town"", or"=z')]
    n = int((male & there).sum())
    assert 0 < n < min(male.sum(), there.sum())
    assert client.get("/api/samples", params=wanted).json()["total"] == n
    asked = client.get("/api/review/progress", params=[*wanted, ("attribute", "Bald")])
    assert asked.json()["total"] == n
    page = client.get("/samples", params=wanted).text
    assert page.count('<option value="Male=True" selected>') == 1
    assert page.count("=z&#34; selected") + page.count('=z" selected') == 1


def test_asking_what_comes_next_without_the_token_keeps_nobody_from_it(
    collection, decisions, client_of, client
):
    stranger = client_of(collection, decisions)
    query = "attribute=Bald&flip=any&model=sparse-0"
    for number in range(5):
        told = stranger.get(f"/api/review/next?{query}&session=other-{number}")
        assert (told.status_code, told.json()["position"]) == (200, 0)
    assert stranger.post(f"/api/review/next?{query}&session=other").status_code == 403
    assert client.post(f"/api/review/next?{query}&session=a").json()["position"] == 0
    assert stranger.get(f"/api/review/next?{query}&session=b").json()["position"] == 1
    assert stranger.get(f"/api/review/next?{query}&session=a").json()["position"] == 0


def test_next_passes_over_what_was_skipped_and_comes_back_to_it(client):
    query = "attribute=Bald&model=sparse-0&session=a"
    total = client.post(f"/api/review/next?{query}").json()["progress"]["total"]
    assert client.post(f"/api/review/next?{query}&after=0").json()["position"] == 1
    assert client.post(f"/api/review/next?{query}&after={total - 1}").json()["position"] == 0


def test_what_was_decided_is_exported_and_undone(client, decisions):
    decide(client, "face/1 é", '=Odd & "even"', "label_wrong")
    decide(client, "face/2 é", answer="no")
    rows = list(csv.DictReader(io.StringIO(client.get("/api/review/export.csv").text)))
    assert [(row["id"], row["attribute"], row["answer"], row["by"]) for row in rows] == [
        ("face/1 é", '\'=Odd & "even"', "label_wrong", "ada"),
        ("face/2 é", "Bald", "no", "ada"),
    ]
    undone = client.post("/api/review/undo", json={"by": "ada"}).json()["undone"]
    assert (undone["id"], undone["answer"]) == ("face/2 é", "no")
    assert client.post("/api/review/undo", json={"by": "bob"}).json() == {"undone": None}
    assert len(Decisions(decisions.path).decided) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"id": "face/99 é"}, 404),
        ({"attribute": "bald"}, 404),
        ({"answer": "maybe"}, 422),
        ({"by": ""}, 422),
        ({"by": "x" * 101}, 422),
        ({"more": 1}, 422),
        ({"id": "face/59 é", "answer": "label_wrong"}, 404),
    ],
)
def test_a_decision_that_makes_no_sense_is_not_kept(client, decisions, body, status):
    whole = {"id": "face/1 é", "attribute": "Bald", "answer": "yes", "by": "ada"} | body
    answer = client.post("/api/review/decisions", json=whole)
    assert answer.status_code == status
    assert answer.json()["detail"]
    assert not decisions.path.exists()


def test_a_file_that_cannot_be_written_is_told(client, decisions):
    decisions.path.parent.mkdir()
    decisions.path.mkdir()
    answer = decide(client, "face/1 é")
    assert answer.status_code == 503
    assert "cannot be read" in answer.json()["detail"]


def test_classes_are_asked_about_one_by_one(classes, decisions, client_of, token):
    client = client_of(classes, decisions, **{"x-prunescope-token": token})
    told = client.get("/api/samples?flip=any").json()
    moved = (classes.models["sparse-0"].yes != classes.models["dense-0"].yes).any(axis=1)
    assert told["total"] == moved.sum() > 0
    assert client.get("/?").status_code == 200
    assert client.get("/attribute?attribute=cat").status_code == 200
    assert decide(client, "face/1 é", "cat").status_code == 201


def test_no_request_that_the_openapi_allows_breaks_the_server(
    collection, decisions, client_of, token
):
    app = client_of(collection, decisions).app
    headers = {"x-prunescope-token": token, "host": "127.0.0.1"}
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app, headers=headers)
    operations = {one.ok().label: one.ok() for one in schema.get_all_operations()}
    answered = dict.fromkeys(operations, 0)
    for operation in operations.values():

        @settings(max_examples=30, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def run(case):
            answer = case.call(headers=headers)
            case.validate_response(
                answer,
                checks=[not_a_server_error, response_schema_conformance, status_code_conformance],
                headers=headers,
            )
            answered[case.operation.label] += answer.status_code < 300

        run()
    assert set(answered) == {
        "GET /api/samples",
        "GET /api/sample",
        "POST /api/explain",
        "GET /api/review/next",
        "POST /api/review/next",
        "GET /api/review/progress",
        "POST /api/review/decisions",
        "POST /api/review/undo",
        "GET /api/review/export.csv",
        "GET /image/{row}",
        "GET /api/map",
        "GET /api/map/layouts",
        "GET /api/map/image/{row}",
    }
    assert answered["POST /api/review/undo"] > 0
    assert answered["GET /api/review/export.csv"] > 0
