"""Phrases of given token ids."""

from mtkit.search.constraints.phrase_automaton import NOWHERE, PhraseAutomaton


def phrase_of(*spellings):
    """A phrase that each of some sequences of token ids spells."""
    steps, ends = [{}], [frozenset()]
    for token_ids in spellings:
        position = 0
        for token in token_ids[:-1]:
            steps.append({})
            ends.append(frozenset())
            steps[position][token] = steps[position].get(token, NOWHERE) | {len(steps) - 1}
            position = len(steps) - 1
        ends[position] |= {token_ids[-1]}
    return PhraseAutomaton("", tuple(steps), tuple(ends))
