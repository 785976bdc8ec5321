"""One parser for all clients: a line at a time, in order of arrival, busy while it is busy, held up while it waits for itself."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from simulator.agenda import Agenda
from simulator.instruments import Reply
from simulator.instruments.line_instrument import LineInstrument

MS = 1_000_000


@dataclass
class Clerk:
    """A core that repeats its lines: `busy` takes 10 ms, `wait` holds until something has happened 50 ms later."""

    agenda: Agenda = field(default_factory=Agenda)
    longest_line: int = 100
    begun: list[tuple[str, int]] = field(default_factory=list)
    blocked: bool = False
    overruns: int = 0

    def execute(self, line: str, now_ns: int) -> Reply:
        self.begun.append((line, now_ns))
        if line == "wait":
            self.blocked = True
            self.agenda.at(now_ns + 50 * MS, self._release)
            return Reply()
        return Reply(f"{line}\n".encode() if line != "mute" else b"", 10 * MS if line == "busy" else 0)

    def resume(self, now_ns: int) -> Reply:
        return Reply(b"waited\n")

    def overrun(self, now_ns: int) -> None:
        self.overruns += 1

    def _release(self, _: int) -> None:
        self.blocked = False


def hosted() -> tuple[Clerk, LineInstrument]:
    clerk = Clerk()
    return clerk, LineInstrument(clerk, lambda busy_ns: busy_ns)


def test_an_answer_leaves_when_the_time_of_its_line_is_over() -> None:
    _, instrument = hosted()
    port = instrument.connect()
    port.feed(b"busy\n", 0)
    assert port.take(10 * MS - 1) == b"" and port.due_ns(0) == 10 * MS
    assert port.take(10 * MS) == b"busy\n"


def test_the_lines_of_all_clients_are_carried_out_one_after_the_other() -> None:
    clerk, instrument = hosted()
    first, second = instrument.connect(), instrument.connect()
    first.feed(b"busy\nbusy\n", 0)
    second.feed(b"off\n", MS)
    assert clerk.begun == [("busy", 0)]
    assert second.due_ns(MS) == 10 * MS
    assert second.take(25 * MS) == b"off\n"
    assert clerk.begun == [("busy", 0), ("busy", 10 * MS), ("off", 20 * MS)]
    assert first.take(25 * MS) + first.take(25 * MS) == b"busy\nbusy\n"


def test_whoever_comes_by_late_finds_everything_begun_at_its_own_time() -> None:
    clerk, instrument = hosted()
    instrument.connect().feed(b"busy\nbusy\nmute\n", 0)
    instrument.tick(1_000 * MS)
    assert [at for _, at in clerk.begun] == [0, 10 * MS, 20 * MS]


def test_an_instrument_that_waits_for_itself_hears_nobody_until_it_has() -> None:
    clerk, instrument = hosted()
    first, second = instrument.connect(), instrument.connect()
    first.feed(b"wait\nnext\n", 0)
    second.feed(b"hello\n", 0)
    assert second.take(49 * MS) == b"" and second.due_ns(49 * MS) is None
    assert first.take(60 * MS) == b"waited\n"
    assert [line for line, _ in clerk.begun] == ["wait", "next", "hello"]
    assert (first.take(60 * MS), second.take(60 * MS)) == (b"next\n", b"hello\n")


def test_a_stuck_instrument_takes_lines_and_carries_them_out_when_it_is_free() -> None:
    clerk, instrument = hosted()
    port = instrument.connect()
    instrument.stick(500 * MS)
    port.feed(b"off\n", 0)
    assert port.take(499 * MS) == b"" and clerk.begun == []
    assert port.take(500 * MS) == b"off\n"


def test_what_a_client_sent_before_it_left_is_carried_out() -> None:
    clerk, instrument = hosted()
    port = instrument.connect()
    port.feed(b"busy\noff\n", 0)
    port.close()
    assert port.speaks_on
    instrument.tick(20 * MS)
    assert [line for line, _ in clerk.begun] == ["busy", "off"]


def test_the_host_is_woken_for_an_answer_to_somebody_else_and_not_for_ones_own() -> None:
    _, instrument = hosted()
    woken: list[None] = []
    instrument.wake = lambda: woken.append(None)
    first, second = instrument.connect(), instrument.connect()
    first.feed(b"one\n", 0)
    assert woken == []
    first.feed(b"busy\nbusy\n", 0)
    second.feed(b"two\n", 11 * MS)
    assert len(woken) == 1


@given(st.lists(st.integers(1, 9), max_size=20))
def test_lines_do_not_depend_on_how_the_bytes_are_split(cuts: list[int]) -> None:
    text, (clerk, instrument), at = b"one\r\n two\t\nthree\0\n\n", hosted(), 0
    port = instrument.connect()
    for cut in [*cuts, len(text)]:
        port.feed(text[at : at + cut], 0)
        at += cut
    assert [line for line, _ in clerk.begun] == ["one", "two", "three", ""]


def test_a_line_that_is_too_long_is_lost_whole_and_told_once() -> None:
    clerk, instrument = hosted()
    port = instrument.connect()
    for _ in range(3):
        port.feed(b" " * 101, 0)
    port.feed(b"the end of the same line\nthe next\n", 0)
    assert clerk.overruns == 1
    assert [line for line, _ in clerk.begun] == ["the next"]
