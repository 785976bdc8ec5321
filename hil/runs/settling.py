"""Pulse commands that an earlier process left open: what became of each, as far as the controller they were meant for knows.

Rule 1: only that very controller is asked; its driver believes "never seen" only of one that cannot have forgotten.
Rule 2: whatever it answers, nothing is pulsed here. What stays unknown is for the run to read back when it goes on.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence

from drivers.errors import ProtocolError, Refused
from hil.station.instruments import PulseWitness
from hil.store.logs import PulseIntents
from hil.store.records import OpenIntent

_log = logging.getLogger(__name__)

EXECUTED, REFUSED, UNKNOWN = "executed", "refused", "unknown"
"""Outcomes of one pulse, as the driver and the store call them."""


def settle_left(intents: PulseIntents, controller: PulseWitness) -> str | None:
    """Settle what is open before the first pulse of this connection; what was told, None when nothing was open.

    The session of this connection has ended every earlier one: what the controller has not seen by now it never will.
    Raises LinkError when the controller cannot be asked; then all stays open for the next connection.
    """
    serial = controller.identify().serial
    open_ones = intents.unsettled()
    if not open_ones:
        return None
    outcomes = {each.first_id: _outcomes(each, controller, serial) for each in open_ones}
    told = {run: _story([outcomes[each.first_id] for each in open_ones if run in (None, each.run)]) for run in _runs(open_ones)}
    intents.settle_left(outcomes, told)
    _log.warning("%s", told[None])
    return told[None]


def _runs(open_ones: Iterable[OpenIntent]) -> list[str | None]:
    """None first: the station's record tells of all of them."""
    return [None, *dict.fromkeys(each.run for each in open_ones if each.run is not None)]


def _outcomes(intent: OpenIntent, controller: PulseWitness, serial: str) -> list[str]:
    nobody_knows = [UNKNOWN] * intent.count
    if intent.serial != serial:
        return nobody_knows
    try:
        return controller.pulse_outcomes(intent.first_id, intent.count, intent.session)
    except (Refused, ProtocolError):
        # An answer without a meaning says nothing; it must not keep the station from being opened either.
        return nobody_knows


def _story(commands: Sequence[Sequence[str]]) -> str:
    """In words, as "3 pulse commands of the last process were settled: 2 executed, 1 unknown"."""
    fates = Counter(_fate(outcomes) for outcomes in commands)
    many = "1 pulse command of the last process was" if len(commands) == 1 else f"{len(commands)} pulse commands of the last process were"
    pulses = Counter(outcome for outcomes in commands for outcome in outcomes)
    told = ", ".join(f"{number} {fate}" for fate, number in fates.items())
    after = "; the kernel they belong to is read back before it is pulsed again" if UNKNOWN in pulses else ""
    counted = ", ".join(f"{pulses[outcome]} {outcome}" for outcome in (EXECUTED, REFUSED, UNKNOWN) if pulses[outcome])
    return f"{many} settled: {told} (pulses: {counted}){after}"


def _fate(outcomes: Sequence[str]) -> str:
    if UNKNOWN in outcomes:
        return "unknown"
    given = sum(outcome == EXECUTED for outcome in outcomes)
    return "executed" if given == len(outcomes) else "executed in part" if given else "not executed"
