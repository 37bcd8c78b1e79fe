import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtkit.config.recipe import Recipe
from mtkit.corpus.clean import clean_corpus as clean_corpus_module
from mtkit.corpus.clean import dedup_spill
from mtkit.corpus.clean.clean_corpus import clean_corpus
from mtkit.errors import MtkitError
from mtkit.io.text import read_lines
from tests.strategies import nasty_text

PAIRS = [
    ("Guten Morgen!", "Good morning!"),
    ("", "Nothing here"),
    ("Guten Abend!", "Good  evening &amp; night!"),
    ("guten morgen", "Good morning"),
    ("Guten Morgen!", "Good morning!"),
    ("Das ist ein Haus.", "Привет"),
    ("Bis bald.", "See you."),
]


def write(path, lines):
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(errors="surrogatepass"))
    return path


def make_source(folder, name, pairs, **more):
    return {
        "src": write(folder / f"{name}.de", [src for src, _ in pairs]),
        "tgt": write(folder / f"{name}.en", [tgt for _, tgt in pairs]),
        **more,
    }


def make_recipe(sources, **clean_config):
    return Recipe.model_validate(
        {"data": {"src_lang": "de", "tgt_lang": "en", "train": sources}, "clean": clean_config}
    )


def read_out(folder):
    return list(zip(read_lines(folder / "out.de"), read_lines(folder / "out.en"), strict=True))


def outputs(folder):
    return folder / "out.de", folder / "out.en"


def test_a_corpus_is_cleaned_in_order(tmp_path):
    report = clean_corpus(
        make_recipe(make_source(tmp_path, "train", PAIRS)),
        outputs(tmp_path),
        dropped_path=tmp_path / "dropped.jsonl",
    )
    assert read_out(tmp_path) == [
        PAIRS[0],
        ("Guten Abend!", "Good evening & night!"),
        PAIRS[3],
        PAIRS[6],
    ]
    assert (report.n_read, report.n_kept) == (7, 4)
    assert report.dropped.counts == {"blank": 1, "script": 1, "duplicate": 1}
    assert report.dropped.fixed == {"entities": 1, "spaces": 1}
    dropped = [json.loads(line) for line in read_lines(tmp_path / "dropped.jsonl")]
    assert [(pair["line"], pair["reason"], (pair["src"], pair["tgt"])) for pair in dropped] == [
        (2, "blank", PAIRS[1]),
        (6, "script", PAIRS[5]),
        (5, "duplicate", PAIRS[4]),
    ]


@pytest.mark.parametrize(("duplicates", "n_kept"), [("keep", 5), ("exact", 4), ("folded", 3)])
def test_equality_of_pairs(tmp_path, duplicates, n_kept):
    recipe = make_recipe(make_source(tmp_path, "train", PAIRS), duplicates=duplicates)
    assert clean_corpus(recipe, outputs(tmp_path)).n_kept == n_kept == len(read_out(tmp_path))


def test_equal_pairs_of_several_corpora_are_dropped_unless_their_tags_differ(tmp_path):
    first = make_source(tmp_path, "first", PAIRS[:3])
    second, third = (
        {"src": first["src"], "tgt": first["tgt"], "tags": tags, "name": tags[0]}
        for tags in (["<a>"], ["<b>"])
    )
    again = make_source(tmp_path, "again", [PAIRS[6], PAIRS[0]], tags=["<a>"])
    report = clean_corpus(
        make_recipe([first, second, third, again]),
        outputs(tmp_path),
        dropped_path=tmp_path / "dropped.jsonl",
    )
    assert report.dropped.counts == {"blank": 3, "duplicate": 1}
    last = json.loads(list(read_lines(tmp_path / "dropped.jsonl"))[-1])
    assert last == {
        "corpus": "again",
        "line": 2,
        "reason": "duplicate",
        "src": "Guten Morgen!",
        "tgt": "Good morning!",
    }


def test_any_number_of_processes_gives_the_same(tmp_path, monkeypatch, ko_en_pairs):
    monkeypatch.setattr(clean_corpus_module, "CHUNK_SIZE", 7)
    pairs = [*PAIRS, *ko_en_pairs, *PAIRS, *ko_en_pairs[:50]]
    recipe = make_recipe([make_source(tmp_path, "one", pairs), make_source(tmp_path, "two", PAIRS)])
    results = []
    for n_workers in (0, 1, 3):
        folder = tmp_path / str(n_workers)
        report = clean_corpus(
            recipe, outputs(folder), dropped_path=folder / "dropped.jsonl", n_workers=n_workers
        )
        results.append(
            (
                {path.name: path.read_bytes() for path in folder.iterdir()},
                report.n_read,
                report.n_kept,
                report.dropped.to_json(),
            )
        )
    assert results[0] == results[1] == results[2]
    assert results[0][1] == len(pairs) + len(PAIRS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(pairs=st.lists(st.tuples(nasty_text, nasty_text), min_size=1, max_size=12))
def test_a_cleaned_corpus_is_clean(tmp_path, pairs):
    pairs = [
        tuple(
            text.encode("utf-8", "replace").decode().replace("\n", " ").removesuffix("\r")
            for text in pair
        )
        for pair in pairs
    ]
    report = clean_corpus(make_recipe(make_source(tmp_path, "train", pairs)), outputs(tmp_path))
    kept = read_out(tmp_path)
    assert (report.n_read, report.n_kept) == (len(pairs), len(kept))
    again = clean_corpus(
        make_recipe({"src": tmp_path / "out.de", "tgt": tmp_path / "out.en"}),
        (tmp_path / "again.de", tmp_path / "again.en"),
    )
    assert again.n_kept == again.n_read == len(kept)
    assert not again.dropped.fixed
    assert (tmp_path / "again.de").read_bytes() == (tmp_path / "out.de").read_bytes()


@pytest.mark.parametrize("name", ["out.tsv", "out.jsonl", "out.tsv.gz", "out.jsonl.xz"])
def test_one_file_with_both_sides_is_read_again(tmp_path, name):
    clean_corpus(make_recipe(make_source(tmp_path, "train", PAIRS), spaces=False), tmp_path / name)
    report = clean_corpus(make_recipe({"file": tmp_path / name}), outputs(tmp_path))
    assert report.n_kept == 4
    assert read_out(tmp_path)[1] == ("Guten Abend!", "Good evening & night!")


def test_a_tab_within_a_text_does_not_end_a_column(tmp_path):
    source = make_source(tmp_path, "train", [("Guten\tMorgen", "Good morning")])
    clean_corpus(make_recipe(source, spaces=False), tmp_path / "out.tsv")
    assert (tmp_path / "out.tsv").read_text() == "Guten Morgen\tGood morning\n"


def test_report_without_output(tmp_path):
    report = clean_corpus(make_recipe(make_source(tmp_path, "train", PAIRS)), None)
    assert list(report.lines(1)) == [
        "7 pairs read, 4 kept (57.14%), 3 dropped",
        "  1 (14.29%) dropped by rule blank: one side has no text",
        "      line 2:   |  Nothing here",
        "  1 (14.29%) dropped by rule script: one side is not in the script of its language (clean.min_script)",
        "      line 6: Das ist ein Haus.  |  Привет",
        "  1 (14.29%) dropped by rule duplicate: occurs earlier in the corpus (clean.duplicates)",
        "      line 5: Guten Morgen!  |  Good morning!",
        "  1 (14.29%) fixed by rule entities: HTML entities replaced by their characters",
        "  1 (14.29%) fixed by rule spaces: runs of spaces shortened to one, spaces at the ends removed",
    ]
    assert str(report).count("\n") == 5


def test_an_empty_corpus_stays_empty(tmp_path):
    report = clean_corpus(make_recipe(make_source(tmp_path, "train", [])), outputs(tmp_path))
    assert str(report) == "0 pairs read, 0 kept, 0 dropped"
    assert read_out(tmp_path) == []


def test_a_corpus_may_be_cleaned_in_place(tmp_path):
    source = make_source(tmp_path, "train", PAIRS)
    clean_corpus(make_recipe(source), (source["src"], source["tgt"]))
    assert list(read_lines(source["src"])) == [
        "Guten Morgen!",
        "Guten Abend!",
        "guten morgen",
        "Bis bald.",
    ]


def assert_nothing_written(folder):
    assert not [path.name for path in folder.iterdir() if path.name.startswith(("out", "."))]


def test_files_of_unequal_length_write_nothing(tmp_path):
    source = make_source(tmp_path, "train", PAIRS)
    write(source["tgt"], ["one"])
    with pytest.raises(MtkitError, match="has 7 lines"):
        clean_corpus(make_recipe(source), outputs(tmp_path))
    assert_nothing_written(tmp_path)


def test_a_corpus_that_changes_while_it_is_read_writes_nothing(tmp_path, monkeypatch):
    source = make_source(tmp_path, "train", PAIRS)
    add = dedup_spill.DedupSpill.add

    def add_and_change(self, cleaned):
        write(source["tgt"], ["other"] * 7)
        add(self, cleaned)

    monkeypatch.setattr(dedup_spill.DedupSpill, "add", add_and_change)
    with pytest.raises(MtkitError, match="changed while it was read"):
        clean_corpus(make_recipe(source), outputs(tmp_path))
    assert_nothing_written(tmp_path)


def test_full_temporary_disk_has_a_hint(tmp_path, monkeypatch):
    def no_room(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(dedup_spill, "find_duplicates", no_room)
    with pytest.raises(MtkitError, match="no space left") as caught:
        clean_corpus(make_recipe(make_source(tmp_path, "train", PAIRS)), outputs(tmp_path))
    assert "TMPDIR" in caught.value.hint
    assert_nothing_written(tmp_path)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (Path("out.txt"), "does not determine the output format"),
        ((Path("out.de"), Path("out.de")), "both sides"),
        (Path("out.csv"), "does not determine the output format"),
    ],
)
def test_outputs_that_cannot_be(tmp_path, monkeypatch, out, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MtkitError, match=message):
        clean_corpus(make_recipe(make_source(tmp_path, "train", PAIRS)), out)
    assert_nothing_written(tmp_path)


def test_blank_lines_end_documents(tmp_path):
    """A document ends at a blank line, a dropped pair, a duplicate and the end of a corpus."""
    talks = [
        ("Eins ist da.", "One is there."),
        ("Zwei ist da.", "Two is there."),
        ("", ""),
        ("Drei ist da.", "Three is there."),
        ("", "A missing source."),
        ("Vier ist da.", "Four is there."),
        ("Eins ist da.", "One is there."),
        ("Sechs ist da.", "Six is there."),
    ]
    # Its first kept pair has the number after that of the last pair of the corpus before.
    more = [("", "")] * 8 + [("Neun ist da.", "Nine is there."), ("Zehn ist da.", "Ten is there.")]
    single = [("Elf ist da.", "Eleven is there."), ("Zwölf ist da.", "Twelve is there.")]
    sources = [
        make_source(tmp_path, "talks", talks),
        make_source(tmp_path, "more", more),
        make_source(tmp_path, "single", single, documents=False),
    ]
    data = {"src_lang": "de", "tgt_lang": "en", "train": sources, "context": 2}
    for duplicates, broken in (("exact", ["Vier ist da.", "", "Sechs ist da."]), ("keep", None)):
        recipe = Recipe.model_validate({"data": data, "clean": {"duplicates": duplicates}})
        report = clean_corpus(recipe, outputs(tmp_path))
        middle = broken or ["Vier ist da.", "Eins ist da.", "Sechs ist da."]
        assert [src for src, _ in read_out(tmp_path)] == [
            *("Eins ist da.", "Zwei ist da.", "", "Drei ist da.", "", *middle, ""),
            *("Neun ist da.", "Zehn ist da.", "", "Elf ist da.", "", "Zwölf ist da."),
        ]
        assert all((src == "") == (tgt == "") for src, tgt in read_out(tmp_path))
        assert report.n_following == (2 if broken else 4)
        again = make_source(tmp_path, "again", read_out(tmp_path))
        cleaned = Recipe.model_validate({"data": data | {"train": again}, "clean": recipe.clean})
        assert clean_corpus(cleaned, None).n_following == report.n_following


def test_lines_without_documents_do_not_become_one(tmp_path):
    source = make_source(tmp_path, "single", PAIRS[:2], documents=False)
    data = {"src_lang": "de", "tgt_lang": "en", "train": source, "context": 1}
    report = clean_corpus(Recipe.model_validate({"data": data}), outputs(tmp_path))
    again = make_source(tmp_path, "again", read_out(tmp_path))
    cleaned = Recipe.model_validate({"data": data | {"train": again}})
    assert clean_corpus(cleaned, None).n_following == report.n_following == 0


def test_without_documents_blank_lines_are_dropped(tmp_path):
    recipe = make_recipe(
        make_source(tmp_path, "train", [("Ja!", "Yes!"), ("", ""), ("Ja.", "No.")])
    )
    report = clean_corpus(recipe, outputs(tmp_path))
    assert read_out(tmp_path) == [("Ja!", "Yes!"), ("Ja.", "No.")]
    assert report.n_following is None and "document" not in str(report)
