"""The web page: rendered by the server, and used in headless Chromium where there is one."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest

from mtkit.serving.page import page_texts, parse_terms
from tests.serving.fake_worker import FakeWorker
from tests.serving.serving import running_server

httpx = pytest.importorskip("httpx")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    log_path = tmp_path_factory.mktemp("page") / "log"
    with (
        running_server(FakeWorker, (log_path,)) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        yield client


class Page(HTMLParser):
    """Text of the elements with an id, and all start tags."""

    def __init__(self, html):
        super().__init__()
        self.texts, self.tags, self.open = {}, [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag not in ("meta", "link", "input", "progress"):
            self.open.append(attributes.get("id"))

    def handle_endtag(self, tag):
        if tag not in ("meta", "link", "input", "progress"):
            self.open.pop()

    def handle_data(self, data):
        for name in filter(None, self.open):
            self.texts[name] = self.texts.get(name, "") + data

    def text(self, name):
        return self.texts.get(name, "").strip()


def submit(client, **fields):
    response = client.post("/", files={name: (None, value) for name, value in fields.items()})
    return response.status_code, Page(response.text)


def test_the_form_works_without_javascript(client):
    status, page = submit(client, q="guten Tag\r\n\r\nja", source="de", target="en", terms="")
    assert status == 200
    assert page.texts["text"].lstrip("\n") == "guten Tag\n\nja"
    assert page.text("translation") == "GUTEN TAG\n\nJA"
    assert page.text("alternatives").split("\n")[0] == page_texts()["en"]["alternatives"]
    assert "GUTEN TAG1\n\nJA1" in page.text("alternatives")
    chosen = [attributes["value"] for tag, attributes in page.tags if "selected" in attributes]
    assert chosen == ["de", "en"]


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"q": "x" * 5001, "source": "de", "target": "en"}, 400, "exceeds text limit (5000)"),
        ({"q": "ja", "source": "xx", "target": "en"}, 400, "xx is not supported"),
        ({"q": "ja", "source": "de"}, 400, "missing target parameter"),
        ({"q": "ja", "source": "de", "target": "en", "document": "yes"}, 400, "missing file"),
    ],
)
def test_errors_are_shown_beside_what_was_entered(client, fields, status, error):
    found, page = submit(client, **fields)
    assert found == status
    assert error in page.text("status")
    assert page.texts["text"].lstrip("\n") == fields["q"]


def test_nothing_that_was_entered_becomes_markup(client):
    hostile = '</textarea><script>alert(1)</script>"'
    _, page = submit(client, q=hostile, source="de", target="en", terms=hostile)
    assert page.texts["text"].lstrip("\n") == hostile
    assert page.text("translation") == hostile.upper()
    assert [dict(a).get("src") for tag, a in page.tags if tag == "script"] == [
        None,
        "static/page.js",
    ]


def test_a_document_is_translated_without_javascript(client):
    cue = "1\n00:00:01,000 --> 00:00:02,500\nguten Tag\n"
    response = client.post(
        "/",
        data={"source": "de", "target": "en", "document": "yes", "q": ""},
        files={"file": ("clip.srt", cue)},
        follow_redirects=True,
    )
    assert response.text == cue.replace("guten Tag", "GUTEN TAG")
    assert "clip_en.srt" in response.headers["content-disposition"]


def test_the_page_loads_only_files_of_the_server(client):
    response = client.get("/")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    page = Page(response.text)
    links = [a.get("src") or a.get("href") for _, a in page.tags if a.get("src") or a.get("href")]
    assert links
    for link in links:
        assert not link.startswith(("http:", "https:", "//"))
        if link.startswith("static/"):
            assert client.get(f"/{link}").status_code == 200
    assert not any(name.startswith("on") or name == "style" for _, a in page.tags for name in a)


def test_every_field_has_a_label(client):
    page = Page(client.get("/").text)
    labelled = {a["for"] for tag, a in page.tags if tag == "label"}
    fields = [a for tag, a in page.tags if tag in ("select", "textarea", "input")]
    assert len(fields) > 4
    assert all(one["id"] in labelled for one in fields)


def test_the_language_of_the_page_is_that_of_the_browser_or_chosen(client):
    def language(path, accepted):
        page = Page(client.get(path, headers={"Accept-Language": accepted}).text)
        return page.tags[0][1]["lang"], page.text("submit")

    assert language("/", "fr-FR, ko;q=0.8, en;q=0.5") == ("ko", "번역")
    assert language("/", "fr") == ("en", "Translate")
    assert language("/?lang=ko", "en") == ("ko", "번역")


def test_the_languages_have_the_same_texts():
    def shape(texts):
        return {
            name: shape(one) if isinstance(one, dict) else sorted(re.findall(r"\{\w+\}", one))
            for name, one in texts.items()
        }

    english, *others = (shape(one) for one in page_texts().values())
    assert others and all(one == english for one in others)


def test_terms_are_lines_with_an_equals_sign_or_a_tab():
    assert parse_terms("Haus = house\nx\n= y\nz =\na=b\tc\n큰 집\tbig house") == {
        "Haus": "house",
        "a=b": "c",
        "큰 집": "big house",
    }


def test_alignments_are_spans_of_characters(client):
    text = "𝄞 ja\n\nnein so"
    answer = client.post(
        "/translate", json={"q": text, "source": "de", "target": "en", "alignments": True}
    ).json()
    translation = answer["translatedText"]
    pairs = [(text[a:b], translation[c:d]) for a, b, c, d in answer["alignments"]]
    assert pairs == [(word, word.upper()) for word in text.split()]


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_in_a_browser_a_text_is_translated_and_its_words_are_linked(client, tmp_path):
    link = f"{client.base_url}/?" + urlencode({"q": "guten Tag", "source": "de", "target": "en"})
    command = [CHROMIUM, "--headless", "--no-sandbox", f"--user-data-dir={tmp_path}"]
    command += ["--virtual-time-budget=10000", "--dump-dom", link]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    page = Page(done.stdout)
    assert page.text("translation") == "GUTEN TAG"
    assert [a["data-index"] for tag, a in page.tags if "data-index" in a] == ["0", "1"]
    assert "GUTEN TAG1" in page.text("alternatives")
    assert json.loads(page.texts["texts"]) == page_texts()["en"]["script"]


def test_a_document_is_answered_with_its_report(client):
    answer = client.post(
        "/translate_file",
        data={"source": "de", "target": "en"},
        files={"file": ("page.html", "<p>guten <b>Tag</b></p><p>ja {name}</p>")},
    ).json()
    assert client.get(answer["translatedFileUrl"]).text == (
        "<p>GUTEN <b>TAG</b></p><p>JA {name}</p>"
    )
    report = answer["report"]
    assert (report["format"], report["segments"], report["changed"]) == ("html", 2, 2)
    assert "flagged_segments" not in report
    assert report["fallbacks"] == {}  # the model is given a mask that it copies
