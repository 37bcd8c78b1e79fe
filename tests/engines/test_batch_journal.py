import pytest

from mtkit.config.search import SearchConfig
from mtkit.engines.batch_journal import BatchJournal, lines_in_journal
from mtkit.engines.protocol import SearchRequest
from mtkit.errors import MtkitError
from mtkit.search.constraints.constraints import Constraints
from mtkit.search.hypothesis import Hypothesis

FOUND = [
    [Hypothesis([5, 6], -0.1234567890123456, -1 / 3), Hypothesis([], -2.0, float("-inf"))],
    [Hypothesis([7], -1e-300, 0.0)],
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "part" / "1"


def test_journal_round_trip_is_bit_identical(path):
    with BatchJournal(path) as journal:
        assert journal.get("a") is None
        journal.add("a", FOUND)
        journal.count_lines(2)
    with BatchJournal(path) as journal:
        assert journal.get("a") == FOUND
        assert journal.get("b") is None
    assert lines_in_journal(path) == 2


def test_a_record_cut_off_at_any_byte_is_ignored_and_spoils_no_other(path):
    with BatchJournal(path) as journal:
        journal.add("a", FOUND)
        n_first = path.stat().st_size
        journal.add("b", FOUND)
    whole = path.read_bytes()
    for n in range(n_first, len(whole)):
        path.write_bytes(whole[:n])
        with BatchJournal(path) as journal:
            assert journal.get("a") == FOUND
            # All but the line feed is a whole record.
            assert (journal.get("b") is not None) == (n == len(whole) - 1)
            journal.add("c", FOUND)
        with BatchJournal(path) as journal:
            assert journal.get("a") == journal.get("c") == FOUND


def test_a_changed_byte_is_noticed(path):
    with BatchJournal(path) as journal:
        journal.add("a", FOUND)
    content = bytearray(path.read_bytes())
    content[content.index(b"5")] = ord("9")
    path.write_bytes(content)
    with BatchJournal(path) as journal:
        assert journal.get("a") is None


def test_lines_found_again_are_not_counted_twice(path):
    for _ in range(2):
        with BatchJournal(path) as journal:
            journal.count_lines(3)
            journal.count_lines(2)
    assert lines_in_journal(path) == 5


def test_key_depends_on_the_sources_and_settings():
    greedy = SearchConfig(beam_size=1)
    keys = {
        SearchRequest(sources, config).key(range(len(sources)), *others)
        for sources, config, *others in [
            ([[1], [2]], greedy),
            ([[2], [1]], greedy),
            ([[1, 2]], greedy),
            ([[1], [2]], SearchConfig(beam_size=2)),
            ([[1], [2]], greedy, 5),
        ]
    }
    assert len(keys) == 5
    constrained = SearchRequest([[1], [2]], greedy, [Constraints((7,)), Constraints()])
    assert constrained.key([0]) != SearchRequest([[1]], greedy).key([0])


def test_deleted_directory_is_not_recreated(tmp_path):
    with BatchJournal(tmp_path / "gone" / "part" / "1") as journal:
        journal.add("a", FOUND)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "1").mkdir()
    with (
        pytest.raises(MtkitError, match="cannot be written"),
        BatchJournal(tmp_path / "1") as journal,
    ):
        journal.add("a", FOUND)
