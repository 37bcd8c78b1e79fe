"""The kinds of words in the demo, and its people, places, times and numbers; nouns.py and
predicates.py hold the rest.

Korean leaves out much that English says: articles, plural, my. Here each word settles them, so
that each Korean sentence has one English side.
"""

from dataclasses import dataclass
from typing import Literal

from tools.demo_corpus.conjugation import Tense
from tools.demo_corpus.english import Agreement, a, plural, possessive


def _entries(text: str) -> tuple[tuple[str, str], ...]:
    """Korean and English of each entry: 민수/Minsu, 지수/Jisu."""
    return tuple((ko, en) for ko, _, en in (entry.partition("/") for entry in text.split(", ")))


@dataclass(frozen=True)
class Person:
    """Person who can be a subject."""

    ko: str
    en: str
    agreement: Agreement = "he"
    en_object: str = ""
    """As an object where that differs: me."""
    en_possessive: str = ""
    """Before a noun where that is not 's: my."""
    speaker: Literal["first", "second", "other"] = "other"
    elder: bool = False
    """Not asked about in the plain style, which would be rude."""

    @property
    def as_object(self) -> str:
        return self.en_object or self.en

    @property
    def possessor(self) -> tuple[str, str]:
        """Before a noun, Korean and English; 나의 and 너의 are spoken 내 and 네."""
        korean = {"나": "내", "너": "네", "우리": "우리"}.get(self.ko, self.ko + "의")
        return korean, self.en_possessive or possessive(self.en)

    @property
    def is_pronoun(self) -> bool:
        return bool(self.en_possessive)


PRONOUNS = (
    Person("나", "I", "I", "me", "my", "first"),
    Person("너", "you", "they", "you", "your", "second"),
    Person("그", "he", "he", "him", "his"),
    Person("그녀", "she", "he", "her", "her"),
    Person("우리", "we", "they", "us", "our", "first"),
    Person("그들", "they", "they", "them", "their"),
)

_NAMES = (
    "민수/Minsu, 지수/Jisu, 철수/Cheolsu, 영희/Younghee, 수진/Sujin, 지훈/Jihun, 유나/Yuna, 서연/Seoyeon, 현우/Hyeonwoo, 민지/Minji, 준호/Junho, "
    "은영/Eunyoung, 동현/Donghyun, 미영/Miyoung"
)
NAMES = tuple(Person(ko, en) for ko, en in _entries(_NAMES))

PROFESSIONS = _entries(
    "학생/student, 의사/doctor, 간호사/nurse, 요리사/chef, 가수/singer, 배우/actor, 기자/reporter, 작가/writer, 화가/painter, 경찰관/police officer, "
    "소방관/firefighter, 농부/farmer, 군인/soldier, 변호사/lawyer, 과학자/scientist, 운동선수/athlete, 대학생/college student, 회사원/office worker, "
    "선생님/teacher"
)
"""Professions; each is a subject too."""

NATIONALITIES = _entries(
    "한국/Korean, 일본/Japanese, 중국/Chinese, 미국/American, 영국/British, 프랑스/French, 독일/German"
)
"""Countries, with what their people (사람) are called."""
COMMON_PEOPLE = (
    *PROFESSIONS,
    *_entries("아이/child, 소년/boy, 소녀/girl, 남자/man, 여자/woman, 아기/baby, 손님/guest"),
)
"""People who can be counted: one teacher, two teachers."""

_KIN = _entries(
    "내 친구/my friend, 우리 어머니/my mother, 우리 아버지/my father, 우리 할머니/my grandmother, 우리 할아버지/my grandfather, "
    "우리 형/my older brother, 우리 누나/my older sister, 내 남동생/my younger brother, 내 여동생/my younger sister, 우리 삼촌/my uncle, "
    "우리 이모/my aunt, 내 사촌/my cousin"
)
_ELDERS = frozenset("선생님 손님 어머니 아버지 할머니 할아버지 삼촌 이모".split())
PEOPLE = tuple(
    Person(ko, en, elder=ko.split()[-1] in _ELDERS)
    for ko, en in (*((ko, f"the {en}") for ko, en in COMMON_PEOPLE), *_KIN)
)
GROUPS = (
    Person("학생들", "the students", "they"),
    Person("아이들", "the children", "they"),
    Person("사람들", "the people", "they"),
    Person("내 친구들", "my friends", "they"),
)
COMPANIONS = (*NAMES, *PEOPLE)
"""People who can be joined by 와/과."""
SUBJECTS = (*PRONOUNS, *NAMES, *PEOPLE, *GROUPS)


@dataclass(frozen=True)
class Place:
    """Somewhere to go, to be, or to do something."""

    ko: str
    en: str
    preposition: str
    """Where something happens there: at, in, on."""
    tags: str
    article: Literal["the", ""] = "the"

    @property
    def name(self) -> str:
        return f"{self.article} {self.en}".strip()

    @property
    def at(self) -> str:
        return f"{self.preposition} {self.name}"

    @property
    def to(self) -> str:
        return self.en if self.en == "home" else f"to {self.name}"

    @property
    def arriving(self) -> str:
        if self.en == "home":
            return self.en
        tags = self.tags.split()
        is_region = "live" in tags and (self.preposition == "in" or "near" not in tags)
        return self.at if is_region else f"at {self.name}"


PLACES = (
    Place("집", "home", "at", "near eat study home rest cook", ""),
    Place("학교", "school", "at", "near eat study sport work", ""),
    Place("회사", "work", "at", "near eat", ""),
    Place("교회", "church", "at", "near meet pray", ""),
    Place("사무실", "office", "at", "near indoor work study meet"),
    Place("도서관", "library", "at", "near indoor study meet read"),
    Place("교실", "classroom", "in", "near indoor study read room"),
    Place("대학교", "university", "at", "near study meet work"),
    Place("방", "room", "in", "indoor study rest home read room"),
    Place("거실", "living room", "in", "indoor rest home read room"),
    Place("부엌", "kitchen", "in", "indoor cook eat room"),
    Place("정원", "garden", "in", "outdoor rest"),
    Place("공원", "park", "in", "near outdoor sport meet read eat"),
    Place("운동장", "playground", "on", "near outdoor sport"),
    Place("체육관", "gym", "at", "near indoor sport"),
    Place("수영장", "swimming pool", "at", "near swim"),
    Place("식당", "restaurant", "at", "near indoor eat work meet order"),
    Place("카페", "cafe", "at", "near indoor eat study work meet order read"),
    Place("시장", "market", "at", "near shop work meet"),
    Place("가게", "store", "at", "near indoor shop work"),
    Place("백화점", "department store", "at", "near indoor shop work meet"),
    Place("서점", "bookstore", "at", "near indoor shop work meet read"),
    Place("빵집", "bakery", "at", "near indoor shop work"),
    Place("은행", "bank", "at", "near indoor work"),
    Place("우체국", "post office", "at", "near indoor work"),
    Place("병원", "hospital", "at", "near indoor work meet"),
    Place("약국", "pharmacy", "at", "near indoor work"),
    Place("영화관", "movie theater", "at", "near indoor meet movie"),
    Place("박물관", "museum", "at", "near indoor meet sight"),
    Place("미술관", "art gallery", "at", "near indoor meet sight"),
    Place("동물원", "zoo", "at", "near meet sight"),
    Place("역", "station", "at", "near meet"),
    Place("공항", "airport", "at", "near meet work"),
    Place("호텔", "hotel", "at", "near indoor meet work rest"),
    Place("농장", "farm", "on", "near work live"),
    Place("마을", "village", "in", "near live sight"),
    Place("시골", "countryside", "in", "live rest"),
    Place("도시", "city", "in", "live sight"),
    Place("섬", "island", "on", "live sight outdoor"),
    Place("바다", "sea", "at", "swim outdoor rest"),
    Place("강", "river", "at", "swim outdoor rest"),
    Place("산", "mountain", "on", "outdoor rest"),
    Place("숲", "forest", "in", "outdoor rest"),
    Place("서울", "Seoul", "in", "city live sight work", ""),
    Place("부산", "Busan", "in", "city live sight work", ""),
    Place("대전", "Daejeon", "in", "city live sight work", ""),
    Place("제주도", "Jeju Island", "on", "live sight work", ""),
    Place("한국", "Korea", "in", "abroad live sight work", ""),
    Place("일본", "Japan", "in", "abroad live sight work", ""),
    Place("중국", "China", "in", "abroad live sight work", ""),
    Place("미국", "America", "in", "abroad live sight work", ""),
    Place("영국", "England", "in", "abroad live sight work", ""),
    Place("프랑스", "France", "in", "abroad live sight work", ""),
    Place("독일", "Germany", "in", "abroad live sight work", ""),
)


@dataclass(frozen=True)
class Time:
    """When something happens, and the tenses that agree with it."""

    ko: str
    en: str
    tenses: frozenset[Tense]
    bare: bool = False
    """Whether it goes with the weather and with states: today, yesterday."""


_PAST: frozenset[Tense] = frozenset({"past"})
_COMING: frozenset[Tense] = frozenset({"future", "can", "must", "want"})
_HABIT: frozenset[Tense] = frozenset({"present", "past"})
_ANY: frozenset[Tense] = frozenset({"present", "past", "future", "must"})

HOURS = _entries(
    "한/one, 두/two, 세/three, 네/four, 다섯/five, 여섯/six, 일곱/seven, 여덟/eight, 아홉/nine, 열/ten, 열한/eleven, 열두/twelve"
)
_DAYS = _entries(
    "월요일/Monday, 화요일/Tuesday, 수요일/Wednesday, 목요일/Thursday, 금요일/Friday, 토요일/Saturday, 일요일/Sunday"
)
_TIMES: dict[frozenset[Tense], str] = {
    _PAST: "그저께/the day before yesterday, 어젯밤에/last night, 지난주에/last week, 지난달에/last month, 작년에/last year, "
    "어제 아침에/yesterday morning, 어제 저녁에/yesterday evening, 지난 주말에/last weekend",
    _COMING: "모레/the day after tomorrow, 다음 주에/next week, 다음 달에/next month, 내년에/next year, 내일 아침에/tomorrow morning, "
    "내일 저녁에/tomorrow evening, 이번 주말에/this weekend",
    _HABIT: "매일/every day, 매주/every week, 매일 아침/every morning, 매일 저녁/every evening",
    _ANY: "아침에/in the morning, 오후에/in the afternoon, 저녁에/in the evening, 밤에/at night, 주말에/on the weekend, 봄에/in spring, "
    "여름에/in summer, 가을에/in fall, 겨울에/in winter",
}
TIMES = (
    Time("어제", "yesterday", _PAST, bare=True),
    Time("내일", "tomorrow", _COMING, bare=True),
    Time("오늘", "today", _ANY | _COMING, bare=True),
    Time("지금", "now", frozenset({"progressive", "must", "want"})),
    *(Time(ko, en, tenses) for tenses, entries in _TIMES.items() for ko, en in _entries(entries)),
    *(Time(f"{ko}에", f"on {en}", _ANY) for ko, en in _DAYS),
    *(Time(f"{ko}마다", f"every {en}", _HABIT) for ko, en in _DAYS),
    *(Time(f"{ko} 시에", f"at {en} o'clock", _ANY) for ko, en in HOURS),
)
FREQUENCIES = _entries("자주/often, 항상/always, 가끔/sometimes, 보통/usually")

NUMBERS = (*HOURS, *_entries("열다섯/fifteen, 스무/twenty, 서른/thirty, 쉰/fifty, 백/one hundred"))
"""Native Korean numbers as they stand before a counter, and English."""
NUMBER_WEIGHTS = tuple(6 if n < 5 else 2 if n < len(HOURS) else 1 for n in range(len(NUMBERS)))
"""Relative frequencies."""


@dataclass(frozen=True)
class Noun:
    """A thing.

    Its English article when Korean says nothing: a (count), nothing (mass, plural, bare), the
    (unique). As the subject, or the object of a verb like open, all take the, except bare: soccer,
    Korean.
    """

    ko: str
    en: str
    tags: str
    counter: str = ""
    """Counter: 개, or with the English unit, 잔:glass 병:bottle; empty when it is not."""
    kind: Literal["count", "mass", "plural", "bare", "unique"] = "count"

    @property
    def agreement(self) -> Agreement:
        return "they" if self.kind == "plural" else "he"

    @property
    def definite(self) -> str:
        return self.en if self.kind == "bare" else f"the {self.en}"

    @property
    def generic(self) -> str:
        """The kind of thing: likes apples."""
        return (
            plural(self.en)
            if self.kind == "count"
            else self.definite
            if self.kind == "unique"
            else self.en
        )

    def indefinite(self, adjective: str = "") -> str:
        words = f"{adjective} {self.en}".strip()
        return (
            a(words) if self.kind == "count" else f"the {words}" if self.kind == "unique" else words
        )

    def counted(self, number: str, counter: str) -> str:
        """three apples, one cup of coffee, two pairs of shoes; the counter is one of the noun's."""
        unit = counter.partition(":")[2]
        head = unit or self.en
        return f"{number} {head if number == 'one' else plural(head)}" + (
            f" of {self.en}" if unit else ""
        )

    def pointed_at(self, determiner: str) -> str:
        """this book, these shoes."""
        if self.kind == "plural":
            determiner = {"this": "these", "that": "those"}.get(determiner, determiner)
        return f"{determiner} {self.en}"
