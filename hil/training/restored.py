"""A kept network back on its dies, as its method left it: to be looked at, or trained further, on maps it was made for.

Rule: refused on other maps, as wherever a checkpoint is put on dies."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hil.model.lab import DieIndex
from hil.training.checkpoint import Checkpoint
from hil.training.errors import MapsError, TrainingError
from hil.training.floorplan import floorplan
from hil.training.methods import METHODS, Effort, Outcome
from hil.training.site import Site, site_of
from hil.training.wafer import MeasuredWafer, Reference, reference_of


@dataclass(frozen=True)
class Restored:
    """outcome: of all dies that the checkpoint knows. where: their site before any
    correction. measured: their maps, in its order. reference: with the
    weight unit that the network was made in. changed: dies whose maps are others, and why they are not to be used."""

    outcome: Outcome
    where: Site
    measured: MeasuredWafer
    reference: Reference
    changed: Mapping[DieIndex, str]

    @property
    def places(self) -> tuple[tuple[DieIndex, ...], ...]:
        """Dies of each place."""
        slots = self.outcome.site.plan.dies
        dies = self.measured.dies[: len(self.outcome.site) * slots]
        return tuple(dies[start : start + slots] for start in range(0, len(dies), slots))


def restored(checkpoint: Checkpoint, method: str, wafer: str, measured: MeasuredWafer, *, strict: bool = True) -> Restored:
    """strict: no die's maps may be others; else some may, and `changed` names them. Raises TrainingError for a method that the checkpoint
    does not hold, MapsError where a die's maps are missing or others."""
    if method not in checkpoint.networks:
        raise TrainingError(f"the checkpoint holds {', '.join(checkpoint.networks) or 'no network'}, not {method!r}")
    mine = _known(checkpoint, wafer, measured)
    changed = checkpoint.changed(mine)
    if changed and (strict or len(changed) == len(mine.dies)):
        raise MapsError(next(iter(changed.values())))
    network, reference = checkpoint.networks[method], reference_of(mine)
    reference = replace(reference, norm_siemens=float(checkpoint.facts.get("norm_siemens", reference.norm_siemens)))
    where = site_of(network.net, floorplan(network.net), mine, reference)
    corrects = method in METHODS and Effort.CORRECTION in METHODS[method].per_die
    outcome = Outcome(network, where.corrected() if corrects else where, checkpoint.placements.get(method))
    return Restored(outcome, where, mine, reference, changed)


def _known(checkpoint: Checkpoint, wafer: str, measured: MeasuredWafer) -> MeasuredWafer:
    """Its dies, in its order."""
    wanted = [tuple(int(number) for number in die.split(",")) for die in checkpoint.map_hashes]
    missing = [die for die in wanted if die not in measured.dies]
    if missing or not wanted:
        which = f"die {missing[0]}, which the network was made for, has no maps on wafer {wafer}" if missing else "it was made for no die"
        raise MapsError(f"{which}; train it on the wafer (hil train --wafer {wafer})")
    return measured.take([measured.dies.index((x, y)) for x, y in wanted])
