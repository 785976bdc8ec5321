"""What the prober is doing: one job has the chuck, those behind it wait for it; jobs that only wait for something wait beside it.

Rule 1: times are wall times. A step takes what the clock makes of its own time; on a fast clock it is over as soon as it has begun.
Rule 2: what happens by itself stands on the world's agenda, so that whoever looks at the world finds it as it is by then.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.agenda import Agenda, Entry
from simulator.instruments.sentio.scripts import Script, Step, Until
from simulator.instruments.sentio.words import Answer, SentioError

_NS_PER_S = 1_000_000_000


@dataclass(eq=False)
class Job:
    """script: None once it is over. done: told the answer and when. has_chuck: waits for the chuck, and keeps it till its end.

    word: what it carries out.
    """

    script: Script | None
    done: Callable[[Answer, int], None]
    has_chuck: bool = True
    word: str = ""
    step: Step | None = None
    begun_ns: int = 0
    entries: list[tuple[int, Entry]] = field(default_factory=list)


class Work:
    """wall_ns: wall time that the machine's time takes. changed: called when something was done that nobody asked for just now."""

    def __init__(self, agenda: Agenda, wall_ns: Callable[[int], int], changed: Callable[[], None]) -> None:
        self._agenda, self._wall_ns, self._changed = agenda, wall_ns, changed
        self._queue: deque[Job] = deque()
        self._waiting: list[Job] = []
        self._proceeding = False
        self.holder: Job | None = None
        self.now_ns = 0
        """The latest time that anybody told."""

    @property
    def idle(self) -> bool:
        """Nobody has the chuck."""
        return self.holder is None

    def due_ns(self) -> int | None:
        """When something happens by itself; None: not before somebody asks for something."""
        jobs = [*self._waiting, *([self.holder] if self.holder else [])]
        return min((when_ns for job in jobs for when_ns, _ in job.entries), default=None)

    def begin(self, job: Job, now_ns: int) -> None:
        """As soon as the chuck is free, or at once where that is not asked for."""
        if job.has_chuck:
            self._queue.append(job)
            self._next(now_ns)
        else:
            self._waiting.append(job)
            self._go_on(job, now_ns)

    def _next(self, now_ns: int) -> None:
        if self._proceeding:
            return
        self._proceeding = True
        try:
            while self.holder is None and self._queue:
                self.holder = self._queue.popleft()
                self._go_on(self.holder, now_ns)
        finally:
            self._proceeding = False

    def halt(self, error: SentioError, now_ns: int, job: Job | None = None) -> None:
        """Stop what has the chuck, or another job, where it is; it ends with the error unless its script knows better."""
        stopped = job or self.holder
        if stopped is None or stopped.script is None:
            return
        if stopped in self._queue:
            self._queue.remove(stopped)
            self._over(stopped, Answer.of(error), now_ns)
        else:
            self._clear(stopped)
            if stopped.step is not None:
                stopped.step.halt((now_ns - stopped.begun_ns) / _NS_PER_S)
            self._go_on(stopped, now_ns, error)
        self._changed()

    # --- one job
    def _go_on(self, job: Job, now_ns: int, error: SentioError | None = None, came: bool = True) -> None:
        """Run the script up to a step that takes time, or to its end."""
        script = job.script
        if script is None:
            return
        self.now_ns = max(self.now_ns, now_ns)
        try:
            while True:
                job.step = self._advance(script, job, error, came)
                error, came = self._entered(job, now_ns), True
                if error is None and self._takes_time(job, now_ns):
                    return
        except StopIteration as ended:
            self._over(job, Answer.of(ended.value), now_ns)
        except SentioError as failed:
            self._over(job, Answer.of(failed), now_ns)

    def _advance(self, script: Script, job: Job, error: SentioError | None, came: bool) -> Step:
        if error is not None:
            return script.throw(error)
        return next(script) if job.step is None else script.send(came)

    def _entered(self, job: Job, now_ns: int) -> SentioError | None:
        job.begun_ns = now_ns
        try:
            assert job.step is not None
            job.step.begin()
        except SentioError as refused:
            return refused
        return None

    def _takes_time(self, job: Job, now_ns: int) -> bool:
        """Whether the step is not over yet; where it is, it has ended."""
        step = job.step
        assert step is not None
        if isinstance(step, Until):
            if step.ready():
                return False
            self._at(job, now_ns + round(step.seconds * _NS_PER_S), lambda when_ns: self._timed_out(job, when_ns))
            return True
        takes_ns = self._wall_ns(round(step.seconds * _NS_PER_S))
        if takes_ns <= 0:
            step.end()
            return False
        scale = takes_ns / step.seconds
        for seconds, happen in step.marks():
            self._at(job, now_ns + round(seconds * scale), lambda _, happen=happen: happen())
        self._at(job, now_ns + takes_ns, lambda when_ns: self._step_over(job, when_ns))
        return True

    def _at(self, job: Job, when_ns: int, happen: Callable[[int], None]) -> None:
        def happens(nominal_ns: int) -> None:
            job.entries.remove(entry)
            happen(nominal_ns)

        entry = (when_ns, self._agenda.at(when_ns, happens))
        job.entries.append(entry)

    def _clear(self, job: Job) -> None:
        for _, entry in job.entries:
            entry.cancel()
        job.entries.clear()

    def _step_over(self, job: Job, when_ns: int) -> None:
        self._clear(job)
        if job.step is not None:
            job.step.end()
        self._go_on(job, when_ns)
        self._changed()

    def _timed_out(self, job: Job, when_ns: int) -> None:
        self._clear(job)
        self._go_on(job, when_ns, came=False)
        self._changed()

    def _over(self, job: Job, answer: Answer, now_ns: int) -> None:
        job.script = None
        if job in self._waiting:
            self._waiting.remove(job)
        if self.holder is job:
            self.holder = None
        job.done(answer, now_ns)
        for other in tuple(self._waiting):
            self._look_again(other, now_ns)
        self._next(now_ns)

    def _look_again(self, job: Job, now_ns: int) -> None:
        if isinstance(job.step, Until) and job.entries and job.step.ready():
            self._clear(job)
            self._go_on(job, now_ns)
