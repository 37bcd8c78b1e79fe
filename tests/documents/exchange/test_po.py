"""Catalogs of gettext, with polib and the programs of gettext as independent readers."""

import re
import shutil
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtkit.documents.exchange.po import PoDocument
from mtkit.documents.segment import ReadOptions, Translated
from mtkit.documents.translation.segment_request import Settings
from mtkit.documents.translation.translate_document import translate_document
from mtkit.documents.translation.translate_segments import translate_segments
from mtkit.errors import MtkitError
from tests.documents.translating import careful, identity, reversed_words, translated, upper

polib = pytest.importorskip("polib")

HEADER = """# Title
msgid ""
msgstr ""
"Project-Id-Version: x 1\\n"
"PO-Revision-Date: 2024-01-01 00:00+0000\\n"
"Last-Translator: x <x@example.org>\\n"
"Language-Team: x <x@example.org>\\n"
"Language: {}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset={}\\n"
"Content-Transfer-Encoding: 8bit\\n"
"""
PLURALS = '"Plural-Forms: nplurals={}; plural={};\\n"\n'
RUSSIAN = "(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2)"


def catalog(entries, lang="de", charset="UTF-8", plurals=""):
    return f"{HEADER.format(lang, charset)}{plurals}\n{entries}"


def result(tmp_path, text, translate=careful, *, src_lang="en", tgt_lang="de", **options):
    data, report = translated(
        tmp_path, "x.po", text, translate, src_lang=src_lang, tgt_lang=tgt_lang, **options
    )
    return data.decode(), report


def checked(text):
    """Parse a catalog with polib, and check it with msgfmt where it is installed."""
    if shutil.which("msgfmt"):
        command = ["msgfmt", "--check", "--use-fuzzy", "-o", "-", "-"]
        done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
    return polib.pofile(text)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ('msgid "a b"\nmsgstr ""', '#, fuzzy\nmsgid "a b"\nmsgstr "A B"'),
        (
            '# x\n#. y\n#: z:1\n#, c-format\n#| msgid "a"\nmsgctxt "c"\nmsgid "a %d"\nmsgstr ""',
            '# x\n#. y\n#: z:1\n#, fuzzy, c-format\n#| msgid "a"\nmsgctxt "c"\nmsgid "a %d"\nmsgstr "A %d"',
        ),
        (
            '#: z:1\n#| msgid "a"\nmsgid "a"\nmsgstr ""',
            '#: z:1\n#, fuzzy\n#| msgid "a"\nmsgid "a"\nmsgstr "A"',
        ),
        (
            'msgid ""\n"  one\\ttwo.\\n"\n"\\n"\n"three \\"four\\" \\\\ <b>five</b>\\n"\nmsgstr ""',
            (
                '#, fuzzy\nmsgid ""\n"  one\\ttwo.\\n"\n"\\n"\n"three \\"four\\" \\\\ <b>five</b>\\n"\n'
                'msgstr ""\n"  ONE TWO.\\n"\n"\\n"\n"THREE \\"FOUR\\" \\\\ <b>FIVE</b>\\n"'
            ),
        ),
        ('msgid ""\n"a"\n" b"\nmsgstr ""\n""', '#, fuzzy\nmsgid ""\n"a"\n" b"\nmsgstr "A B"'),
    ],
)
def test_an_entry_gets_a_translation(tmp_path, entry, expected):
    text = catalog(f'{entry}\n\nmsgid "kept"\nmsgstr "behalten"\n\n#~ msgid "old"\n#~ msgstr ""\n')
    written, report = result(tmp_path, text)
    assert written == text.replace(entry, expected)
    assert report.fallbacks["translated already"] == 1
    assert checked(written)[0].fuzzy
    written, _ = result(tmp_path, text.replace("\n", "\r\n"))
    assert written == text.replace(entry, expected).replace("\n", "\r\n")


def test_final_translations_are_not_fuzzy(tmp_path):
    entry = 'msgid "a"\nmsgstr ""\n'
    written, _ = result(tmp_path, catalog(entry), is_final=True)
    assert written == catalog(entry.replace('""', '"A"'))


def test_fuzzy_translations_are_replaced_if_asked(tmp_path):
    entry = '#, fuzzy, c-format\n#| msgid "b"\nmsgid "a %s"\nmsgstr "b %s"\n'
    written, report = result(tmp_path, catalog(entry))
    assert written == catalog(entry)
    assert report.fallbacks == {"translated already": 1}
    written, _ = result(tmp_path, catalog(entry), with_fuzzy=True)
    assert written == catalog(entry.replace('"b %s"', '"A %s"'))
    written, _ = result(tmp_path, catalog(entry), with_fuzzy=True, is_final=True)
    assert written == catalog('#, c-format\nmsgid "a %s"\nmsgstr "A %s"\n')
    written, _ = result(
        tmp_path, catalog(entry.replace(", c-format", "")), with_fuzzy=True, is_final=True
    )
    assert written == catalog('msgid "a %s"\nmsgstr "A %s"\n')


@pytest.mark.parametrize(
    ("lang", "plurals", "expected"),
    [
        ("de", PLURALS.format(2, "(n != 1)"), ["%d FILE", "%d FILES"]),
        ("ru", PLURALS.format(3, RUSSIAN), ["%d FILE", "%d FILES", "%d FILES"]),
        ("ko", PLURALS.format(1, "0"), ["%d FILES"]),
        ("ru", "", ["%d FILE", "%d FILES", "%d FILES"]),
        ("ko", "", ["%d FILES"]),
        ("fr", "", ["%d FILE", "%d FILES"]),
    ],
)
def test_plural_forms(tmp_path, lang, plurals, expected):
    entry = '#, c-format\nmsgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] ""\nmsgstr[1] ""\n'
    written, _ = result(tmp_path, catalog(entry, lang, plurals=plurals), tgt_lang=lang)
    found = checked(written)
    assert list(found[0].msgstr_plural.values()) == expected
    assert found.metadata["Plural-Forms"].startswith(f"nplurals={len(expected)};")
    assert found[0].flags == ["fuzzy", "c-format"]


def test_a_singular_without_the_number_is_for_1_alone(tmp_path):
    entry = '#, c-format\nmsgid "one file"\nmsgid_plural "%d files"\nmsgstr[0] ""\n'
    for lang, expected in (("de", "ONE FILE"), ("ru", "%d FILES"), ("fr", "%d FILES")):
        written, _ = result(tmp_path, catalog(entry, lang), tgt_lang=lang)
        assert checked(written)[0].msgstr_plural[0] == expected


def test_entries_without_words_are_counted(tmp_path):
    entries = [f'msgid "{text}"\nmsgstr ""\n' for text in ("a", "%(x)s: {y}", "…", "12")]
    entries[1] = f"#, python-format\n{entries[1]}".replace("{y}", "%d")
    entries.append('#, c-format\nmsgid "%d"\nmsgid_plural "%d"\nmsgstr[0] ""\nmsgstr[1] ""\n')
    written, report = result(tmp_path, catalog("\n".join(entries)))
    assert (report.n_segments, report.fallbacks) == (1, {"units without words kept": 4})
    assert [entry.msgstr for entry in checked(written)] == ["A", "", "", "", ""]


@pytest.mark.parametrize(
    ("source", "translation", "is_flagged"),
    [
        ("&File", "&Datei", False),
        ("&File", "파일(&F)", False),
        ("&File", "Datei", True),
        ("&Save as...", "&Sichern &als...", True),
        ("E_xit", "B_eenden", False),
        ("_Open", "Öffnen", True),
        ("_Open", "_Öffnen", False),
        ("R&D of AT&T", "FuE", False),
        ("a && b, Tom & Jerry", "x", False),
        ("file_name of __init__", "x", False),
        ("Black &amp; white", "schwarz &amp; weiß", False),
    ],
)
def test_lost_mnemonics_are_flagged(tmp_path, source, translation, is_flagged):
    path, output = tmp_path / "a.po", tmp_path / "b.po"
    path.write_text(catalog(f'msgid "{source}"\nmsgstr ""\n'), encoding="utf-8")
    report = translate_document(path, lambda texts: [translation] * len(texts), output)
    assert dict(report.flags) == ({"mnemonic": 1} if is_flagged else {})
    assert [one.flags for one in report.listed] == [("mnemonic",)] * is_flagged


def test_plural_forms_of_an_unknown_language(tmp_path):
    entry = 'msgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] ""\n'
    text = catalog(f'{entry}\nmsgid "a"\nmsgstr ""\n', "")
    _, report = result(tmp_path, text, tgt_lang="")
    assert (report.n_segments, report.fallbacks) == (1, {"plural forms of the language unknown": 1})


def test_a_template_gets_its_header(tmp_path):
    plurals = PLURALS.format("INTEGER", "EXPRESSION")
    entry = 'msgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] ""\nmsgstr[1] ""\n'
    text = catalog(entry, "", "CHARSET", plurals).replace("msgid", "#, fuzzy\nmsgid", 1)
    written, _ = result(tmp_path, text, lambda texts: ["Größe %d" for _ in texts], tgt_lang="pt-BR")
    found = checked(written)
    assert found.metadata["Language"] == "pt_BR"
    assert found.metadata["Content-Type"] == "text/plain; charset=UTF-8"
    assert found.metadata["Plural-Forms"] == "nplurals=2; plural=(n > 1);"


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("c", "a %-5.2lf b %1$s %% %<PRIu64> %*d"),
        ("python", "a %(x)s b %(y) 5.1f %%"),
        ("python-brace", "a {} b {x!r:>{w}} {{"),
        ("perl-brace", "a {x} b"),
        ("java", "a {0,number} b {1}"),
        ("qt", "a %1 b %L2 %n"),
        ("kde", "a %1 b %2"),
        ("boost", "a %1% b %|2$5|"),
        ("sh", "a $x b ${y}"),
        ("lisp", "a ~a b ~5d ~%"),
        ("scheme", "a ~s b"),
    ],
)
def test_format_directives_are_kept(tmp_path, flag, text):
    entry = f'#, {flag}-format\nmsgid "{text}"\nmsgstr ""\n'
    written, _ = result(tmp_path, catalog(entry), upper)
    message = checked(written)[0].msgstr
    assert message[0] == "A" and " B" in message
    assert message.replace("A ", "a ").replace(" B", " b") == text


def test_invented_directives_are_refused(tmp_path):
    entry = '#, {}-format\nmsgid "a b"\nmsgstr ""\n'
    for flag, invented in (
        ("c", "5 % d"),
        ("qt", "100%1"),
        ("lisp", "a ~a"),
        ("python-brace", "{"),
    ):
        text = catalog(entry.format(flag))
        written, report = result(tmp_path, text, lambda texts, one=invented: [one for _ in texts])
        assert written == text
        assert report.fallbacks == {"source kept": 1}
    written, _ = result(tmp_path, catalog(entry.format("no-c")), lambda texts: ["5 % d"])
    assert '"5 % d"' in written


def test_lines_are_wrapped_as_gettext_does(tmp_path):
    if not shutil.which("msgcat"):
        pytest.skip("needs msgcat")
    words = " ".join(f"word{n}" for n in range(40))
    entries = f'msgid "{words}"\nmsgstr ""\n\nmsgid "{words[:66]}"\nmsgstr ""\n\n'
    entries += "".join(
        f'msgid "{words[:n]}\\n{words[:70]}"\nmsgstr ""\n\n' for n in range(3, 90, 7)
    )

    def msgcat(text, *options):
        command = ["msgcat", *options, "-"]
        return subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout

    for options in ([], ["--no-wrap"]):
        text = msgcat(catalog(entries), *options).decode()
        written, report = result(tmp_path, text)
        assert report.n_changed > 20
        assert written.encode() == msgcat(written, *options)


def test_encodings(tmp_path):
    text = catalog('msgid "a"\nmsgstr ""\n\nmsgid "b"\nmsgstr "크기"\n', "ko", "EUC-KR")
    data, report = translated(
        tmp_path, "x.po", text.encode("euc-kr"), lambda texts: ["한국"], tgt_lang="ko"
    )
    assert report.encoding == "cp949"
    assert '#, fuzzy\nmsgid "a"\nmsgstr "한국"' in data.decode("euc-kr")


_parts = st.lists(
    st.sampled_from(
        [
            "a",
            "b c",
            " ",
            "  ",
            "\n",
            "\t",
            '"',
            "\\",
            "%s",
            "%d",
            "{x}",
            "<b>",
            "</b>",
            "<br>",
            "&amp;",
            "한국",
            "<x>",
            "%",
        ]
    ),
    max_size=8,
).map("".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(_parts.filter(str.strip), min_size=1, max_size=3, unique=True),
    st.sampled_from([upper, careful, reversed_words]),
    st.sampled_from([None, "c-format", "python-brace-format"]),
    st.integers(20, 120),
)
def test_any_catalog_is_read_by_polib(messages, translate, flag, width):
    source = polib.POFile(wrapwidth=width)
    source.metadata = {"Content-Type": "text/plain; charset=UTF-8"}
    for message in messages:
        source.append(polib.POEntry(msgid=message, flags=[flag] if flag else []))
    text = str(source)
    document = PoDocument.parse(text, ReadOptions("en", "de"))
    outcomes = translate_segments(document, document.segments, translate, Settings())
    assert document.write([]) == text
    changed = [Translated(one.segment, one.pieces) for one in outcomes if one.pieces is not None]
    written = polib.pofile(document.write(changed))
    assert [one.msgid for one in written] == messages
    for entry in written:
        if entry.msgstr:
            assert entry.fuzzy
            edges = re.compile(r"^(\s*).*?(\s*)$", re.DOTALL)
            ours, theirs = edges.match(entry.msgstr), edges.match(entry.msgid)
            assert ours and theirs and ours.groups() == theirs.groups()
            assert entry.msgstr.count("\n") == entry.msgid.count("\n")
            assert sorted(re.findall("</?b>|<br>|<x>|{x}|&amp;", entry.msgstr)) == sorted(
                re.findall("</?b>|<br>|<x>|{x}|&amp;", entry.msgid)
            )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('msgid "a"\nmsgstr "b\n', "line 2: not a line of a gettext catalog: msgstr"),
        ('msgid "a"\nmsgstr ""\nx\n', "line 3: not a line of a gettext catalog: x"),
        ('msgid "a"\n', "line 1: the entry has no msgstr"),
        ('msgstr "a"\n', "line 1: the entry has no msgid"),
        ('"a"\n', "line 1: a string without a keyword"),
        ("msgid\n", "line 1: msgid without a string"),
        ('msgid "a"\nmsgstr "b"\nmsgstr "c"\n', "line 1: the entry has a keyword twice"),
        (
            'msgid "a"\nmsgid_plural "b"\nmsgstr[1] ""\n',
            "line 1: the entry has a keyword twice, or",
        ),
        ('msgid "a"\nmsgstr ""\n\nmsgid "a"\nmsgstr ""\n', "line 4: the message is defined twice"),
        (catalog('msgid "a"\nmsgstr ""\n', "fr"), "its target language is fr"),
        (
            catalog("", plurals=PLURALS.format(2, "n % 0")),
            "Plural-Forms in the header is not valid",
        ),
        (catalog("", plurals=PLURALS.format(2, "n")), "Plural-Forms in the header is not valid"),
        (catalog("", plurals=PLURALS.format(2, "__import__")), "Plural-Forms in the header"),
        (catalog(""), "has no text to translate"),
    ],
)
def test_errors(tmp_path, text, message):
    with pytest.raises(MtkitError, match=re.escape(message)) as caught:
        result(tmp_path, text, identity)
    assert caught.value.hint
