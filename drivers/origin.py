"""Whether an instrument calls itself simulated. Only the instrument can say so: no configuration and no address does."""

import re

_SIMULATED = re.compile(r"SIM(?P<seed>\d+)?")


def origin_of(serial: str) -> tuple[bool, int | None]:
    """(simulated, seed): SIM in a serial number or machine id marks a simulated instrument, digits right after it are the seed."""
    match = _SIMULATED.search(serial)
    if match is None:
        return False, None
    return True, int(match["seed"]) if match["seed"] else None
