"""Who is let in: hosts, origins, tokens, sizes; and what a page may load."""

import pytest

from prunescope.viewer.guard import LARGEST_BODY

from_elsewhere = pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"x-prunescope-token": "wrong"},
        {"x-prunescope-token": ""},
        {"x-prunescope-token": "é"},
    ],
)
JUDGEMENT = {"id": "face/1 é", "attribute": "Bald", "answer": "yes", "by": "ada"}


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8760", "127.0.0.1.evil.example", "", "localhost.", "[::2]:8760"],
)
@pytest.mark.parametrize("path", ["/", "/api/samples", "/image/0", "/static/viewer.js"])
def test_on_loopback_another_host_is_refused(client, host, path):
    answer = client.get(path, headers={"host": host})
    assert answer.status_code == 403
    assert "expected one of 127.0.0.1, localhost, [::1]" in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:8760", "localhost:1", "localhost", "[::1]:8760"])
def test_this_machine_is_let_in_by_each_of_its_names(client, host):
    assert client.get("/api/samples", headers={"host": host}).status_code == 200


@from_elsewhere
def test_a_write_from_elsewhere_is_refused(client, decisions, headers):
    sent = {key: value.encode() for key, value in headers.items()}
    answer = client.post("/api/review/decisions", json=JUDGEMENT, headers=sent)
    assert answer.status_code == 403
    assert client.post("/api/review/undo", json={"by": "ada"}, headers=sent).status_code == 403
    assert not decisions.path.exists()


def test_a_write_from_the_viewers_own_page_is_let_in(client, decisions):
    headers = {"origin": "http://127.0.0.1:8760", "sec-fetch-site": "same-origin"}
    answer = client.post("/api/review/decisions", json=JUDGEMENT, headers=headers)
    assert answer.status_code == 201
    assert decisions.decided == {("face/1 é", "Bald")}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_do_nothing(client, method):
    assert client.request(method, "/api/review/decisions").status_code in (400, 405)


@pytest.mark.parametrize("declared", [True, False])
def test_a_large_body_is_refused_whether_or_not_it_says_so(client, declared):
    body = b"x" * (LARGEST_BODY + 1)
    content = body if declared else iter([body[:1000], body[1000:]])
    assert client.post("/api/review/decisions", content=content).status_code == 413


def test_a_long_url_is_refused(client):
    assert client.get("/samples?id=" + "x" * 20_000).status_code == 414


@pytest.mark.parametrize("path", ["/", "/samples", "/api/samples", "/image/0", "/nothing"])
def test_every_answer_says_what_its_page_may_load(client, path):
    headers = client.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_the_report_keeps_its_own_policy_and_is_framed_by_nobody(client):
    answer = client.get("/report")
    assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"
    assert "default-src 'none'" in answer.text
    assert "'unsafe-inline'; script-src 'sha256-" in answer.text


class TestOffLoopback:
    @pytest.fixture
    def stranger(self, collection, decisions, client_of):
        return client_of(collection, decisions, loopback=False)

    @pytest.mark.parametrize("path", ["/", "/api/samples", "/image/0", "/static/viewer.js"])
    def test_nothing_is_read_without_the_token(self, stranger, path):
        for query in ("", "?token=wrong"):
            answer = stranger.get(path + query, headers={"host": "faces.example"})
            assert answer.status_code == 401
            assert "prunescope view" in answer.text

    def test_the_token_in_the_url_becomes_a_cookie_and_leaves_the_url(self, stranger, token):
        answer = stranger.get(f"/samples?flip=any&token={token}&id=%C3%A9")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/samples?flip=any&id=%C3%A9"
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert "samesite=strict" in answer.headers["set-cookie"].lower()
        assert stranger.get("/samples?flip=any").status_code == 200

    def test_the_way_back_stays_on_this_server(self, stranger, token):
        answer = stranger.get(f"http://127.0.0.1:8760//evil.example/?token={token}")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/evil.example/"

    def test_a_cookie_alone_writes_nothing(self, stranger, token, decisions):
        stranger.get(f"/?token={token}")
        answer = stranger.post("/api/review/decisions", json=JUDGEMENT)
        assert answer.status_code == 403
        assert not decisions.path.exists()

    def test_a_broken_cookie_is_no_error(self, stranger):
        answer = stranger.get("/", headers={"cookie": "prunescope_token=\x01; ]=["})
        assert answer.status_code == 401


class TestBehindANamedProxy:
    PUBLIC = "faces.example"

    @pytest.fixture
    def stranger(self, collection, decisions, client_of):
        return client_of(collection, decisions, root="/x", proxies=[self.PUBLIC])

    @pytest.mark.parametrize("host", [PUBLIC, f"{PUBLIC}:8443", "127.0.0.1:8760"])
    def test_it_takes_the_token_to_read(self, stranger, token, host):
        told = {"host": host}
        assert stranger.get("/x/samples", headers=told).status_code == 401
        answer = stranger.get(f"/x/samples?token={token}&flip=any", headers=told)
        assert (answer.status_code, answer.headers["location"]) == (303, "/x/samples?flip=any")
        assert "; Path=/x;" in answer.headers["set-cookie"]
        cookie = {"cookie": answer.headers["set-cookie"].split(";")[0]}
        assert stranger.get("/x/samples", headers=told | cookie).status_code == 200

    @pytest.mark.parametrize("path", ["/x/samples", "/samples"])
    def test_the_way_back_is_under_its_path(self, stranger, token, path):
        answer = stranger.get(f"{path}?token={token}", headers={"host": self.PUBLIC})
        assert answer.headers["location"] == "/x/samples"

    def test_other_names_are_refused(self, stranger, token):
        answer = stranger.get(f"/x/?token={token}", headers={"host": "evil.example"})
        assert answer.status_code == 403
        assert "expected one of 127.0.0.1, localhost, [::1], faces.example" in answer.text

    @pytest.mark.parametrize(
        ("origin", "status"), [(f"https://{PUBLIC}", 201), ("https://evil.example", 403)]
    )
    def test_it_writes_from_its_own_origin(self, stranger, token, origin, status):
        told = {"host": self.PUBLIC, "origin": origin, "x-prunescope-token": token}
        answer = stranger.post("/x/api/review/decisions", json=JUDGEMENT, headers=told)
        assert answer.status_code == status
