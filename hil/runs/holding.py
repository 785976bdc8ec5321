"""A die held in contact: live requests are served one by one, each proven to be of that die.

Rule: a request that asks too much is refused and the die is held on; anything else that goes wrong is told to whoever asked and
ends the run, as everywhere."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from drivers.errors import OverLimit
from hil.model.maps import npy_bytes
from hil.model.plans import HoldPlan, VmmPlan, kernels_of
from hil.model.refusals import PlanRefused
from hil.model.runs import Event, Waiting
from hil.runs.context import RunContext
from hil.runs.products import multiply
from hil.station.station import Station
from hil.store.records import LiveRecord

LOOK_S = 0.01


def hold(station: Station, plan: HoldPlan, context: RunContext) -> Iterator[Event | Waiting]:
    """Until nobody asked for plan.idle_s, plan.most_s at the longest."""
    began = asked = context.monotonic()
    meta = station.provenance()
    while context.monotonic() - asked < plan.idle_s and context.monotonic() - began < plan.most_s:
        request = context.live.take()
        if request is not None:
            _serve(station, context, request, meta)
            asked = context.monotonic()
        yield Waiting(LOOK_S if request is None else 0.0)


def _serve(station: Station, context: RunContext, request: LiveRecord, meta: Mapping[str, Any]) -> None:
    try:
        answer = _product(station, context, VmmPlan.model_validate(request.request))
    except (PlanRefused, OverLimit) as error:
        context.live.refuse(request.number, str(error))
    except Exception as error:
        context.live.refuse(request.number, str(error))
        raise
    else:
        context.live.answer(request.number, answer, meta)


def _product(station: Station, context: RunContext, plan: VmmPlan) -> bytes:
    """npy bytes of (batch, kernels, lines sensed) float32 A."""
    inputs = context.load(plan.inputs.object)
    with station.proven_contact():
        amps = [multiply(station, plan, kernel, inputs).arrays["amps"] for kernel in kernels_of(plan, station.lab)]
    return npy_bytes(np.stack(amps, axis=1))
