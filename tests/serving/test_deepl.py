"""DeepL's interface, with its official client."""

import io

import pytest

from tests.serving.fake_worker import FakeWorker
from tests.serving.serving import running_server

deepl = pytest.importorskip("deepl")
httpx = pytest.importorskip("httpx")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(FakeWorker, (tmp_path_factory.mktemp("serving") / "log",)) as running:
        yield running


@pytest.fixture(scope="module")
def api(server):
    translator = deepl.DeepLClient("any key", server_url=server.url)
    yield translator
    translator.close()


@pytest.fixture(scope="module")
def client(server):
    with httpx.Client(base_url=f"{server.url}/v2") as client:
        yield client


def test_texts(api):
    result = api.translate_text("guten Tag", source_lang="DE", target_lang="EN-US")
    assert (result.text, result.detected_source_lang, result.billed_characters) == (
        "GUTEN TAG",
        "DE",
        9,
    )
    results = api.translate_text(["Das ist ein Haus", "안녕"], target_lang="EN-GB")
    assert [(one.text, one.detected_source_lang) for one in results] == [
        ("DAS IST EIN HAUS", "DE"),
        ("안녕", "KO"),
    ]


def test_tags(api):
    result = api.translate_text(
        "<p>guten <b>Tag</b></p>", source_lang="DE", target_lang="EN-US", tag_handling="html"
    )
    assert result.text == "<p>GUTEN <b>TAG</b></p>"
    result = api.translate_text(
        "guten <x id='1'>Tag &amp; <keep>so</keep></x>",
        source_lang="DE",
        target_lang="EN-US",
        tag_handling="xml",
        ignore_tags=["keep"],
    )
    assert result.text == "GUTEN <x id='1'>TAG &amp; <keep>so</keep></x>"
    with pytest.raises(deepl.DeepLException, match="not well-formed"):
        api.translate_text("<a>x", source_lang="DE", target_lang="EN-US", tag_handling="xml")


def test_line_ends(api):
    options = {"source_lang": "DE", "target_lang": "EN-US"}
    text = "eins\nzwei\n"
    assert api.translate_text(text, **options).text == "EINS\nZWEI\n"
    assert api.translate_text(text, split_sentences="nonewlines", **options).text == "EINS ZWEI"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_lang": "XX"}, "Value for 'target_lang' not supported"),
        ({"target_lang": "EN-US", "source_lang": "XX"}, "Value for 'source_lang' not supported"),
        ({"target_lang": "EN-US", "formality": "more"}, "'formality' is not supported"),
        ({"target_lang": "EN-US", "split_sentences": "2"}, "Value for 'split_sentences'"),
        ({"target_lang": "EN-US", "tag_handling": "md"}, "Value for 'tag_handling'"),
        ({"target_lang": "EN-US", "style_rule": "x"}, "'style_id' is not supported"),
    ],
)
def test_invalid_values(api, options, message):
    with pytest.raises(deepl.DeepLException, match=message):
        api.translate_text("a", **options)


def test_languages(api):
    assert [(one.code, one.name) for one in api.get_source_languages()] == [
        ("DE", "German"),
        ("EN", "English"),
        ("KO", "Korean"),
    ]
    targets = {one.code: one.supports_formality for one in api.get_target_languages()}
    assert targets == {"EN-GB": False, "EN-US": False, "FR": False}


def test_usage_counts_characters(api):
    before = api.get_usage().character.count
    api.translate_text("a" * 100, source_lang="DE", target_lang="EN-US")
    usage = api.get_usage()
    assert usage.character.count - before == 100
    assert not usage.any_limit_reached


def test_glossaries(api):
    assert ("de", "en") in {
        (one.source_lang, one.target_lang) for one in api.get_glossary_languages()
    }
    entries = {"Katze": "tomcat", "Haus": "building"}
    glossary = api.create_glossary("animals", "DE", "EN", entries)
    assert (glossary.name, glossary.entry_count, glossary.ready) == ("animals", 2, True)
    assert api.get_glossary_entries(glossary) == entries
    assert api.get_glossary(glossary.glossary_id).creation_time == glossary.creation_time
    assert [one.glossary_id for one in api.list_glossaries()] == [glossary.glossary_id]
    result = api.translate_text_with_glossary("Katze", glossary)
    assert result.text == "KATZE [Katze=tomcat, Haus=building]"
    api.delete_glossary(glossary)
    with pytest.raises(deepl.GlossaryNotFoundException):
        api.get_glossary(glossary.glossary_id)
    with pytest.raises(deepl.DeepLException, match="language pair"):
        api.create_glossary("x", "DE", "FR", entries)
    csv = api.create_glossary_from_csv("x", "DE", "EN", 'a,"b, c"\nd,e\n')
    assert api.get_glossary_entries(csv) == {"a": "b, c", "d": "e"}


def test_documents(api):
    output = io.BytesIO()
    source = "1\n00:00:01,000 --> 00:00:02,500\nguten Tag\n"
    status = api.translate_document(
        source.encode(), output, filename="clip.srt", source_lang="DE", target_lang="EN-US"
    )
    assert status.done
    assert output.getvalue().decode() == source.replace("guten Tag", "GUTEN TAG")
    with pytest.raises(deepl.DocumentTranslationException, match=r"`a\.txt`: has no text"):
        api.translate_document(
            b"12", output, filename="a.txt", source_lang="DE", target_lang="EN-US"
        )
    handle = api.translate_document_upload(b"a b", filename="a.txt", target_lang="EN-US")
    handle = deepl.DocumentHandle(handle.document_id, "wrong")
    with pytest.raises(deepl.DeepLException, match="Document not found"):
        api.translate_document_get_status(handle)


def test_forms(client):
    form = {"text": ["eins", "zwei"], "target_lang": "EN"}
    response = client.post("/translate", data=form)
    assert [one["text"] for one in response.json()["translations"]] == ["EINS", "ZWEI"]
    assert "billed_characters" not in response.json()["translations"][0]
    response = client.post("/translate", data={"target_lang": "EN"})
    assert (response.status_code, response.json()) == (
        400,
        {"message": "Parameter 'text' not specified."},
    )
    assert client.get("/nothing").json() == {"message": "Not Found"}
