"""How surely a wafer's maps know their junctions, for training on what each die may be.

Rule: uncertainties are the maps' own, of each state by itself. A junction without a reading may be as any that was read: its uncertainty is
their spread."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hil.client import LabClient, NotFound
from hil.training.errors import MapsError
from hil.training.wafer import MeasuredWafer

STATES = ("P", "AP")


def pull_uncertainties(client: LabClient, wafer: str, measured: MeasuredWafer) -> NDArray[np.float32]:
    """(2, dies, 32, 25, 25) S, P then AP, of the maps that the newest defect maps of these dies were derived from; NaN where not measured.

    Raises MapsError where nobody knows them, LabError.
    """
    newest = {(die["x"], die["y"]): die["defect_map"] for die in client.wafer(wafer)["dies"]}
    found = np.empty((2, *measured.codes.shape), np.float32)
    for index, die in enumerate(measured.dies):
        inputs: dict[str, str] = client.map_meta(newest[die])["inputs"]
        for state, name in enumerate(STATES):
            try:
                found[state, index] = client.map_uncertainty(inputs[name])
            except NotFound as error:
                raise MapsError(f"die {die} of wafer {wafer}: its {name} map has no uncertainties ({error}); measure it here") from error
    return found


def sigma_of(siemens: NDArray[np.float32], measured: MeasuredWafer, norm_siemens: float, slots: int) -> Tensor:
    """(2, places, junctions) in units of the norm. siemens: as pulled. slots: dies a place; a remainder stays unused."""
    sigma = siemens.copy()
    for state, conductance in enumerate((measured.siemens_p, measured.siemens_ap)):
        unknown = ~np.isfinite(sigma[state])
        if unknown.any():
            sigma[state][unknown] = np.nanstd(conductance)
    places = len(measured.dies) // slots
    return torch.from_numpy(sigma[:, : places * slots].reshape(2, places, -1) / np.float32(norm_siemens))
