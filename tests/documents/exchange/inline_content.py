"""Strategies of text with inline codes, and what tests compare in it."""

from collections import Counter

from hypothesis import strategies as st

_texts = st.text(st.sampled_from("ab 한글.\n"), max_size=8).map(
    lambda text: text.replace("한", "&amp;").replace("글", "{n} ")
)


@st.composite
def contents(draw, kind, depth=0, counter=None):
    """Content of a source: `1` for XLIFF 1.2, `2` for XLIFF 2.x, `tmx` for TMX."""
    counter = counter if counter is not None else [0]
    parts = []
    for _ in range(draw(st.integers(0, 3))):
        parts.append(draw(_texts))
        counter[0] += 1
        n = counter[0]
        inner = draw(contents(kind, depth + 1, counter)) if depth < 3 else "x"
        codes = {
            "1": [
                f'<g id="{n}">{inner}</g>',
                f'<x id="{n}"/>',
                f'<bpt id="{n}" rid="{n}">&lt;b></bpt>{inner}<ept id="{n}" rid="{n}">&lt;/b></ept>',
                f'<bx id="{n}"/>{inner}<ex id="{n}"/>',
                f'<ph id="{n}">{{x{n}}}</ph>',
                f'<ph id="{n}">&lt;a <sub>sub text</sub>></ph>',
                f'<mrk mtype="protected">P{n}</mrk>',
                f'<mrk mtype="term">{inner}</mrk>',
            ],
            "2": [
                f'<pc id="{n}">{inner}</pc>',
                f'<ph id="{n}"/>',
                f'<sc id="{n}"/>{inner}<ec startRef="{n}"/>',
                f'<mrk id="{n}" translate="no">P{n}</mrk>',
                f'<mrk id="{n}" type="comment" value="v">{inner}</mrk>',
                f'<sm id="{n}" translate="no"/>P{n}<em startRef="{n}"/>',
                '<cp hex="001A"/>',
            ],
            "tmx": [
                f'<bpt i="{n}">&lt;b></bpt>{inner}<ept i="{n}">&lt;/b></ept>',
                f'<ph x="{n}">{{x{n}}}</ph>',
                f'<ph x="{n}">&lt;a <sub>sub text</sub>></ph>',
                f"<hi>{inner}</hi>",
                "<ut>{\\b }</ut>",
                f'<it pos="begin" x="{n}">&lt;i></it>',
            ],
        }[kind]
        parts.append(draw(st.sampled_from(codes)))
    return "".join([*parts, draw(_texts)])


def codes_of(element):
    """Count the inline elements within an element, with their attributes."""
    return Counter(
        (node.tag, tuple(sorted(node.attrib.items())))
        for node in element.iterdescendants()
        if isinstance(node.tag, str)
    )
