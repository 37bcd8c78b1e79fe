"""The verbs and adjectives of the demo, with what they go with."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Verb:
    """Something done. Where one Korean verb has several English ones (쓰다: write, wear), their
    objects tell them apart."""

    ko: str
    """Dictionary form."""
    en: str
    objects: str = ""
    """Tags of the nouns that can be its object; person is anybody."""
    places: str = ""
    """Tags of the places where it happens; empty: not said."""
    manner: str = ""
    """Korean adverbs that go with it."""
    tools: str = ""
    """Korean means that go with it."""
    article: Literal["a", "the", "generic"] = "a"
    """Article of a countable object: reads a book, opens the door, likes books."""
    is_state: bool = False
    """Something felt, known or befalling: only present and past, and no word of time, place or
    manner."""

    @property
    def stem(self) -> str:
        return self.ko.removesuffix("다")

    @property
    def takes_short_negation(self) -> bool:
        """안 splits 공부하다 and 보여 주다, which the demo leaves out."""
        return not self.ko.endswith("하다") and " " not in self.ko


TRANSITIVE = (
    Verb("먹다", "eat", "food meal", "eat", "빨리 천천히 혼자", "숟가락 젓가락 손"),
    Verb("마시다", "drink", "drink", "eat", "빨리 천천히 혼자"),
    Verb("요리하다", "cook", "cooked", "cook", "혼자 빨리"),
    Verb("굽다", "bake", "baked", "cook", "혼자"),
    Verb("자르다", "cut", "cuttable", "cook", "천천히", "칼"),
    Verb("주문하다", "order", "dish drink", "order"),
    Verb("준비하다", "prepare", "meal gift", "home", "혼자"),
    Verb("씻다", "wash", "washable", "cook", "깨끗이 빨리"),
    Verb("읽다", "read", "reading", "read", "조용히 천천히 혼자"),
    Verb("쓰다", "write", "written", "study", "천천히", "펜 연필 컴퓨터"),
    Verb("사다", "buy", "fruit vegetable drink thing bought flower", "shop", "혼자"),
    Verb("팔다", "sell", "fruit vegetable clothing footwear flower furniture", "shop", "혼자"),
    Verb("빌리다", "borrow", "lent"),
    Verb("잃어버리다", "lose", "lost", "near", article="the", is_state=True),
    Verb("찾다", "look for", "lost thing person", "near"),
    Verb("고르다", "choose", "clothing footwear flower gift toy", "shop", "천천히"),
    Verb("원하다", "want", "thing gift flower drink fruit", is_state=True),
    Verb(
        "좋아하다",
        "like",
        "food drink animal sport racket language subject flower work person",
        article="generic",
        is_state=True,
    ),
    Verb(
        "싫어하다",
        "hate",
        "vegetable drink animal sport racket subject person",
        article="generic",
        is_state=True,
    ),
    Verb("사랑하다", "love", "person", is_state=True),
    Verb("만나다", "meet", "person", "meet"),
    Verb("기다리다", "wait for", "person boarded", "meet", "조용히 혼자", article="the"),
    Verb("돕다", "help", "person", "work"),
    Verb("초대하다", "invite", "person"),
    Verb("믿다", "trust", "person", is_state=True),
    Verb("알다", "know", "person", is_state=True),
    Verb("보다", "watch", "watched", "home movie", "조용히 혼자"),
    Verb("보다", "look at", "scenery", "outdoor", "조용히 혼자", article="the"),
    Verb("듣다", "listen to", "heard", "home", "조용히 혼자"),
    Verb("부르다", "sing", "sung", "home outdoor", "조용히 혼자"),
    Verb("배우다", "learn", "language subject racket", "study", "열심히 천천히 혼자"),
    Verb("공부하다", "study", "language subject", "study", "열심히 조용히 혼자"),
    Verb(
        "연습하다",
        "practice",
        "instrument racket sport",
        "home study",
        "열심히 혼자",
        article="the",
    ),
    Verb("하다", "play", "sport", "sport", "열심히"),
    Verb("하다", "play", "game", "home", "조용히 혼자"),
    Verb("하다", "do", "chore", "home", "빨리 혼자"),
    Verb("끝내다", "finish", "task", "study", "빨리 혼자"),
    Verb("치다", "play", "racket", "sport", "열심히"),
    Verb("치다", "play", "instrument", "home study", "열심히 조용히 혼자", article="the"),
    Verb("그리다", "draw", "drawn", "outdoor study", "천천히 혼자", "연필 펜"),
    Verb("찍다", "take", "photo", "outdoor sight", "혼자", "카메라 휴대폰"),
    Verb("모으다", "collect", "collected", article="generic"),
    Verb("던지다", "throw", "thrown", "outdoor"),
    Verb("입다", "wear", "clothing"),
    Verb("신다", "wear", "footwear"),
    Verb("쓰다", "wear", "headwear"),
    Verb("끼다", "wear", "ring"),
    Verb("타다", "take", "boarded", article="the"),
    Verb("타다", "ride", "ridden", "outdoor", "혼자"),
    Verb("운전하다", "drive", "driven", "", "천천히 혼자"),
    Verb("고치다", "fix", "device furniture", "home", "혼자 빨리", article="the"),
    Verb("사용하다", "use", "tool", "study", "혼자"),
    Verb("켜다", "turn on", "switched", "room", article="the"),
    Verb("끄다", "turn off", "switched", "room", article="the"),
    Verb("열다", "open", "opened", "room", "조용히 천천히", article="the"),
    Verb("닫다", "close", "opened", "room", "조용히 빨리", article="the"),
    Verb("닦다", "wipe", "wiped dishes", "room", "깨끗이", article="the"),
    Verb("청소하다", "clean", "cleaned", "", "깨끗이 혼자", article="the"),
    Verb("옮기다", "move", "moved", "room", "천천히 혼자", article="the"),
    Verb("만들다", "make", "made", "home", "혼자 천천히"),
    Verb("짓다", "build", "built", "live", "천천히"),
    Verb("심다", "plant", "planted", "outdoor", "혼자"),
    Verb("키우다", "raise", "pet", "live", "혼자"),
    Verb("돌보다", "take care of", "pet", "live", "혼자", article="the"),
)

GIVING = (
    Verb("주다", "give", "thing gift flower fruit sent drink"),
    Verb("보내다", "send", "sent"),
    Verb("보여 주다", "show", "shown photo thing"),
    Verb("빌려주다", "lend", "lent"),
    Verb("가르치다", "teach", "language subject racket", "", "열심히"),
    Verb("쓰다", "write", "written"),
    Verb("읽어 주다", "read", "reading"),
    Verb("팔다", "sell", "fruit clothing furniture device"),
)
"""Verbs with a person marked by 에게, who follows "to" in English."""

INTRANSITIVE = (
    Verb("가다", "go", manner="일찍 늦게 혼자"),
    Verb("오다", "come", manner="일찍 늦게 혼자"),
    Verb("공부하다", "study", places="study", manner="열심히 조용히 혼자"),
    Verb("일하다", "work", places="work", manner="열심히 조용히 혼자"),
    Verb("운동하다", "exercise", places="sport", manner="열심히 혼자"),
    Verb("수영하다", "swim", places="swim", manner="빨리 혼자"),
    Verb("자다", "sleep", places="home", manner="조용히 혼자"),
    Verb("쉬다", "rest", places="rest", manner="조용히 혼자"),
    Verb("걷다", "walk", places="outdoor", manner="천천히 빨리 혼자"),
    Verb("달리다", "run", places="outdoor sport", manner="빨리 천천히 혼자"),
    Verb("놀다", "play", places="outdoor home", manner="조용히 혼자"),
    Verb("울다", "cry", places="room", manner="조용히 혼자"),
    Verb("웃다", "laugh", places="room", manner="조용히"),
    Verb("춤을 추다", "dance", places="room sport", manner="혼자"),
    Verb("노래하다", "sing", places="outdoor room", manner="조용히"),
    Verb("이야기하다", "talk", places="meet", manner="조용히"),
    Verb("산책하다", "take a walk", places="outdoor", manner="천천히 혼자"),
    Verb("기도하다", "pray", places="pray room", manner="조용히 혼자"),
    Verb("일어나다", "get up", manner="일찍 늦게"),
)

MOTION = (
    Verb("가다", "go", manner="빨리 혼자 일찍 늦게"),
    Verb("오다", "come", manner="빨리 혼자 일찍 늦게"),
    Verb("돌아가다", "go back", manner="빨리 혼자 일찍 늦게"),
    Verb("돌아오다", "come back", manner="빨리 혼자 일찍 늦게"),
)
"""With a goal marked by 에 or (으)로."""
WALKING = (Verb("걸어가다", "walk", manner="천천히 혼자"), Verb("뛰어가다", "run", manner="혼자"))
"""Motion on foot, to places that are near."""
ARRIVING = Verb("도착하다", "arrive", manner="일찍 늦게")
LEAVING = Verb("떠나다", "leave", manner="혼자 일찍 늦게")
ENTERING = Verb("들어가다", "enter", manner="조용히 혼자 빨리")
VISITING = Verb("방문하다", "visit", manner="혼자")
LIVING = Verb("살다", "live", manner="혼자")
CALLING = (Verb("전화하다", "call"), Verb("인사하다", "greet"))
"""Verbs with a person marked by 에게."""

MANNERS = {
    "열심히": "hard",
    "빨리": "quickly",
    "천천히": "slowly",
    "조용히": "quietly",
    "혼자": "alone",
    "일찍": "early",
    "늦게": "late",
    "깨끗이": "thoroughly",
}
TOOLS = {
    "숟가락": "with a spoon",
    "젓가락": "with chopsticks",
    "손": "by hand",
    "칼": "with a knife",
    "펜": "with a pen",
    "연필": "with a pencil",
    "컴퓨터": "on a computer",
    "카메라": "with a camera",
    "휴대폰": "with a cell phone",
}
LOCAL_TRANSPORT = {
    "버스": "by bus",
    "지하철": "by subway",
    "택시": "by taxi",
    "자전거": "by bicycle",
    "자동차": "by car",
}
CITY_TRANSPORT = {"버스": "by bus", "기차": "by train", "자동차": "by car"}
FAR_TRANSPORT = {"비행기": "by plane", "배": "by ship"}


@dataclass(frozen=True)
class Adjective:
    """Adjective."""

    ko: str
    """Dictionary form."""
    en: str
    nouns: str = ""
    """Tags of the nouns that it describes; person is anybody; empty for the weather."""
    before_noun: bool = True
    """Whether it is also used before its noun."""

    @property
    def stem(self) -> str:
        return self.ko.removesuffix("다")


ADJECTIVES = (
    Adjective("크다", "big", "fruit thing animal building town vehicle planted opened"),
    Adjective("작다", "small", "fruit thing animal building town vehicle planted opened lost"),
    Adjective("좋다", "good", "thing work reading vehicle building"),
    Adjective("예쁘다", "pretty", "clothing flower toy photo dishes gift ring"),
    Adjective("아름답다", "beautiful", "flower town work scenery photo"),
    Adjective("귀엽다", "cute", "pet toy"),
    Adjective("비싸다", "expensive", "thing fruit food drink vehicle flower"),
    Adjective("싸다", "cheap", "thing fruit food drink flower"),
    Adjective("무겁다", "heavy", "moved furniture instrument device"),
    Adjective("가볍다", "light", "clothing moved device footwear"),
    Adjective("길다", "long", "clothing written work"),
    Adjective("짧다", "short", "clothing written work lent"),
    Adjective("깨끗하다", "clean", "dishes cleaned clothing footwear wiped"),
    Adjective("더럽다", "dirty", "dishes cleaned clothing footwear wiped"),
    Adjective("낡다", "old", "furniture device clothing footwear vehicle opened"),
    Adjective("맛있다", "delicious", "food drink meal"),
    Adjective("달다", "sweet", "fruit sweet drink"),
    Adjective("맵다", "spicy", "dish"),
    Adjective("뜨겁다", "hot", "hot"),
    Adjective("차갑다", "cold", "drink"),
    Adjective("쉽다", "easy", "language subject task reading game"),
    Adjective("어렵다", "difficult", "language subject task reading game"),
    Adjective("재미있다", "interesting", "work reading language subject sport racket game watched"),
    Adjective("지루하다", "boring", "work reading subject sport watched"),
    Adjective("빠르다", "fast", "vehicle boarded switched"),
    Adjective("느리다", "slow", "vehicle boarded switched"),
    Adjective("높다", "high", "high"),
    Adjective("넓다", "spacious", "cleaned building"),
    Adjective("좁다", "cramped", "cleaned building"),
    Adjective("조용하다", "quiet", "building town pet"),
    Adjective("시끄럽다", "noisy", "building town pet vehicle"),
    Adjective("가깝다", "near", "building town built", before_noun=False),
    Adjective("멀다", "far", "building town built", before_noun=False),
    Adjective("빨갛다", "red", "clothing flower ring moved vehicle opened"),
    Adjective("파랗다", "blue", "clothing ring moved vehicle opened"),
    Adjective("노랗다", "yellow", "clothing flower ring moved vehicle"),
    Adjective("하얗다", "white", "clothing flower pet dishes vehicle opened"),
    Adjective("까맣다", "black", "clothing pet dishes vehicle footwear"),
    Adjective("새롭다", "new", "thing work reading vehicle"),
    Adjective("중요하다", "important", "task written subject language"),
    Adjective("행복하다", "happy", "person"),
    Adjective("슬프다", "sad", "person"),
    Adjective("바쁘다", "busy", "person"),
    Adjective("피곤하다", "tired", "person"),
    Adjective("배고프다", "hungry", "person"),
    Adjective("아프다", "sick", "person"),
    Adjective("친절하다", "kind", "person"),
    Adjective("똑똑하다", "smart", "person"),
    Adjective("젊다", "young", "person"),
    Adjective("강하다", "strong", "person"),
    Adjective("게으르다", "lazy", "person"),
    Adjective("부지런하다", "diligent", "person"),
    Adjective("유명하다", "famous", "person"),
    Adjective("키가 크다", "tall", "person", before_noun=False),
)

WEATHER = (
    Adjective("춥다", "cold"),
    Adjective("덥다", "hot"),
    Adjective("따뜻하다", "warm"),
    Adjective("시원하다", "cool"),
    Adjective("좋다", "good"),
    Adjective("나쁘다", "bad"),
    Adjective("맑다", "clear"),
    Adjective("흐리다", "cloudy"),
)
DEGREES = (("아주", "very"), ("매우", "very"), ("정말", "really"), ("너무", "too"))
