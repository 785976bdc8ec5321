"""What a bad line makes of an instrument's answers: late, lost, split, garbled, doubled or cut, by a seed."""

import random

from tests.support.scripted_server import Answer, Pieces, Script

FAULTS = ("late", "later", "lost", "split", "garbled", "garbled", "twice", "cut")


class FaultyReplies:
    """rate: of answers that a fault strikes. struck: faults so far. A late answer comes with the next one, before or behind it."""

    def __init__(self, script: Script, seed: int, rate: float) -> None:
        self._script, self._rate = script, rate
        self._random = random.Random(seed)
        self._before = self._behind = b""
        self.struck = 0

    def __call__(self, line: str) -> Answer:
        answer = self._script(line)
        if not isinstance(answer, bytes):
            return answer
        before, behind = self._before, self._behind
        self._before = self._behind = b""
        damaged = self._damaged(answer) if self._random.random() < self._rate else answer
        if isinstance(damaged, Pieces):
            return Pieces((before, *damaged.parts, behind))
        return before + damaged + behind

    def _damaged(self, answer: bytes) -> bytes | Pieces:
        self.struck += 1
        at = self._random.randrange(len(answer))
        match self._random.choice(FAULTS):
            case "late":
                self._before = answer
                return b""
            case "later":
                self._behind = answer
                return b""
            case "split":
                return Pieces((answer[:at], answer[at:]))
            case "garbled":
                return answer[:at] + bytes([self._random.randrange(256)]) + answer[at + 1 :]
            case "twice":
                return answer * 2
            case "cut":
                return answer[:at]
            case _:
                return b""
