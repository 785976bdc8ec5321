"""Ctrl-C is never lost: processes of their own, because a signal concerns a whole process."""

import signal
import subprocess
import sys

DROPPED = """
import signal, threading, weakref
from hil.cli.interrupt import interruptible

class Thing:
    pass

def callback(_):
    signal.raise_signal(signal.{name})  # its exception is dropped by the interpreter: nobody can raise out of here
    for _ in range(1000):
        pass

try:
    with interruptible():
        thing = Thing()
        watched = weakref.ref(thing, callback)
        del thing
        print("went on", flush=True)
        threading.Event().wait(30)
except KeyboardInterrupt:
    print("interrupted")
"""


def _said(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return done.stdout


def test_an_interrupt_that_falls_into_a_finaliser_is_sent_again() -> None:
    assert _said(DROPPED.format(name="SIGINT")) == "went on\ninterrupted\n"


def test_sigterm_is_the_same_as_ctrl_c() -> None:
    assert _said(DROPPED.format(name="SIGTERM")) == "went on\ninterrupted\n"


def test_other_dropped_exceptions_are_still_told() -> None:
    script = (
        "from hil.cli.interrupt import interruptible\nclass Bad:\n    def __del__(self): raise ValueError('x')\nwith interruptible(): Bad()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "ValueError: x" in done.stderr


def test_the_handlers_of_before_are_back_afterwards() -> None:
    from hil.cli.interrupt import interruptible

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with interruptible():
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
