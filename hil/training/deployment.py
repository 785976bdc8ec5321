"""A network as dies hold it: which junction is in which state, what the digital side does, and for which maps all that was made.

Rule 1: a deployment is whole: with it and the service alone the network runs on its dies.
Rule 2: it is refused on maps it was not made for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hil.model.lab import DieIndex
from hil.training.checkpoint import Checkpoint, map_hashes
from hil.training.devices import Dies, crossbars, dies_of, own, wiring
from hil.training.errors import MapsError
from hil.training.floorplan import Floorplan, LayerPlan
from hil.training.methods import Outcome
from hil.training.network import Crossbar, Crossbars, Network
from hil.training.placed import targets
from hil.training.placement import placed_wiring
from hil.training.restored import restored
from hil.training.site import Site
from hil.training.wafer import MeasuredWafer, Reference, reference_of


@dataclass(frozen=True, eq=False)
class Deployment:
    """dies: in the order of the plan's die slots. network: one copy. plan: as placed. norm_siemens: of one weight unit, S. excess: what is
    subtracted digitally, (inputs, columns) a layer, None for nothing. map_hashes: of each die's maps, in the order of `dies`."""

    method: str
    wafer: str
    dies: tuple[DieIndex, ...]
    network: Network
    plan: Floorplan
    norm_siemens: float
    map_hashes: tuple[str, ...]
    excess: tuple[Tensor, ...] | None = None

    def targets(self) -> NDArray[np.uint8]:
        """(dies, 32, 25, 25) bit maps for the plan `program`."""
        return targets(self.plan, self.network.bits(0))

    def maps_of(self, measured: MeasuredWafer) -> MeasuredWafer:
        """Its own dies of a wafer's maps. Raises MapsError when one is missing, or when its maps are not those the network was made for."""
        missing = [die for die in self.dies if die not in measured.dies]
        if missing:
            raise MapsError(f"die {missing[0]} of wafer {self.wafer} has no maps; characterise it")
        mine = measured.take([measured.dies.index(die) for die in self.dies])
        for die, digest, made_for in zip(mine.dies, map_hashes(mine).values(), self.map_hashes, strict=True):
            if digest != made_for:
                text = f"its maps are {digest[:12]} now, the network was made for {made_for[:12]}"
                raise MapsError(f"die {die} of wafer {self.wafer}: {text}; place it anew (hil follow), or train again")
        return mine

    def bars(self, measured: MeasuredWafer) -> Crossbars:
        """What the dies should show by these maps, corrections taken off. measured: of its own dies, in order."""
        reference = replace(reference_of(measured), norm_siemens=self.norm_siemens)
        found = crossbars(dies_of(measured, reference, self.plan.dies), wiring(self.plan), self.network.net.encoding)
        if self.excess is None:
            return found
        return tuple(Crossbar(bar.slope, bar.offset - excess) for bar, excess in zip(found, self.excess, strict=True))


@dataclass(frozen=True)
class Origin:
    """What an outcome was made from. where: the site before any correction. measured: maps of the site's `read` dies."""

    method: str
    wafer: str
    where: Site
    measured: MeasuredWafer
    reference: Reference


def deployments(outcome: Outcome, origin: Origin) -> list[Deployment]:
    """One a place, in order."""
    slots, hashes = origin.where.plan.dies, tuple(map_hashes(origin.measured).values())
    excess = _excess(outcome, origin.where)
    return [
        Deployment(
            method=origin.method,
            wafer=origin.wafer,
            dies=origin.measured.dies[place * slots : (place + 1) * slots],
            network=outcome.network.only(place if outcome.network.copies > 1 else 0),
            plan=_plan(outcome, place),
            norm_siemens=origin.reference.norm_siemens,
            map_hashes=hashes[place * slots : (place + 1) * slots],
            excess=None if excess is None else tuple(layer[place] for layer in excess),
        )
        for place in range(len(origin.where))
    ]


def _plan(outcome: Outcome, place: int) -> Floorplan:
    plan = outcome.site.plan
    if outcome.placement is None:
        return plan
    wires = placed_wiring(outcome.site.slots, outcome.placement)
    layers = (LayerPlan(each.plus[place].numpy().astype(np.int32), each.minus[place].numpy().astype(np.int32)) for each in wires)
    return Floorplan(tuple(layers), plan.dies, plan.encoding)


def _excess(outcome: Outcome, where: Site) -> Sequence[Tensor] | None:
    """(places, inputs, columns) a layer: by how much the listed shorts make weights differ, as read."""
    if outcome.site is where:
        return None
    return [
        plain - corrected
        for plain, corrected in zip(_weights(outcome, where, where.read), _weights(outcome, outcome.site, outcome.site.read), strict=True)
    ]


def _weights(outcome: Outcome, where: Site, dies: Dies) -> list[Tensor]:
    bars, network = where.bars(dies, outcome.placement), outcome.network
    bars = own(bars) if network.copies > 1 else bars
    with torch.no_grad():
        return [bar.weights(layer.latent).flatten(0, 1) for bar, layer in zip(bars, network.layers, strict=True)]


def deployed(checkpoint: Checkpoint, method: str, wafer: str, measured: MeasuredWafer) -> tuple[list[Deployment], Mapping[DieIndex, str]]:
    """A checkpoint's network on the dies it was made for, and the dies it may not be put on any more, each with the reason.

    Raises TrainingError for a method that it does not hold, MapsError when a die of it has no maps, or no die is left.
    """
    found = restored(checkpoint, method, wafer, measured, strict=False)
    origin = Origin(method, wafer, found.where, found.measured, found.reference)
    places = [place for place in deployments(found.outcome, origin) if found.changed.keys().isdisjoint(place.dies)]
    if not places:
        raise MapsError(next(iter(found.changed.values())))
    return places, found.changed
