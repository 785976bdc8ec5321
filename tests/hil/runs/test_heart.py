"""What the worker says of itself, and when."""

import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from drivers.prober.sentio_deadlines import Command, Kind
from drivers.smu.values import SourceSettings
from hil.runs.bench import Bench
from hil.runs.heart import STALE_S, UNHEARD_S, Heart, patience_s
from hil.runs.lifesign import FILE_NAME, LifeSign, Word
from hil.runs.stops import Stops
from hil.store.errors import Unwritable
from hil.store.protocol import Store
from tests.hil.runs.helpers import opened
from tests.hil.runs.simulated_lab import SimulatedLab
from tests.support.waiting import until


@pytest.fixture
def sign(tmp_path: Path) -> Iterator[LifeSign]:
    with closing(LifeSign(tmp_path)) as made:
        yield made


def test_what_one_process_says_another_reads_and_every_beat_differs(tmp_path: Path, sign: LifeSign) -> None:
    with closing(LifeSign(tmp_path)) as other:
        assert other.read() == (Word.GONE, 0)
        for beats, word in enumerate((Word.WORKING, Word.WORKING, Word.STUCK, Word.GONE), start=1):
            sign.say(word)
            assert other.read() == (word, beats)
    with closing(LifeSign(tmp_path)) as later:
        assert later.read() == (Word.GONE, 4), "it outlives both"


def test_the_page_is_on_disk_from_the_start_so_that_no_beat_meets_a_full_one(tmp_path: Path, sign: LifeSign) -> None:
    assert (tmp_path / FILE_NAME).stat().st_size == 16 < mmap.PAGESIZE
    sign.say(Word.WORKING)
    assert (tmp_path / FILE_NAME).stat().st_size == 16


def test_a_word_that_only_a_later_release_knows_is_no_sign_of_health(tmp_path: Path, sign: LifeSign) -> None:
    (tmp_path / FILE_NAME).write_bytes(bytes([99]) + bytes(15))
    with closing(LifeSign(tmp_path)) as later:
        assert later.read().word is Word.STUCK


def test_a_directory_that_takes_no_page_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unwritable, match=f"{FILE_NAME} cannot be written"):
        LifeSign(tmp_path / "no such")


def test_the_heart_beats_from_the_start_and_says_in_the_end_that_it_is_meant(store: Store, sign: LifeSign) -> None:
    with Heart(sign, store, lambda: True):
        assert sign.read().word is Word.WORKING
        assert store.station().heartbeat_at is not None
        seen = sign.read().beats
        until(lambda: sign.read().beats > seen + 2)
    assert sign.read().word is Word.GONE
    assert store.station().heartbeat_at is None


def test_after_an_error_it_does_not_say_that_it_is_gone(store: Store, sign: LifeSign) -> None:
    with pytest.raises(RuntimeError), Heart(sign, store, lambda: True):
        raise RuntimeError
    assert sign.read().word is Word.WORKING, "with the lock free that is a death"


def test_a_main_loop_that_hangs_is_said_to_be_stuck_until_it_moves_again(store: Store, sign: LifeSign) -> None:
    moves = True
    with Heart(sign, store, lambda: moves):
        moves = False
        until(lambda: sign.read().word is Word.STUCK)
        moves = True
        until(lambda: sign.read().word is Word.WORKING)


@contextmanager
def held(store: Store) -> Iterator[None]:
    """Somebody writes to the store and does not come to an end."""
    with store._db.write():  # type: ignore[attr-defined]
        yield


def test_a_store_that_takes_no_word_holds_up_no_beat_and_is_said_after_a_while(store: Store, sign: LifeSign) -> None:
    seconds = 0.0
    with Heart(sign, store, lambda: True, lambda: seconds) as heart:
        with held(store):
            seconds += UNHEARD_S - 0.01
            assert heart.word() is Word.WORKING
            beats = sign.read().beats
            until(lambda: sign.read().beats > beats + 10)
            seconds += 0.02
            until(lambda: sign.read().word is Word.UNHEARD)
        until(lambda: sign.read().word is Word.WORKING, 20)


def test_gone_is_said_before_the_record_that_may_wait_for_a_disk(store: Store, sign: LifeSign) -> None:
    free = threading.Event()

    def beat_until_free() -> None:
        with Heart(sign, store, lambda: True):
            free.wait(10)

    leaving = threading.Thread(target=beat_until_free)
    leaving.start()
    until(lambda: store.station().heartbeat_at is not None)
    with held(store):
        free.set()
        until(lambda: sign.read().word is Word.GONE)
        assert leaving.is_alive()
    leaving.join(10)
    assert store.station().heartbeat_at is None


@pytest.mark.parametrize(("range_amps", "readings"), [(1e-3, 2), (None, 8)])
def test_while_the_output_is_on_the_main_loop_has_no_longer_than_one_answer_may_take(
    lab: SimulatedLab, store: Store, range_amps: float | None, readings: int
) -> None:
    """Both quantities are read, and four times where the range is searched for."""
    config = lab.config
    timeout_s = config.smu.timeout_s
    with opened(config, store) as station:
        smu = station._instruments.smu
        smu.configure(SourceSettings(limit_amps=1e-3, range_volts=0.1, nplc=1.0, settle_s=0.5, measure_range_amps=range_amps))
        assert station.output_on_s is None
        smu.output_on()
        on_s = station.output_on_s
        assert on_s == pytest.approx(0.5 + readings * 3 / 50)
        assert on_s + timeout_s < patience_s(config, on_s) < on_s + timeout_s + STALE_S
        smu.output_off()
        assert station.output_on_s is None
    assert patience_s(config, None) > 2 * timeout_s


def test_a_slow_move_is_no_alarm_and_each_one_has_its_own_time(lab: SimulatedLab, store: Store) -> None:
    now_s = 100.0
    bench = Bench(lab.config, store, Stops(store, os.getppid()), lambda: now_s)
    rest_s = patience_s(lab.config, None)
    station = bench.station()
    prober = station._instruments.prober
    session = prober._session
    assert bench.in_time(rest_s - 1) and not bench.in_time(rest_s + 1)
    with session._moving(Command("map:step_die 0, 0, 0", Kind.STEP)):
        step_s = session.deadlines.of(Command("", Kind.STEP))
        assert bench.in_time(0.0)
        now_s += step_s
        assert bench.in_time(step_s), "the chuck is on its way"
        now_s += rest_s + 1
        assert not bench.in_time(step_s + rest_s + 1), "nothing takes so long"
    assert bench.in_time(step_s + rest_s + 2), "it has ended this very moment"
    now_s += rest_s + 1
    assert not bench.in_time(step_s + 2 * rest_s + 3)
    bench.leave()
