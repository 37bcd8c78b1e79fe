"""Word alignments on their way from the file to the store."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mtkit.corpus.store.store_builder as store_builder
from mtkit.config.clean import CleanConfig
from mtkit.config.data import CorpusSource
from mtkit.config.recipe import Recipe
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.corpus.clean.text_fixes import TextFixer
from mtkit.corpus.read.change_guard import corpus_snapshot
from mtkit.corpus.store.preprocess import preprocess, preprocess_shard, store_is_fresh
from mtkit.corpus.store.ragged_ids import RaggedIds
from mtkit.corpus.store.token_store import StoreWriter, TokenStore
from mtkit.corpus.store.word_links import WordLinks, count_aligned_words, parse_links
from mtkit.corpus.store.word_spans import WordSpanFinder
from mtkit.corpus.train_tokenizer import tokenizer_is_fresh, train_tokenizer
from mtkit.errors import MtkitError
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword

FILES = (
    "src.ids",
    "src.offsets",
    "tgt.ids",
    "tgt.offsets",
    "links",
    "links.offsets",
    "manifest.json",
)


def test_links_are_read_as_aligners_write_them():
    assert parse_links("0-0 1-2  2-1 1-2\t0-1 ", "a b c", "x y z", "f") == [
        (0, 0),
        (0, 1),
        (1, 2),
        (2, 1),
    ]
    assert parse_links("", "a", "x", "f") == parse_links(" ", "", "", "f") == []


@pytest.mark.parametrize(
    "link", ["0", "0-", "-0", "a-0", "0:0", "0-0-0", "0–0", "٠-٠", "0p0", "1e1-0"]
)
def test_malformed_link_names_its_line(link):
    with pytest.raises(MtkitError, match=f"`f`: line 7: `{link}` is not a link"):
        parse_links(f"0-0 {link}", "a b", "x y", "`f`: line 7")


@pytest.mark.parametrize("link", ["2-0", "0-3", "999999999-0"])
def test_link_to_a_missing_word_is_reported(link):
    with pytest.raises(
        MtkitError, match=f"link {link}, but the pair has 2 source and 3 target words"
    ):
        parse_links(f"1-2 {link}", "a b", "x y z", "f")


def count(text, tokenizer, **clean):
    mender = TextFixer(CleanConfig(**clean))
    return count_aligned_words(
        text, mender.fix(text)[0], lambda word: mender.fix(word)[0], tokenizer.src.normalize
    )


@pytest.mark.parametrize(
    ("text", "n_words"),
    [
        ("나는 학교에 간다.", 3),
        # Decomposed jamo, as macOS writes them: each word becomes another one, in its place.
        ("\u1112\u1161\u11ab\u1100\u1173\u11af \u110e\u1162\u11a8", 2),
        ("  a   b\tc  ", 3),
        ("Tom &amp; Jerry &lt;3", 4),
        ("soft\u00adhyphen here", 2),
        ("\ufeffbyte order", 2),
        ("ﬁne ½ Å", 3),
        ("ｗｉｄｅ １２", 2),
        ("漢字 かな", 2),
        ("ﷺ said", 2),
        ("it´s me", 2),
        ("👩‍👩‍👧 family", 2),
        # A word goes, comes or falls apart.
        ("a \u00ad b", None),
        ("a \u200b b", None),
        ("a &nbsp; b", None),
        ("a&nbsp;b", None),
        ("a&#x3000;b", None),
        ("a\u2581b", None),
        # Aligners do not agree on how many words these are.
        ("a\u00a0b c", None),
        ("전각\u3000공백 줄", None),
        ("a\u2028b", None),
        ("a\x0bb", None),
        ("a\x85b", None),
        ("a\rb", None),
    ],
)
def test_words_count_where_each_reaches_the_model(tiny_tokenizer, text, n_words):
    assert count(text, tiny_tokenizer) == n_words


@pytest.mark.parametrize("text", ["ﷺ said", "it´s me"])
def test_word_that_the_tokenizer_splits(ko_en_pairs, text):
    config = TokenizerConfig(vocab_size=600, character_coverage=0.98, normalization="nmt_nfkc")
    subword = Subword(train_subword([text for pair in ko_en_pairs for text in pair], config))
    assert count(text, Tokenizer(subword, subword)) is None


def test_words_that_change_in_number_and_back_are_not_taken_for_the_same(tiny_tokenizer):
    # One falls apart, another goes: three before and after.
    assert count("x&nbsp;y \u200b z", tiny_tokenizer) is None
    assert count("x&nbsp;y \u200b z", tiny_tokenizer, entities=False) is None


def test_words_are_those_of_the_tokenizer_without_text_fixes(tiny_tokenizer):
    off = {"invisible": False, "entities": False, "normal_form": "none", "spaces": False}
    assert count("  a   b ", tiny_tokenizer, **off) == 2
    assert count("a \u200b b", tiny_tokenizer, **off) is None
    assert count("a&nbsp;b c", tiny_tokenizer, **off) == 2


nasty = st.text(
    st.one_of(
        st.sampled_from(" \t&;#a가\u200b\u00ad\u00a0\u2581ﷺ½̈\ufeff"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=15,
)


@given(
    text=st.one_of(
        nasty,
        st.lists(st.sampled_from(["&amp;", "&nbsp;", "a", " ", "한", "ﬁ", "'"]), max_size=12).map(
            "".join
        ),
    )
)
def test_number_of_words_in_subwords_equals_that_in_text(tiny_tokenizer, text):
    mended = TextFixer(CleanConfig()).fix(text)[0]
    n_words = count(text, tiny_tokenizer)
    ids = tiny_tokenizer.src.encode([mended])
    found = WordSpanFinder(tiny_tokenizer.src).find(
        RaggedIds(np.array(ids[0], np.int64), np.array([len(ids[0])]))
    )
    if n_words is not None:
        assert len(found.first) == n_words == len(text.split())
        # Each word's pieces are those of the word alone.
        for word, first, n_pieces in zip(mended.split(), found.first, found.n_tokens, strict=True):
            assert tiny_tokenizer.src.decode([ids[0][first : first + n_pieces]]) == [
                tiny_tokenizer.src.normalize(word)
            ]


def test_words_are_found_after_tags_and_in_empty_sentences(tiny_tokenizer):
    subword = tiny_tokenizer.src
    (ids,) = subword.encode(["I go to school."])
    tag = subword.special.unk
    words = WordSpanFinder(subword).find(
        RaggedIds(np.array([*ids, tag, tag, *ids]), np.array([len(ids), 0, len(ids) + 2, 0]))
    )
    assert words.offsets.tolist() == [0, 4, 4, 8, 8]
    assert (words.first[4:] - words.first[:4]).tolist() == [2] * 4
    assert words.n_tokens.tolist() == words.n_tokens.tolist()[:4] * 2
    assert words.n_tokens[:4].sum() == len(ids)


links_of_pair = st.lists(st.tuples(st.integers(0, 65_535), st.integers(0, 65_535)), max_size=4)


@given(
    chunks=st.lists(st.one_of(st.integers(0, 3), st.lists(links_of_pair, max_size=4)), max_size=4)
)
def test_links_round_trip_through_the_store(tmp_path_factory, chunks):
    folder = tmp_path_factory.mktemp("store")
    given_links = []
    with StoreWriter(folder, 100, 100, aligned=True) as writer:
        for chunk in chunks:
            rows = [[]] * chunk if isinstance(chunk, int) else chunk
            ids = RaggedIds.from_lists([[0]] * len(rows))
            writer.append_arrays(
                ids, ids, None if isinstance(chunk, int) else WordLinks.from_rows(rows)
            )
            given_links += rows
        writer.finish({})
    store = TokenStore.open(folder)
    assert store.is_aligned
    assert as_lists(store.links(np.arange(len(store)))) == given_links
    assert as_lists(store.links(np.arange(len(store))[::-1])) == given_links[::-1]
    assert store.manifest["alignment"]["n_pairs"] == sum(map(bool, given_links))


def as_lists(links):
    ends = np.cumsum(links.lengths)
    return [
        [tuple(link) for link in links.links[end - n : end].tolist()]
        for end, n in zip(ends.tolist(), links.lengths.tolist(), strict=True)
    ]


def write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    return path


def diagonal(pairs):
    """An alignment of the words in their order, as far as both sides go."""
    return [
        " ".join({f"{i}-{i}": 0 for i in range(min(len(a.split()), len(b.split())))})
        for a, b in pairs
    ]


@pytest.fixture
def recipe(tiny_recipe, tmp_path, monkeypatch):
    """Three corpora in small parts, the second without alignment, with pairs that come twice, lose
    their alignment or are dropped.
    """
    monkeypatch.setattr(store_builder, "CHUNK_SIZE", 10)
    monkeypatch.setattr(store_builder, "PART_SIZE", 30)
    monkeypatch.setattr(store_builder, "MAX_CHUNKS_IN_PROCESS", 1000)
    (first,) = tiny_recipe.data.train
    pairs = list(
        zip(first.src.read_text().splitlines(), first.tgt.read_text().splitlines(), strict=True)
    )
    more = [
        ("나는\u00a0간다.", "I go."),
        *pairs[5:50],
        ("", ""),
        ("가" * 200, "a"),
        ("학교 .", "A school ."),
    ]
    sources = (
        first.model_copy(update={"alignment": write(tmp_path / "first.links", diagonal(pairs))}),
        CorpusSource(file=write(tmp_path / "middle.tsv", [f"{a} !\t{b} !" for a, b in pairs[:25]])),
        CorpusSource(
            src=write(tmp_path / "more.ko", [a for a, _ in more]),
            tgt=write(tmp_path / "more.en", [b for _, b in more]),
            alignment=write(tmp_path / "more.links", diagonal(more)),
            tags=("<more>",),
        ),
    )
    return with_data(tiny_recipe, train=sources)


def with_data(recipe, **changes):
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=changes)})


def elsewhere(recipe, name):
    return with_data(recipe, work_dir=recipe.data.work_dir.with_name(name))


def test_the_store_aligns_the_pairs_that_the_files_align(recipe):
    report = preprocess(recipe)
    store, tokenizer = TokenStore.open(recipe.store_dir), Tokenizer.load(recipe.tokenizer_dir)
    expected = {}
    for source in recipe.data.train:
        if source.alignment:
            lines = zip(
                *(
                    path.read_text(encoding="utf-8").splitlines()
                    for path in (source.src, source.tgt, source.alignment)
                ),
                strict=True,
            )
            for src, tgt, links in lines:
                expected[tuple(source.tags), src, tgt] = sorted(
                    tuple(map(int, link.split("-"))) for link in links.split()
                )
    given_links = as_lists(store.links(np.arange(len(store))))
    corpora = {
        row: number
        for number, corpus in enumerate(store.corpora)
        for row in range(corpus.first, corpus.first + corpus.n_pairs)
    }
    n_aligned = 0
    for row, links in enumerate(given_links):
        tags = recipe.data.train[corpora[row]].tags
        src, tgt = (
            tokenizer.src.decode([store.src(row).tolist()[len(tags) :]])[0],
            tokenizer.tgt.decode([store.tgt(row).tolist()])[0],
        )
        if corpora[row] == 1 or "나는 간다" in src:
            assert links == []
        else:
            assert links == expected[tags, src, tgt]
            n_aligned += 1
    assert n_aligned == report.n_aligned > 200
    assert report.dropped.n_unaligned == 1
    assert any("1 lost their word alignment" in line for line in report.lines())
    assert f"{n_aligned:,} pairs have a word alignment" in list(report.lines())
    assert list(preprocess(recipe).lines())[:-1] == list(report.lines())[:-1]


@pytest.mark.parametrize("n_shards", [2, 20])
def test_shards_join_to_the_store_of_a_single_process(recipe, n_shards):
    preprocess(recipe)
    other = elsewhere(recipe, "other")
    train_tokenizer(other)
    for number in range(n_shards, 0, -1):
        preprocess_shard(other, (number, n_shards))
    preprocess(other)
    for name in FILES:
        assert (recipe.store_dir / name).read_bytes() == (other.store_dir / name).read_bytes(), name


def test_result_does_not_depend_on_workers_and_chunks(recipe, monkeypatch):
    preprocess(recipe)
    other = elsewhere(recipe, "other")
    preprocess(other, n_workers=2)
    third = elsewhere(recipe, "third")
    monkeypatch.setattr(store_builder, "CHUNK_SIZE", 30)
    preprocess(third)
    for name in FILES:
        assert (
            (recipe.store_dir / name).read_bytes()
            == (other.store_dir / name).read_bytes()
            == (third.store_dir / name).read_bytes()
        ), name


def test_changed_alignments_rebuild_the_store_but_not_the_tokenizer(recipe):
    preprocess(recipe)
    assert store_is_fresh(recipe)
    path = recipe.data.train[0].alignment
    path.write_text(path.read_text().replace("0-0 1-1", "1-1", 1))
    assert tokenizer_is_fresh(recipe) and not store_is_fresh(recipe)
    without = with_data(
        recipe,
        train=tuple(source.model_copy(update={"alignment": None}) for source in recipe.data.train),
    )
    assert tokenizer_is_fresh(without) and not store_is_fresh(without)


def test_a_store_without_alignments_has_no_trace_of_them(tiny_recipe):
    report = preprocess(tiny_recipe)
    store = TokenStore.open(tiny_recipe.store_dir)
    assert (
        not store.is_aligned
        and "alignment" not in store.manifest
        and "n_unaligned" not in store.manifest["dropped"]
    )
    assert sorted(path.name for path in tiny_recipe.store_dir.iterdir()) == [
        "manifest.json",
        "src.ids",
        "src.offsets",
        "tgt.ids",
        "tgt.offsets",
    ]
    assert as_lists(store.links(np.array([3, 1]))) == [[], []]
    assert report.n_aligned == 0 and not any("word alignment" in line for line in report.lines())


@pytest.mark.parametrize("name", ["links", "links.offsets"])
def test_a_damaged_file_of_links_is_noticed(recipe, name):
    preprocess(recipe)
    path = recipe.store_dir / name
    path.write_bytes(path.read_bytes()[:-2])
    assert not store_is_fresh(recipe)
    with pytest.raises(MtkitError, match="were written"):
        TokenStore.open(recipe.store_dir)


def test_a_file_of_another_length_is_refused_before_any_work(recipe):
    path = recipe.data.train[0].alignment
    write(path, path.read_text().splitlines()[:-1])
    with pytest.raises(MtkitError, match=r"first.links` has 179 lines, but `.*train.ko` has 180"):
        preprocess(recipe)


@pytest.mark.parametrize(
    ("number", "link", "problem"),
    [(38, "0:0", "`0:0` is not a link"), (171, "40-0", "link 40-0, but the pair has")],
)
@pytest.mark.parametrize("n_workers", [0, 1])
def test_invalid_link_names_its_line(recipe, number, link, problem, n_workers):
    path = recipe.data.train[0].alignment
    lines = path.read_text().splitlines()
    lines[number - 1] += f" {link}"
    write(path, lines)
    with pytest.raises(MtkitError, match=f"first.links`: line {number}: {problem}"):
        preprocess(recipe, n_workers=n_workers)
    assert not recipe.store_dir.exists()


def test_missing_file_is_reported(recipe):
    recipe.data.train[0].alignment.unlink()
    with pytest.raises(MtkitError, match=r"first.links`: no such file"):
        preprocess(recipe)


def test_a_file_that_changes_while_it_is_read_is_noticed(recipe):
    snapshot = corpus_snapshot(recipe.data.train)
    snapshot.check()
    path = recipe.data.train[2].alignment
    path.write_text(f"{path.read_text()}0-0\n")
    with pytest.raises(MtkitError, match=r"more.links`: changed while it was read"):
        snapshot.check()


def test_a_line_of_more_words_than_the_store_can_number_has_no_alignment(tiny_tokenizer):
    assert count("a " * 65_536, tiny_tokenizer) == 65_536
    assert count("a " * 65_537, tiny_tokenizer) is None
    assert as_lists(WordLinks.from_rows([[(65_536, 0)]]).without(np.array([True]))) == [[]]


def load(path, *settings):
    return Recipe.load(path, settings)


ALIGNED = "data.train={src: train.ko, tgt: train.en, alignment: train.links}"


def test_a_recipe_that_cannot_be_followed_is_refused(tiny_recipe_path):
    weight = "training.alignment_weight=0.1"
    recipe = load(tiny_recipe_path, ALIGNED, weight)
    assert recipe.alignment_head is not None
    assert (recipe.alignment_head.layer, recipe.alignment_head.head) == (1, 0)
    assert load(tiny_recipe_path, ALIGNED).alignment_head is None
    for settings, problem in (
        ([weight], "no corpus of data.train has an `alignment`"),
        (
            [ALIGNED, weight, "training.alignment_layer=2"],
            "alignment_layer .2. is not one of the model's 2 decoder layers: -2 to 1",
        ),
        (
            [ALIGNED, weight, "augment.merge=0.1", "augment.typos=0.1"],
            "alignment_weight cannot be combined with augment.merge, augment.typos",
        ),
        (
            ["data.train={file: train.tsv, alignment: train.links}"],
            "alignment requires src and tgt",
        ),
        (
            ["data.validation={src: train.ko, tgt: train.en, alignment: train.links}"],
            "validation: word alignments are used for data.train",
        ),
        (
            ["data.train={src: '-', tgt: train.en, alignment: '-'}"],
            "alignment and one side are both -",
        ),
    ):
        with pytest.raises(MtkitError, match=problem):
            load(tiny_recipe_path, *settings)
