"""SIGINT and SIGTERM as KeyboardInterrupt in the main thread, so that every `with` is left in order; and never a lost one.

Rule: an exception raised by a signal handler inside a finaliser or a weak reference's callback is dropped by the interpreter, which
tells `sys.unraisablehook` alone. From there the signal is sent again, a moment later, when other code runs."""

import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, NoReturn

AGAIN_AFTER_S = 0.02


@contextmanager
def interruptible() -> Generator[None]:
    """Until left, both signals raise KeyboardInterrupt. Main thread only."""
    # Both, because a shell starts a background process with SIGINT ignored.
    before = {number: signal.signal(number, _raise) for number in (signal.SIGTERM, signal.SIGINT)}
    told = sys.unraisablehook
    sys.unraisablehook = _send_again_or(told)
    try:
        yield
    finally:
        sys.unraisablehook = told
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _send_again_or(told: Any) -> Any:
    def hook(dropped: "sys.UnraisableHookArgs") -> None:
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            told(dropped)
            return
        again = threading.Timer(AGAIN_AFTER_S, _to_main_thread)
        again.daemon = True
        again.start()

    return hook


def _to_main_thread() -> None:
    main = threading.main_thread().ident
    if sys.platform != "win32" and main is not None:
        # Sent to the thread itself: only then does it leave a wait for a lock.
        signal.pthread_kill(main, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)
