"""A shared network kept on a wafer whose dies change: a die whose maps are others is placed anew, and that die only.

Rule: what a die is compared by is the hash over its maps, so that a map that came again unchanged costs nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hil.client import LabClient
from hil.model.lab import DieIndex
from hil.training.bench import Bench
from hil.training.checkpoint import map_hashes
from hil.training.deployment import Deployment, Origin, deployments
from hil.training.errors import MapsError
from hil.training.floorplan import floorplan
from hil.training.in_the_loop import predicted_scores
from hil.training.methods import METHODS, Effort, Work
from hil.training.network import Network
from hil.training.pull import pull
from hil.training.site import site_of
from hil.training.wafer import MeasuredWafer, reference_of, usable


@dataclass(frozen=True)
class PlacedAnew:
    """error: share of the bench's images that are misclassified, by the new maps. why_not: the die cannot be used, and why."""

    die: DieIndex
    deployment: Deployment | None
    error: float
    why_not: str | None = None


@dataclass
class Follower:
    """shared: the one weight set. known: hash by die of the maps that it stands on. bench: images for fitting and for judging."""

    method: str
    wafer: str
    shared: Network
    bench: Bench
    known: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if floorplan(self.shared.net).dies != 1:
            raise MapsError(f"{self.shared.net.name} takes several dies; only networks of one die are followed")

    def changed(self, measured: MeasuredWafer) -> Iterator[PlacedAnew]:
        """Every die whose maps are others than known, placed and evaluated; they are known from then on."""
        _, left_out = usable(measured)
        for index, (name, digest) in enumerate(map_hashes(measured).items()):
            if self.known.get(name) == digest:
                continue
            self.known[name] = digest
            die = measured.dies[index]
            if die in left_out:
                yield PlacedAnew(die, None, float("nan"), left_out[die])
            else:
                yield self._placed(measured.take([index]))

    def _placed(self, maps: MeasuredWafer) -> PlacedAnew:
        reference = reference_of(maps)
        plain = site_of(self.shared.net, floorplan(self.shared.net), maps, reference)
        effort = METHODS[self.method].per_die
        where = plain.corrected() if Effort.CORRECTION in effort else plain
        work = Work(self.bench, self.shared, where)
        placement = work.placement(self.shared) if Effort.PLACEMENT in effort else None
        outcome = work.fitted(self.shared, placement)
        (deployment,) = deployments(outcome, Origin(self.method, self.wafer, plain, maps, reference))
        judged = self.bench.judge
        guesses = predicted_scores(deployment, maps, judged.voltages).argmax(-1)
        return PlacedAnew(maps.dies[0], deployment, float((guesses != judged.labels).double().mean()))


def follow(lab: LabClient, follower: Follower, timeout_s: float | None, tell: Callable[[PlacedAnew], None]) -> None:
    """Until timeout_s: tells of every die that is placed anew. Raises LabError."""
    for _ in lab.watch_defects(follower.wafer, timeout_s):
        for each in follower.changed(pull(lab, follower.wafer).measured):
            tell(each)
