"""24. A step is answered as if it had been made, and was not: no measurement gets the wrong die's name.

Both kinds: the prober still names the old die (silent), or names the new one and stands over the old one (lost)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hil.model.maps import from_npy_bytes
from hil.model.plans import route
from hil.model.runs import RunState
from hil.store.protocol import Store
from hil.store.records import MapRecord
from simulator.prober_faults import PlannedFault, ProberFault, ProberFaults
from tests.hil.runs.helpers import plan_of
from tests.hil.runs.simulated_lab import SimulatedLab
from tests.hil.runs.threads import Service

INJECTED = 50
"""Of each kind."""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[SimulatedLab]:
    with SimulatedLab(tmp_path, dies=4) as running:
        yield running


def is_of_its_die(lab: SimulatedLab, store: Store, found: MapRecord) -> bool:
    """Whether a map's junctions stand as those of the die it is named after, which are like no other's."""
    siemens = from_npy_bytes(store.get_object(found.object))[0]
    state_p = lab.world.wafer.die(found.die).state_p[0]
    return float(np.mean((siemens > np.nanmedian(siemens)) == state_p)) > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("kind", [ProberFault.SILENT_STEP, ProberFault.LOST_STEP])
def test_f24_a_step_that_was_not_made_ends_the_run_before_anything_is_measured(lab: SimulatedLab, store: Store, kind: ProberFault) -> None:
    refused = 0
    dies = route(plan_of(kind="rehearse"), lab.config)
    with Service(lab.config, store) as service:
        for number in range(INJECTED):
            # At the end of the route, so that even its first step would leave the needles over another die.
            assert service.ended(service.submit(plan_of(kind="rehearse", dies=[dies[-1]]))).state is RunState.FINISHED
            struck = number % len(dies)
            lab.world.needles.wear.of_die.clear()
            lab.prober.faults = ProberFaults([PlannedFault(kind, at=frozenset({struck + 1}))])
            run = service.ended(service.submit(plan_of(kind="read", kernels=[0], wafer=f"W{number}")))
            lab.prober.faults = ProberFaults()
            refused += run.state is RunState.FAILED and f"sent to die {dies[struck]}" in (run.error or "")
            maps = store.maps_of_run(run.id)
            assert [each.die for each in maps] == list(dies[:struck]), "those before it are kept"
            assert all(is_of_its_die(lab, store, each) for each in maps)
            assert lab.is_safe()
            store.release_queue("anna")
    assert refused == INJECTED
    assert lab.world.damage == []
