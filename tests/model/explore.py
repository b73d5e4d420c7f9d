"""An explorer of every state there is: breadth first, so that what it finds is found by the shortest way there."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from tests.model.properties import broken_by_state, broken_by_step, ended
from tests.model.protocol import IllegalMove
from tests.model.state import State, Step
from tests.model.world import World

LEGAL = "every move is in the table of moves"
ENDS = "whatever happened, every job can still end without another fault"


@dataclass(frozen=True, kw_only=True)
class Violation:
    """What does not hold, and the shortest way to where it does not."""

    broken: str
    trace: Sequence[str]

    def __str__(self) -> str:
        steps = "\n".join(f"  {number}. {words}" for number, words in enumerate(self.trace, start=1))
        return f"This does not hold: {self.broken}. It takes {len(self.trace)} steps:\n{steps}"


@dataclass(frozen=True, kw_only=True)
class Explored:
    """What an exploration came to."""

    states: int
    steps: int
    violation: Violation | None = None


class Exploration:
    """One walk through all states of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        start = world.start()
        self._numbers: dict[State, int] = {start: 0}
        self._came: list[tuple[int, str]] = [(-1, "")]
        """Of each state, by number: the one before it, and the step from there."""
        self._fair_from: list[list[int]] = [[]]
        """Of each state: those from which a fair step leads to it."""
        self._ended: list[int] = []
        self._steps = 0

    def run(self) -> Explored:
        """Look at every state and every step; stop at the first violation."""
        violation = self._walk() or self._some_never_end()
        return Explored(states=len(self._numbers), steps=self._steps, violation=violation)

    def _walk(self) -> Violation | None:
        ahead = deque(self._numbers)
        while ahead:
            state = ahead.popleft()
            number = self._numbers[state]
            if ended(state):
                self._ended.append(number)
            try:
                for step in self._world.steps(state):
                    new = self._note(number, step)
                    if broken := self._broken(state, step, new=new):
                        return Violation(broken=broken, trace=[*self._trace(number), step.words])
                    if new:
                        ahead.append(step.after)
            except IllegalMove as error:
                return Violation(broken=LEGAL, trace=[*self._trace(number), str(error)])
        return None

    def _broken(self, state: State, step: Step, *, new: bool) -> str | None:
        """The first property that does not hold; a state that was met before was judged then."""
        broken = next(broken_by_step(self._world, state, step), None)
        return next(broken_by_state(self._world, step.after), None) if new and not broken else broken

    def _note(self, number: int, step: Step) -> bool:
        """Write a step down; tells whether it leads to a new state."""
        self._steps += 1
        to = self._numbers.setdefault(step.after, len(self._came))
        new = to == len(self._came)
        if new:
            self._came.append((number, step.words))
            self._fair_from.append([])
        if step.fair:
            self._fair_from[to].append(number)
        return new

    def _some_never_end(self) -> Violation | None:
        """Walk back from all ends by fair steps alone: whoever is not met is stuck."""
        met = bytearray(len(self._came))
        ahead = deque(self._ended)
        for number in ahead:
            met[number] = True
        while ahead:
            for before in self._fair_from[ahead.popleft()]:
                if not met[before]:
                    met[before] = True
                    ahead.append(before)
        stuck = met.find(0)
        return None if stuck < 0 else Violation(broken=ENDS, trace=list(self._trace(stuck)))

    def _trace(self, number: int) -> list[str]:
        words = []
        while number > 0:
            number, step = self._came[number]
            words.append(step)
        return words[::-1]
