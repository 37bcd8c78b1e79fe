import gzip
import re
import shutil
import subprocess

import pytest

from mtkit.errors import MtkitError
from mtkit.io.encodings import conversion_hint
from mtkit.io.text import read_lines

# The beginning of the Universal Declaration of Human Rights, and one line of English.
TEXTS = [
    (
        "ko",
        "CP949",
        "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.\n인간은 천부적으로 이성과 양심을 부여받았다.",
    ),
    (
        "ja",
        "CP932",
        "すべての人間は、生れながらにして自由であり、かつ、尊厳と権利とについて平等である。\n人間は、理性と良心とを授けられており、互いに同胞の精神をもって行動しなければならない。",
    ),
    (
        "ja",
        "EUC-JP",
        "すべての人間は、生れながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    ),
    (
        "zh",
        "GB18030",
        "人人生而自由,在尊严和权利上一律平等。\n他们赋有理性和良心,并应以兄弟关系的精神相对待。",
    ),
    (
        "zh",
        "CP950",
        "人人生而自由,在尊嚴和權利上一律平等。\n他們賦有理性和良心,並應以兄弟關係的精神互相對待。",
    ),
    (
        "ru",
        "CP1251",
        "Все люди рождаются свободными и равными в своем достоинстве и правах.\nОни наделены разумом и совестью.",
    ),
    (
        "ru",
        "KOI8-R",
        "Все люди рождаются свободными и равными в своем достоинстве и правах.\nОни наделены разумом и совестью.",
    ),
    (
        "ru",
        "CP866",
        "Все люди рождаются свободными и равными в своем достоинстве и правах.\nОни наделены разумом и совестью.",
    ),
    ("uk", "CP1251", "Всі люди народжуються вільними і рівними у своїй гідності та правах."),
    (
        "el",
        "CP1253",
        "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    ),
    ("he", "CP1255", "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם."),
    ("ar", "CP1256", "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. وقد وهبوا عقلا وضميرا."),
    ("th", "CP874", "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ"),
    (
        "pl",
        "CP1250",
        "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.",
    ),
    (
        "pl",
        "ISO-8859-2",
        "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni rozumem i śpiewają.",
    ),
    ("cs", "CP1250", "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv."),
    ("tr", "CP1254", "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar."),
    ("lt", "CP1257", "Visi žmonės gimsta laisvi ir lygūs savo orumu ir teisėmis."),
    (
        "de",
        "CP1252",
        "Alle Menschen sind frei und gleich an Würde und Rechten geboren.\nSie sollen einander im Geiste der Brüderlichkeit begegnen.",
    ),
    ("fr", "CP1252", "Tous les êtres humains naissent libres et égaux en dignité et en droits."),
    (
        "es",
        "CP1252",
        "Todos los seres humanos nacen libres e iguales en dignidad, dotados como están de razón.",
    ),
    ("en", "CP1252", "The men’s rights are “equal” – at least in theory."),
]
LANGS = {lang for lang, _, _ in TEXTS}


@pytest.mark.parametrize(("lang", "encoding", "text"), TEXTS)
def test_the_language_decides_which_encoding_is_named(tmp_path, lang, encoding, text):
    path = tmp_path / "a.txt"
    path.write_bytes(f"plain\n{text}\n".encode(encoding))
    with pytest.raises(MtkitError, match=r"invalid UTF-8 in line [23]") as caught:
        list(read_lines(path, lang=f"{lang}-XX"))
    named = re.search(r"iconv -f (\S+) -t UTF-8", caught.value.hint)
    assert named is not None
    # Python's codec reads the file as the command would.
    assert path.read_bytes().decode(named[1]) == f"plain\n{text}\n"
    by_suffix = conversion_hint(path.read_bytes(), f"train.{lang}.gz")
    assert f"iconv -f {named[1]} " in by_suffix


@pytest.mark.parametrize(("lang", "encoding", "text"), TEXTS)
def test_without_a_language_the_right_encoding_is_among_those_named(lang, encoding, text):
    hint = conversion_hint(text.encode(encoding), "stdin")
    readings = re.findall(r"([-\w]+) \(([^()]*)\)", hint)
    assert any(
        text.encode(encoding).decode(name) == text and words in text.replace("\n", " ")
        for name, words in readings
    )
    assert len({words for _, words in readings}) == len(readings)


@pytest.mark.parametrize(
    ("lang", "encoding", "text"),
    [row for row in TEXTS if row[0] not in ("en", "de", "fr", "es", "pl", "cs", "tr", "lt")],
)
def test_an_encoding_of_latin_letters_is_never_named_for_another_script(lang, encoding, text):
    for other in sorted(LANGS):
        assert "CP1252" not in conversion_hint(text.encode(encoding), "a.txt", other)


def test_bytes_of_no_text_get_no_encoding():
    for data in (b"\x93NUMPY\x01\x00v\x00{'descr'", bytes(range(256)) * 4):
        assert "check that it is a text file" in conversion_hint(data, "a.ko", "ko")
    assert "iconv -f ENCODING" in conversion_hint(b"ab\xfd\x81\x8dcd", "a.ko", "ko")


def test_a_file_of_two_encodings_is_not_converted_as_a_whole():
    data = "schön\nDas Haus ist klein.\nMüller\n".encode() + "Die Straße\n".encode("cp1252")
    hint = conversion_hint(data, "a.de")
    assert (
        "other lines are UTF-8; the invalid ones look like CP1252 (Die Straße); convert only those"
        in hint
    )
    assert "> NEW" not in hint


def test_whole_file_is_checked_not_only_its_beginning(tmp_path, monkeypatch):
    monkeypatch.setattr("mtkit.io.text._BLOCK_SIZE", 16)
    (tmp_path / "a.de").write_bytes(
        "Die Straße\n".encode("cp1252") + "Grüße an Müller\n".encode() * 10
    )
    with pytest.raises(MtkitError, match="line 1, byte 9") as caught:
        list(read_lines(tmp_path / "a.de"))
    assert "convert only those" in caught.value.hint


@pytest.mark.parametrize(("lang", "encoding", "text"), TEXTS)
@pytest.mark.parametrize("wide", ["UTF-16LE", "UTF-16BE", "UTF-32LE", "UTF-32BE"])
def test_utf16_without_a_mark_is_named(tmp_path, lang, encoding, text, wide):
    (tmp_path / "a").write_bytes(f"{text}\n1\n".encode(wide))
    with pytest.raises(MtkitError, match=f"`: is {wide}, not UTF-8") as caught:
        list(read_lines(tmp_path / "a"))
    assert f"iconv -f {wide} -t UTF-8" in caught.value.hint


@pytest.mark.parametrize("wide", ["UTF-16", "UTF-32"])
def test_utf16_with_a_mark_is_named(tmp_path, wide):
    for text in ("가", "Haus\n", "\n"):
        (tmp_path / "a").write_bytes(text.encode(wide))
        with pytest.raises(MtkitError, match=f"`: is {wide}, not UTF-8"):
            list(read_lines(tmp_path / "a"))


@pytest.mark.skipif(shutil.which("iconv") is None, reason="needs iconv")
def test_the_command_that_is_suggested_converts_the_file(tmp_path):
    text = "나는 학교에 간다.\n그는 집에 간다.\n"
    for name, data in (
        ("a b.ko", text.encode("cp949")),
        ("c.ko.gz", gzip.compress(text.encode("cp949"))),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(MtkitError) as caught:
            list(read_lines(tmp_path / name))
        command = re.search("`(.*)`", caught.value.hint)
        assert command is not None
        subprocess.run(command[1], shell=True, cwd=tmp_path, check=True)
        assert (tmp_path / "NEW").read_text(encoding="utf-8") == text
