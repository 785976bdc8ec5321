"""Which request is legal when. Nothing about order or state stands anywhere else."""

from collections.abc import Mapping
from dataclasses import dataclass

from firmware_protocol.codes import Capability, DeviceState, Opcode, Status
from firmware_protocol.messages import EVENTS, REQUESTS, EventMessage, Request

_SAFE, _SELECTED, _ARMED, _STOPPED = DeviceState.SAFE, DeviceState.SELECTED, DeviceState.ARMED, DeviceState.ESTOPPED
_ALWAYS = frozenset(DeviceState)
_ONLY_ARMED = frozenset({_ARMED})
# Not while a path is closed: the SMU and the board would drive one junction together.
_NO_PATH = frozenset({_SAFE, _ARMED})
_CORE = Capability(0)


@dataclass(frozen=True)
class Rule:
    """ordered: takes a sequence number, is executed in order and at most once; otherwise at once and as often as it comes.
    any_session: executed whatever session and boot id the header quotes.
    legal_in: device states in which it is executed.
    while_running: also while a long operation runs; otherwise it is answered BUSY.
    needs: capability without which it is unsupported.
    """

    ordered: bool
    any_session: bool
    legal_in: frozenset[DeviceState]
    while_running: bool = False
    needs: Capability = _CORE


def _question(needs: Capability = _CORE) -> Rule:
    """Changes nothing, so anybody may ask at any time."""
    return Rule(False, True, _ALWAYS, True, needs)


RULES: Mapping[int, Rule] = {
    Opcode.HELLO: _question(),
    Opcode.GET_DICT: _question(),
    Opcode.STATUS: _question(),
    Opcode.QUERY_PULSE: _question(),
    Opcode.OPERATION: _question(Capability.STREAMS),
    Opcode.RESULT: _question(Capability.STREAMS),
    Opcode.COUNTERS: _question(Capability.WEAR_COUNTERS),
    Opcode.GET_CALIBRATION: _question(Capability.CALIBRATION),
    Opcode.ESTOP: Rule(False, True, _ALWAYS, True),
    Opcode.ECHO: Rule(True, False, _ALWAYS, True),
    Opcode.KEEPALIVE: Rule(False, False, _ALWAYS, True),
    Opcode.DISARM: Rule(True, False, _ALWAYS, True),
    Opcode.ABORT: Rule(True, False, _ALWAYS, True, Capability.STREAMS),
    Opcode.CLEAR_FAULT: Rule(True, False, frozenset({_STOPPED})),
    # Not while armed: a limit may not change between the ARM that quoted it and the pulse.
    Opcode.SET_LIMITS: Rule(True, False, frozenset({_SAFE, _SELECTED})),
    Opcode.SET_CALIBRATION: Rule(True, False, frozenset({_SAFE}), needs=Capability.CALIBRATION),
    Opcode.SELECT: Rule(True, False, frozenset({_SAFE, _SELECTED, _ARMED})),
    Opcode.ARM: Rule(True, False, frozenset({_SAFE, _SELECTED, _ARMED})),
    Opcode.SCAN: Rule(True, False, frozenset({_SAFE, _SELECTED}), needs=Capability.STREAMS | Capability.TRIGGER_LINES),
    Opcode.READ_BLOCK: Rule(True, False, _NO_PATH),
    Opcode.READ_LIST: Rule(True, False, _NO_PATH),
    Opcode.READ_DIE: Rule(True, False, _NO_PATH, needs=Capability.STREAMS),
    Opcode.VMM: Rule(True, False, _NO_PATH),
    Opcode.PROGRAM: Rule(True, False, _ONLY_ARMED),
    Opcode.WRITE_VERIFY: Rule(True, False, _ONLY_ARMED, needs=Capability.STREAMS | Capability.WRITE_VERIFY),
    Opcode.OUTER_PRODUCT: Rule(True, False, _ONLY_ARMED, needs=Capability.OUTER_PRODUCT),
}

UNKNOWN = Rule(True, False, _ALWAYS)
"""An opcode that this end does not know still takes its place in the sequence; it is answered REFUSED_UNSUPPORTED."""

REQUEST_BY_OPCODE: Mapping[int, type[Request]] = {request.opcode: request for request in REQUESTS}
EVENT_BY_OPCODE: Mapping[int, type[EventMessage]] = {event.opcode: event for event in EVENTS}


def rule_for(opcode: int) -> Rule:
    return RULES.get(opcode, UNKNOWN)


def refusal(opcode: int, state: DeviceState) -> Status | None:
    """Why `state` forbids the request; None when it is legal."""
    legal_in = rule_for(opcode).legal_in
    if state in legal_in:
        return None
    if state is DeviceState.ESTOPPED:
        return Status.REFUSED_ESTOP
    return Status.REFUSED_NOT_ARMED if legal_in == _ONLY_ARMED else Status.REFUSED_CONFIG
