"""A station and a context for tests of `execute`, without the worker around them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np

from hil.model.lab import LabConfig
from hil.model.plans import PLAN, Plan, plan_hash
from hil.model.runs import Event, StepMeasured
from hil.runs.context import RunContext
from hil.runs.execute import execute
from hil.runs.submit import expand
from hil.station.station import Station, open_station
from hil.store.protocol import Store


def plan_of(**fields: Any) -> Plan:
    return PLAN.validate_python({"wafer": "W1", **fields})


@contextmanager
def opened(lab: LabConfig, store: Store) -> Iterator[Station]:
    with open_station(lab, store.pulse_ids(), lambda: None) as station:
        yield station


def context_of(lab: LabConfig, plan: Plan, objects: Mapping[str, np.ndarray] | None = None, **stored: Any) -> RunContext:
    return RunContext(
        run="r1",
        plan_hash=plan_hash(plan),
        code_version="test",
        kernels=lab.chip.kernels,
        steps=expand(plan, lab),
        stored=stored.get("stored", {}),
        load=lambda sha256: (objects or {})[sha256],
        now=lambda: datetime(2026, 1, 2, tzinfo=UTC),
        touched=stored.get("touched", ()),
    )


def measured(plan: Plan, station: Station, objects: Mapping[str, np.ndarray] | None = None) -> list[Event]:
    """Everything a fresh run of the plan emits."""
    return list(execute(plan, station, context_of(station.lab, plan, objects), {}))


def steps_of(events: list[Event]) -> list[int]:
    return [event.step.index for event in events if isinstance(event, StepMeasured)]
