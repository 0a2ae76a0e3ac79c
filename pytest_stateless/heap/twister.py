"""Whether numbers were drawn from a random generator, or it was seeded anew: both move its state."""

from __future__ import annotations

from typing import Any, Final

_WORDS: Final = 624  # of a Mersenne twister's state (Matsumoto and Nishimura 1998)
_LIMIT: Final = 1000  # times that all words are replaced before it counts as seeded anew


def was_drawn_from(before: Any, after: Any) -> bool:
    """Whether a Mersenne twister comes from one state to the other by drawing numbers, some 600,000 at most.

    States are 624 words of 32 bits and the position of the next one, as ``random.Random.getstate`` gives them.
    """
    from _random import Random  # loaded where a state was read

    if len(before) != _WORDS + 1 or len(after) != _WORDS + 1:
        return False
    if before[:_WORDS] == after[:_WORDS]:
        return bool(before[_WORDS] <= after[_WORDS])
    twister: Any = Random()
    twister.setstate(before)
    for _ in range(_LIMIT):
        left = _WORDS - twister.getstate()[_WORDS]
        twister.getrandbits(32 * (left + 1))  # the last of these words is one of the next
        if twister.getstate()[:_WORDS] == after[:_WORDS]:
            return True
    return False
