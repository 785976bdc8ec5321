"""Both ends answer the same bytes alike: statuses, refusals, events, times, pulses and switches, readings left aside."""

from firmware_protocol.codes import Opcode, Status
from tests.support.device_end import device_end
from tests.support.device_pair import compare

SEEDS, STEPS = 6, 1500


def test_thousands_of_random_requests_find_no_difference_between_the_ends() -> None:
    seen: dict[Opcode, set[int]] = {}
    for seed in range(SEEDS):
        with device_end("python") as one, device_end("c") as other:
            for opcode, statuses in compare((one, other), seed, STEPS).items():
                seen.setdefault(opcode, set()).update(statuses)
    assert all(statuses & {Status.OK, Status.ACCEPTED} for statuses in seen.values()), "what is never carried out is not compared"
    assert set(seen) == set(Opcode)
