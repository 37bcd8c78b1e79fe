"""What word alignments link: words, or characters where a language writes no spaces."""

from bisect import bisect_left, bisect_right

from mtkit.corpus.languages import word_separator


class Units:
    """The words of a text, between white space; in a language without spaces, its characters but for white space.

    They are numbered from 0, as `str.split` numbers words.

    Args:
        text: As it was given.
        lang: Its language.
    """

    def __init__(self, text: str, lang: str) -> None:
        self.text = text
        self._number: list[int] = []
        """Of each character's unit; that of the next one for white space."""
        by_character = not word_separator(lang)
        number, was_space = -1, True
        for char in text:
            is_space = char.isspace()
            if not is_space and (was_space or by_character):
                number += 1
            self._number.append(number + is_space)
            was_space = is_space
        self.n_units = number + 1

    def unit(self, number: int) -> str:
        """The text of a unit."""
        begin = bisect_left(self._number, number)
        # White space has the number of the unit that it precedes.
        return self.text[begin : bisect_right(self._number, number)].strip()

    def around(self, begin: int, end: int) -> str:
        """The text of the units that a stretch touches; see `covered`."""
        numbers = self.covered(begin, end)
        return "".join(map(self.unit, numbers))

    def covered(self, begin: int, end: int) -> range:
        """The units that a stretch of the text touches; of one without any, the unit that comes next."""
        last = end
        while last > begin and self.text[last - 1].isspace():
            last -= 1
        if last > begin:
            return range(self._number[begin], self._number[last - 1] + 1)
        return (
            range(self._number[begin], self._number[begin] + 1)
            if begin < len(self.text) and self._number[begin] < self.n_units
            else range(0)
        )
