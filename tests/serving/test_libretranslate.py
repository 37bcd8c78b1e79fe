"""LibreTranslate's interface, with the clients that others have written."""

import asyncio
import re

import pytest

from mtkit.serving.fair_queue import estimate_tokens
from mtkit.serving.service import _slices
from mtkit.serving.settings import ServeSettings
from tests.serving.fake_worker import FakeWorker
from tests.serving.serving import running_server

httpx = pytest.importorskip("httpx")


@pytest.fixture(scope="module")
def log_path(tmp_path_factory):
    return tmp_path_factory.mktemp("serving") / "log"


@pytest.fixture(scope="module")
def server(log_path):
    with running_server(FakeWorker, (log_path,)) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with httpx.Client(base_url=server.url) as client:
        yield client


def post(client, path="/translate", **fields):
    response = client.post(path, json=fields)
    return response.status_code, response.json()


def test_libretranslatepy(server):
    api = pytest.importorskip("libretranslatepy").LibreTranslateAPI(server.url)
    assert api.translate("guten Tag & so", "de", "en") == "GUTEN TAG & SO"
    assert api.detect("안녕하세요")[0] == {"language": "ko", "confidence": 100.0}
    assert [one["code"] for one in api.languages()] == ["de", "en", "fr", "ko"]


def test_deep_translator(server):
    deep_translator = pytest.importorskip("deep_translator")
    translator = deep_translator.LibreTranslator(
        source="de", target="en", api_key="none", custom_url=f"{server.url}/"
    )
    assert translator.translate("guten Tag") == "GUTEN TAG"
    assert translator.translate_batch(["eins", "zwei"]) == ["EINS", "ZWEI"]


def test_libretranslate_aio(server, tmp_path):
    aio = pytest.importorskip("libretranslate_aio")
    source = tmp_path / "clip.srt"
    source.write_text("1\n00:00:01,000 --> 00:00:02,500\n<i>guten Tag</i>\n")

    async def use():
        async with aio.AsyncLibreTranslate(server.url) as api:
            assert await api.health()
            one = await api.translate("guten Tag", "auto", "en", alternatives=2)
            assert (one.translated_text, one.alternatives) == (
                "GUTEN TAG",
                ["GUTEN TAG1", "GUTEN TAG2"],
            )
            assert one.detected_language.language == "de"
            many = await api.translate(["eins", "zwei"], "de", "en", alternatives=1)
            assert many.translated_text == ["EINS", "ZWEI"]
            assert many.alternatives == [["EINS1"], ["ZWEI1"]]
            html = await api.translate("<p>guten <b>Tag</b></p>", "de", "en", format="html")
            assert html.translated_text == "<p>GUTEN <b>TAG</b></p>"
            assert {one.language for one in await api.detect("Das ist ein Haus")} == {
                "de",
                "en",
                "ko",
            }
            languages = {one.code: (one.name, one.targets) for one in await api.languages()}
            assert languages["de"] == ("German", ["de", "en"])
            settings = await api.frontend_settings()
            assert (settings.char_limit, settings.suggestions) == (5000, False)
            assert {".srt", ".html", ".txt"} <= set(settings.supported_files_format)
            with pytest.raises(aio.ForbiddenError, match="Suggestions are disabled"):
                await api.suggest("a", "b", "de", "en")
            with pytest.raises(aio.BadRequestError, match="zz is not supported"):
                await api.translate("a", "zz", "en")
            file = await api.translate_file(source, "auto", "en")
            return file.translated_file_url

    url = asyncio.run(use())
    response = httpx.get(url)
    assert response.text == source.read_text().replace("guten Tag", "GUTEN TAG")
    assert 'filename="clip_en.srt"' in response.headers["content-disposition"]


def test_a_list_with_the_time_limit_of_weblate(client):
    texts = [f"Text {number}" for number in range(20)]
    response = client.post(
        "/translate",
        json={"q": texts, "source": "de", "target": "en", "api_key": ""},
        timeout=20,
    )
    assert response.json() == {"translatedText": [text.upper() for text in texts]}


def test_white_space_is_kept(client):
    text = "\n  eins\r\n\r\n\tzwei. drei.  \n\n\u2028vier\n"
    assert post(client, q=text, source="de", target="en")[1] == {"translatedText": text.upper()}
    assert post(client, q=" \n", source="de", target="en")[1] == {"translatedText": " \n"}


def test_raw_utf8_in_a_form(client):
    response = client.post(
        "/translate",
        content="q=grün&source=de&target=en".encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert response.json() == {"translatedText": "GRÜN"}


def test_codes_with_a_region(client):
    assert post(client, q="eins", source="de-AT", target="en-US")[1]["translatedText"] == "EINS"


def test_the_same_language_stays(client):
    assert post(client, q="one", source="en", target="en")[1] == {"translatedText": "one"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "Invalid request: missing q parameter"),
        ({"q": []}, "Invalid request: missing q parameter"),
        ({"q": "a"}, "Invalid request: missing source parameter"),
        ({"q": "a", "source": "de"}, "Invalid request: missing target parameter"),
        ({"q": "a", "source": "de", "target": "zz"}, "zz is not supported"),
        (
            {"q": "a", "source": "en", "target": "ko"},
            "Korean (ko) is not available as a target language from English (en)",
        ),
        (
            {"q": "a" * 5001, "source": "de", "target": "en"},
            "Invalid request: request (5001) exceeds text limit (5000)",
        ),
        (
            {"q": ["a"] * 65, "source": "de", "target": "en"},
            "Invalid request: request (65) exceeds text limit (64)",
        ),
        (
            {"q": "a", "source": "de", "target": "en", "alternatives": 6},
            "Invalid request: alternatives parameter must be <= 5",
        ),
        (
            {"q": "a", "source": "de", "target": "en", "alternatives": "abc"},
            "Invalid request: alternatives parameter is not a number",
        ),
        (
            {"q": "a", "source": "de", "target": "en", "format": "xml"},
            "xml format is not supported",
        ),
        ({"q": 5, "source": "de", "target": "en"}, "Invalid request: q parameter is not a text"),
    ],
)
def test_invalid_requests(client, fields, message):
    assert post(client, **fields) == (400, {"error": message})


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff", b"[" * 100_000])
def test_invalid_json(client, body):
    response = client.post("/translate", content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()) == (400, {"error": "Invalid JSON format"})


def test_lone_surrogates_are_replaced(client):
    response = client.post(
        "/translate",
        content=rb'{"q": "a\ud800b", "source": "de", "target": "en"}',
        headers={"Content-Type": "application/json"},
    )
    assert response.json() == {"translatedText": "A\ufffdB"}


def test_errors_are_json(client):
    assert (client.get("/nothing").status_code, client.get("/translate").status_code) == (404, 405)
    assert client.get("/nothing").json() == {"error": "Not Found"}
    assert client.get("/download_file/x.srt").json()["error"].startswith("no such file")
    assert post(client, q="wrong", source="de", target="en") == (
        500,
        {"error": "Internal server error"},
    )


def test_files_of_unknown_formats(client):
    form = {"source": "de", "target": "en"}
    response = client.post("/translate_file", data=form, files={"file": ("a.exe", b"x")})
    assert response.json() == {"error": "Invalid request: file format not supported"}
    response = client.post("/translate_file", data=form, files={"file": ("a.srt", b"")})
    assert response.json() == {"error": "Invalid request: empty file"}
    response = client.post("/translate_file", data=form, files={"file": ("../a.txt", b"12\n")})
    assert response.status_code == 400
    assert response.json()["error"].startswith("Cannot translate text: `a.txt`: has no text")


def test_lost_placeholders_are_required_in_a_second_translation(client):
    """In pieces, `lossy` would be translated alone, and the rest in upper case."""
    page = "<p>lossy {name} is %s</p><p>eins</p><p>lossy %d</p>"
    expected = "<p>LOSSY {name} %s</p><p>EINS</p><p>LOSSY %d</p>"
    fields = {"source": "de", "target": "en"}
    answer = post(client, q=page, format="html", **fields)[1]
    assert answer == {"translatedText": expected}
    file = {"file": ("a.html", page)}
    answer = client.post("/translate_file", data=fields, files=file).json()
    assert client.get(answer["translatedFileUrl"]).text == expected
    assert answer["report"]["fallbacks"] == {"placeholders required in a second translation": 2}


def test_metrics_hold_no_text(client):
    post(client, q="geheim", source="de", target="en")
    text = client.get("/metrics").text
    assert 'mtkit_requests_total{endpoint="/translate",status="200"}' in text
    assert "geheim" not in text


def test_ready(client):
    assert client.get("/ready").json() == {"status": "ok"}


def test_pairs_by_way_of_english(log_path, client):
    """The second model translates from English to French."""
    fields = {"q": "eins", "source": "de", "target": "fr"}
    assert post(client, **fields)[0] == 400
    with running_server(FakeWorker, (log_path,), ServeSettings(pivots=True)) as pivoting:
        answer = httpx.post(f"{pivoting.url}/translate", json=fields)
        assert answer.json() == {"translatedText": "fr:EINS"}
        languages = httpx.get(f"{pivoting.url}/languages").json()
        assert languages[0] == {"code": "de", "name": "German", "targets": ["de", "en", "fr"]}


def test_the_description_of_the_interfaces(client):
    from mtkit.serving.app import make_app

    description = client.get("/spec").json()
    assert description["info"]["version"]
    paths = {re.sub(r"{\w+}", "{}", path) for path in description["paths"]}
    app = {
        re.sub(r"{\w+}", "{}", getattr(route, "path", ""))
        for route in make_app(ServeSettings()).routes
    }
    assert paths == app - {"/", "/static", "/spec"}


def test_documents_are_translated_in_slices():
    texts = [f"{'x' * 100} {number}" for number in range(200)]
    slices = _slices(texts)
    assert [text for part in slices for text in part] == texts
    sizes = [sum(map(estimate_tokens, part)) for part in slices]
    assert max(sizes) <= 1024 and min(sizes[:-1]) > 900
    assert _slices([]) == []
