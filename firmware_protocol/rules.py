"""Which request is legal when. Nothing about order or state stands anywhere else."""

from collections.abc import Mapping
from dataclasses import dataclass

from firmware_protocol.codes import DeviceState, Opcode, Status
from firmware_protocol.messages import REQUESTS, Request

_SAFE, _SELECTED, _ARMED, _STOPPED = DeviceState.SAFE, DeviceState.SELECTED, DeviceState.ARMED, DeviceState.ESTOPPED
_ALWAYS = frozenset(DeviceState)
_ONLY_ARMED = frozenset({_ARMED})


@dataclass(frozen=True)
class Rule:
    """ordered: takes a sequence number, is executed in order and at most once; otherwise at once and as often as it comes.
    any_session: executed whatever session and boot id the header quotes.
    legal_in: device states in which it is executed.
    """

    ordered: bool
    any_session: bool
    legal_in: frozenset[DeviceState]


RULES: Mapping[int, Rule] = {
    Opcode.HELLO: Rule(False, True, _ALWAYS),
    Opcode.GET_DICT: Rule(False, True, _ALWAYS),
    Opcode.STATUS: Rule(False, True, _ALWAYS),
    Opcode.ESTOP: Rule(False, True, _ALWAYS),
    Opcode.QUERY_PULSE: Rule(False, True, _ALWAYS),
    Opcode.ECHO: Rule(True, False, _ALWAYS),
    Opcode.KEEPALIVE: Rule(True, False, _ALWAYS),
    Opcode.DISARM: Rule(True, False, _ALWAYS),
    Opcode.CLEAR_FAULT: Rule(True, False, frozenset({_STOPPED})),
    # Not while armed: a limit may not change between the ARM that quoted it and the pulse.
    Opcode.SET_LIMITS: Rule(True, False, frozenset({_SAFE, _SELECTED})),
    Opcode.SELECT: Rule(True, False, frozenset({_SAFE, _SELECTED, _ARMED})),
    Opcode.ARM: Rule(True, False, frozenset({_SAFE, _SELECTED, _ARMED})),
    # Not while a path is closed: the SMU and the board would drive one junction together.
    Opcode.READ_BLOCK: Rule(True, False, frozenset({_SAFE, _ARMED})),
    Opcode.VMM: Rule(True, False, frozenset({_SAFE, _ARMED})),
    Opcode.PROGRAM: Rule(True, False, _ONLY_ARMED),
}

UNKNOWN = Rule(True, False, _ALWAYS)
"""An opcode that this end does not know still takes its place in the sequence; it is answered REFUSED_UNSUPPORTED."""

REQUEST_BY_OPCODE: Mapping[int, type[Request]] = {request.opcode: request for request in REQUESTS}


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
