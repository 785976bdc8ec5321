"""The maps of one wafer as they come over HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.client import LabClient
from hil.model.lab import DieIndex
from hil.model.maps import npy_bytes, sha256_hex
from hil.training.errors import MapsError
from hil.training.wafer import MeasuredWafer


@dataclass(frozen=True)
class Pulled:
    """A wafer's maps as they came over HTTP. etags: of the three stacks of newest maps, by "P", "AP", "defects".

    origin: as the service words it.
    """

    wafer: str
    measured: MeasuredWafer
    etags: Mapping[str, str]
    simulated: bool
    origin: str


def pull(client: LabClient, wafer: str) -> Pulled:
    """Every die's newest defect map with the two maps it was derived from: the newest ones, or older where a later run of the
    die stopped before its defect map. Raises MapsError when no die has all three, LabError when the service refuses.
    """
    parallel, antiparallel, defects = client.conductance(wafer, state="P"), client.conductance(wafer, state="AP"), client.defects(wafer)
    newest: dict[str, dict[DieIndex, NDArray[Any]]] = {
        "P": dict(zip(parallel.dies, parallel.siemens, strict=True)),
        "AP": dict(zip(antiparallel.dies, antiparallel.siemens, strict=True)),
        "defects": dict(zip(defects.dies, defects.codes, strict=True)),
    }
    ids = _belonging(client, wafer)
    if not ids:
        raise MapsError(f"wafer {wafer}: no die has a defect map and the maps of both states it came from; start a `characterise` run")
    arrays = {name: np.stack([_array(client, of_die[name], newest[name].get(die)) for die, of_die in ids.items()]) for name in newest}
    measured = MeasuredWafer(tuple(ids), arrays["P"], arrays["AP"], arrays["defects"])
    stacks = (parallel, antiparallel, defects)
    etags: dict[str, str] = dict(zip(("P", "AP", "defects"), (stack.etag for stack in stacks), strict=True))
    return Pulled(wafer, measured, etags, any(stack.origin.simulated for stack in stacks), str(defects.origin))


def _belonging(client: LabClient, wafer: str) -> dict[DieIndex, dict[str, str]]:
    """Ids of the three maps that belong together, by "P", "AP" and "defects", of each die that has them, ordered by (y, x)."""
    found: dict[DieIndex, dict[str, str]] = {}
    for die in sorted(client.wafer(wafer)["dies"], key=lambda die: (die["y"], die["x"])):
        if die["defect_map"] is not None:
            inputs: Mapping[str, str] = client.map_meta(die["defect_map"]).get("inputs") or {}
            if {"P", "AP"} <= set(inputs):
                found[die["x"], die["y"]] = {"P": inputs["P"], "AP": inputs["AP"], "defects": die["defect_map"]}
    return found


def _array(client: LabClient, map_id: str, newest: NDArray[Any] | None) -> NDArray[Any]:
    """The newest array of the die when it is this map's, which its hash tells; else the map itself is fetched."""
    if newest is not None and sha256_hex(npy_bytes(newest)) == client.map_meta(map_id)["object"]:
        return newest
    return client.map(map_id).array
