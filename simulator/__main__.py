"""`python -m simulator`: the pretended lab on loopback sockets until SIGTERM or Ctrl-C, which both end it with exit code 0."""

import signal
import sys


def _end_quietly(*_: object) -> None:
    sys.exit(0)


if __name__ == "__main__":
    # Before the heavy imports, so that a signal that comes early ends the process as quietly as one that comes late.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end_quietly)

    from simulator.cli import main

    sys.exit(main(sys.argv[1:]))
