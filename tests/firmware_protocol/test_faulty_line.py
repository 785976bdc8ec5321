"""On a line that fails in seven ways, no pulse is applied twice, none is confirmed that was not, and the end is reached.

The bounds on frames are bounds on progress: a session that stands still breaks them instead of running for ever.
"""

import pytest

from firmware_protocol.answers import SEQ_MODULUS, Answers, Place
from firmware_protocol.events import LostBy, Role
from firmware_protocol.questions import Questions
from firmware_protocol.session import Endpoint
from tests.support.faulty_line import TIMING, Trial, failing
from tests.support.ledger_end import LedgerEnd, NaiveEnd

PULSES = 8000
FRAMES_PER_COMMAND = 12
"""With seven faults at 1 % each way a command takes about 3 frames; three times that is the bound."""
BOUND = FRAMES_PER_COMMAND * PULSES // 5


def trial(end: LedgerEnd, probability: float, seed: int, reboots: float = 0.0, **options: object) -> Trial:
    made = Trial(end, PULSES, failing(probability, reboots), seed, **options)  # type: ignore[arg-type]
    made.run(BOUND)
    return made


def test_on_a_good_line_every_command_takes_one_question_and_one_answer() -> None:
    made = trial(LedgerEnd(), 0.0, 1, batch=1, reads=0.0)
    assert made.ended.executed == set(range(1, PULSES + 1))
    assert made.frames == 2 * PULSES + 4
    assert made.host.counters.errors == made.retransmitted == 0


@pytest.mark.parametrize("window", [1, 8])
@pytest.mark.parametrize("probability", [0.001, 0.01, 0.03])
def test_on_a_bad_line_every_pulse_is_applied_exactly_once_and_every_reading_is_right(probability: float, window: int) -> None:
    made = trial(LedgerEnd(), probability, window, window=window)
    assert made.done, f"stood still after {made.frames} frames with {len(made.ended.executed)} of {PULSES} answered"
    assert made.times_applied() == dict.fromkeys(range(1, PULSES + 1), 1)
    assert made.in_order()
    assert made.ended.executed == set(range(1, PULSES + 1))
    assert made.ended.reads > 1000
    assert (made.ended.wrong, made.ended.late, made.downs) == (0, 0, {})


def test_after_a_restart_of_the_device_pulses_are_unknown_and_never_sent_again() -> None:
    made = trial(LedgerEnd(), 0.01, 3, reboots=0.003)
    applied = made.times_applied()
    assert made.done
    assert set(applied.values()) == {1}
    assert made.ended.executed <= applied.keys()
    assert not made.ended.unknown & made.ended.executed
    assert made.restarts > 5
    assert set(made.downs) <= {LostBy.REBOOT, LostBy.SESSION}
    assert 5 < len(made.ended.unknown) <= made.restarts * 8 * 16
    assert 0 < len(made.ended.unknown & applied.keys()) < len(made.ended.unknown), "unknown must mean both: applied and not"


def test_after_a_lost_connection_only_what_was_under_way_is_unknown() -> None:
    made = Trial(LedgerEnd(), PULSES, failing(0.01, disconnects=0.003), 4)
    made.run(BOUND)
    applied = made.times_applied()
    assert made.done
    assert set(applied.values()) == {1}
    assert made.ended.executed <= applied.keys()
    assert made.downs.keys() == {LostBy.LINE}
    assert 5 < len(made.ended.unknown) <= made.downs[LostBy.LINE] * 8 * 16
    assert (made.ended.wrong, made.ended.late, made.restarts) == (0, 0, 0)


def test_a_naive_retry_doubles_pulses_so_the_bench_bites() -> None:
    made = trial(NaiveEnd(), 0.01, 5, window=1)
    assert sum(times > 1 for times in made.times_applied().values()) > 0.05 * PULSES


class _CountingQuestions(Questions):
    """The mistake: a window over how many are outstanding, not over the range of their numbers."""

    def may_ask(self) -> bool:
        return len(self) < self.window


class _CountingHost(Endpoint):
    def __init__(self, role: Role, **options: object) -> None:
        super().__init__(role, **options)  # type: ignore[arg-type]
        self._questions = _CountingQuestions(8, TIMING)


def test_a_window_by_count_stands_still_and_the_progress_bound_shows_it() -> None:
    """The lost answer has left the device's cache, so that nothing but the deadline ever moves the host on."""
    made = trial(LedgerEnd(), 0.03, 8, make_host=_CountingHost)
    assert made.downs[LostBy.SILENCE] > 0 or not made.done
    assert max(made.times_applied().values()) == 1
    sound = trial(LedgerEnd(), 0.03, 8)
    assert sound.done
    assert sound.downs == {}


class _ShortCache(Answers):
    """The mistake: fewer answers kept than the host may have under way."""

    def __init__(self) -> None:
        super().__init__(4, 4)


class _EagerAnswers(Answers):
    """The mistake: a refusal for every frame behind a gap instead of one for the gap."""

    def place(self, seq: int) -> Place:
        self._refused_gap = False
        return super().place(seq)


def _with(make: type[Answers], *arguments: int) -> LedgerEnd:
    def device(boot_id: int) -> Endpoint:
        made = Endpoint(Role.DEVICE, boot_id=boot_id)
        made._answers = make(*arguments)
        return made

    return LedgerEnd(device)


def test_a_cache_shorter_than_the_window_stands_still_and_doubles_nothing() -> None:
    made = trial(_with(_ShortCache), 0.01, 8)
    assert made.downs[LostBy.SILENCE] > 0 or not made.done
    assert max(made.times_applied().values()) == 1


def test_a_refusal_for_every_frame_behind_a_gap_costs_a_multiple_of_what_is_sent_again() -> None:
    eager, sound = trial(_with(_EagerAnswers, 8, 16), 0.01, 8), trial(LedgerEnd(), 0.01, 8)
    assert eager.done
    assert eager.retransmitted > 2.5 * sound.retransmitted
    assert max(eager.times_applied().values()) == 1


def test_sequence_numbers_wrap_without_a_stall_or_a_double() -> None:
    end = LedgerEnd()
    made = Trial(end, 4000, failing(0.01), 9)
    while not made.host.open:
        made._step()
    start = SEQ_MODULUS - 100
    made.host._questions._next_seq = start
    end.device._answers.expected = start
    made._armed, made._ready = None, True
    made.run(BOUND)
    assert made.done
    assert made.times_applied() == dict.fromkeys(range(1, 4001), 1)
    assert made.host._questions._next_seq < start
