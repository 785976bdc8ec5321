"""What a method may know of dies, and what it is judged on.

Rule 1: shared weights learn from `seen` alone, dies that are never judged. A step per die may use `read`, the die's own map.
Rule 2: errors are those on `truth`, a second measurement of the judged dies, so that a map's noise and missed defects count."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from hil.model.defects import Defect
from hil.training.devices import Choice, Dies, Wiring, crossbars, dies_of, wiring
from hil.training.floorplan import Floorplan, floorplan, roomy_floorplan
from hil.training.net import NO_SPARES, Net
from hil.training.network import Crossbars
from hil.training.placement import Placement, placed_wiring
from hil.training.wafer import MeasuredWafer, Reference, reference_of

GOOD_SLOPE, GOOD_OFFSET = 0.5, 1.5
"""A good junction, as reference for digital correction: TMR 100 %. Only differences to it count, so the offset is a convention."""


@dataclass(frozen=True)
class Site:
    """plan: of one network. seen: one die a place; read, truth: as many dies a place as the plan takes.

    seen_shorts, read_shorts: bool, (places, junctions), as the defect maps list them.
    """

    net: Net
    plan: Floorplan
    seen: Dies
    seen_shorts: Tensor
    read: Dies
    read_shorts: Tensor
    truth: Dies

    def __len__(self) -> int:
        """Places judged."""
        return len(self.read)

    @cached_property
    def roomy(self) -> Floorplan:
        """What a placement chooses from: the plan, or one on the same dies with the net's spares."""
        return self.plan if self.net.spares == NO_SPARES else roomy_floorplan(self.net)

    @cached_property
    def slots(self) -> Wiring:
        return wiring(self.roomy)

    @cached_property
    def _plain(self) -> Wiring:
        return self.slots if self.roomy is self.plan else wiring(self.plan)

    def bars(self, dies: Dies, placement: Placement | None = None) -> Crossbars:
        """(1, places) crossbars of the net's weights. Placement None: as the floorplan has them, with all slots beside them where there
        are spares."""
        if placement is not None:
            return crossbars(dies, placed_wiring(self.slots, placement), self.net.encoding)
        plain = crossbars(dies, self._plain, self.net.encoding)
        if self.net.spares == NO_SPARES:
            return plain
        all_slots = crossbars(dies, self.slots, self.net.encoding)
        return tuple(Choice(bar.slope, bar.offset, slots) for bar, slots in zip(plain, all_slots, strict=True))

    def corrected(self) -> "Site":
        """The same dies with every listed short's excess current subtracted digitally: one multiplication and addition a short."""
        return replace(
            self,
            seen=without_excess(self.seen, self.seen, self.seen_shorts),
            read=without_excess(self.read, self.read, self.read_shorts),
            truth=without_excess(self.truth, self.read, self.read_shorts),
        )


def without_excess(dies: Dies, read: Dies, shorts: Tensor) -> Dies:
    """Listed junctions act as good ones, but for what their reading was off by."""
    slope = torch.where(shorts, GOOD_SLOPE, dies.slope)
    return Dies(slope, torch.where(shorts, GOOD_OFFSET + dies.offset - read.offset, dies.offset))


def site(net: Net, seen: MeasuredWafer, read: MeasuredWafer, truth: MeasuredWafer | None = None) -> Site:
    """Raises MapsError when the dies do not make one place. truth None: the maps are taken for the dies."""
    plan, reference = floorplan(net), reference_of(seen)
    here = site_of(net, plan, read, reference)
    dies = here.read if truth is None else dies_of(truth, reference, plan.dies)
    return replace(here, seen=dies_of(seen, reference), seen_shorts=_shorts(seen, 1), truth=dies)


def site_of(net: Net, plan: Floorplan, read: MeasuredWafer, reference: Reference) -> Site:
    """Of dies by themselves, in units of a reference. Raises MapsError when they do not make one place."""
    dies, shorts = dies_of(read, reference, plan.dies), _shorts(read, plan.dies)
    return Site(net, plan, dies_of(read, reference), _shorts(read, 1), dies, shorts, dies)


def _shorts(measured: MeasuredWafer, slots: int) -> Tensor:
    places = len(measured.dies) // slots
    return torch.from_numpy((measured.codes[: places * slots] == Defect.SHORT).reshape(places, -1))
