"""Every rule, in the order in which it is run: what latches the emergency stop comes last."""

from types import ModuleType

from drivers.conformance import (
    description_rules,
    figures,
    framing_rules,
    message_rules,
    operation_rules,
    refusal_rules,
    session_rules,
    stop_rules,
    window_rules,
)
from drivers.conformance.rule import Rule

_MODULES = (
    framing_rules,
    session_rules,
    window_rules,
    message_rules,
    description_rules,
    refusal_rules,
    operation_rules,
    figures,
    stop_rules,
)


def _in(module: ModuleType) -> list[Rule]:
    return [value for value in vars(module).values() if isinstance(value, Rule)]


_ALL = [each for module in _MODULES for each in _in(module)]
RULES: tuple[Rule, ...] = tuple(sorted(_ALL, key=lambda each: each.latches))
