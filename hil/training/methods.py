"""The methods, each a recipe that reads as one paragraph, on one trainer.

Rule 1: the weights of a shared method are the same on every die and learn from other dies only; what else is done per die, and what
that takes, is its effort.
Rule 2: every method starts from the same software network and is judged on the same images."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from torch import Tensor

from hil.training.bench import Bench
from hil.training.devices import Dies, own
from hil.training.draws import Fixed, Pool, Shuffled
from hil.training.importance import importance
from hil.training.network import Crossbars, Joined, Network, Statistics, calibrated, centred, dealt, ideal_crossbars
from hil.training.placement import Placement, place
from hil.training.recalibration import recalibrated
from hil.training.site import Site
from hil.training.trainer import Recipe, train

SOFTWARE, CONVENTIONAL, RECALIBRATED = "software", "conventional", "recalibrated"
HARDWARE_AWARE, HARDWARE_AWARE_PLACED = "hardware-aware", "hardware-aware+placed"
STATISTICS_AWARE, STATISTICS_AWARE_CENTRED = "statistics-aware", "statistics-aware+centred"
STATISTICS_AWARE_RECALIBRATED = "statistics-aware+recalibrated"
PLACED, PLACED_TRIMMED, PLACED_RETRAINED, PLACED_CORRECTED = "placed", "placed+trimmed", "placed+retrained", "placed+corrected"


class Effort(StrEnum):
    """What is done for each die."""

    NOTHING = "nothing"
    RECALIBRATION = "recalibration, no labels"
    PLACEMENT = "placement"
    CORRECTION = "digital correction of known shorts"
    TRIMS = "digital trims, labels"
    TRAINING = "retraining, labels"


@dataclass(frozen=True)
class Outcome:
    """What a method makes of a site. network: one copy for all places, or one a place. site: corrected where the method does so.
    shared: the one weight set that was fitted to each place, before it was; None where there is no such thing."""

    network: Network
    site: Site
    placement: Placement | None = None
    shared: Network | None = None

    def bars(self, dies: Dies) -> Crossbars:
        """Crossbars that the network runs on."""
        bars = self.site.bars(dies, self.placement)
        return bars if self.network.copies == 1 else own(bars)


class Work:
    """A bench, its software network and a site. Shared networks are trained once, whichever methods need them."""

    def __init__(self, bench: Bench, baseline: Network, site: Site) -> None:
        self.bench, self.baseline, self.site = bench, baseline, site
        self._shared: dict[str, tuple[Network, float]] = {}
        self._used: set[str] = set()

    def shared(self, name: str, make: Callable[["Work"], Network]) -> Network:
        self._used.add(name)
        if name not in self._shared:
            started = time.process_time()
            self._shared[name] = (make(self), time.process_time() - started)
        return self._shared[name][0]

    def timed(self, method: str) -> tuple["Outcome", float]:
        """What a method makes of the site, and the processor seconds it takes from the software network on, whoever trained its shared
        weights. Processor time, because with one thread that is what it takes on a quiet machine."""
        before, self._used = set(self._shared), set()
        started = time.process_time()
        outcome = METHODS[method].run(self)
        spent = time.process_time() - started
        return outcome, spent + sum(self._shared[name][1] for name in self._used & before)

    def on(self, site: Site) -> "Work":
        return Work(self.bench, self.baseline, site)

    def fitted(self, network: Network, placement: Placement | None = None) -> Outcome:
        """Recalibrated on each die's own map: a copy a place. Columns of a class are then weighed, so their mean is what counts."""
        network = replace(network, bounds=replace(network.bounds, joined=Joined.MEAN))
        ideal = calibrated(network, ideal_crossbars(network.net), self.bench.many)
        bars = own(self.site.bars(self.site.read, placement))
        return Outcome(recalibrated(ideal.repeated(len(self.site)), bars, ideal, self.bench.unlabelled), self.site, placement, network)

    def placement(self, network: Network) -> Placement:
        """Of a shared network on every die, from its map."""
        ideal = calibrated(network, ideal_crossbars(network.net), self.bench.many)
        return place(ideal, self.site.bars(self.site.read), self.matter(ideal))

    def matter(self, network: Network, bars: Crossbars | None = None) -> tuple[Tensor, ...]:
        judged = self.bench.train.first(self.bench.budget.importance_images)
        return tuple(importance(network, bars or ideal_crossbars(network.net), judged.voltages, judged.labels))

    def retrained(self, name: str, start: Outcome, recipe: Recipe) -> Outcome:
        """Every copy trained on its own die's map, then with column statistics of its own."""
        bars = own(start.site.bars(start.site.read, start.placement))
        network = start.network if start.network.copies > 1 else start.network.repeated(len(start.site))
        network = train(network, Fixed(bars), self.bench.train, recipe, self.bench.order(name), self.bench.done(name, recipe.epochs))
        if recipe.statistics is not Statistics.CARRIED:
            network = calibrated(network, bars, self.bench.many)
        return Outcome(network, start.site, start.placement)


def conventional(work: Work) -> Outcome:
    """The software network as it is, on every die."""
    return Outcome(work.baseline, work.site)


def recalibrated_only(work: Work) -> Outcome:
    """The software network, its digital side fitted to each die without labels."""
    return work.fitted(work.baseline)


def hardware_aware(work: Work) -> Outcome:
    """One network a die, all trained at once on their dies' maps, from the software network; of no use elsewhere."""
    start = Outcome(work.fitted(work.baseline).network, work.site)
    return work.retrained(HARDWARE_AWARE, start, work.bench.budget.hardware_aware)


def hardware_aware_placed(work: Work) -> Outcome:
    """The software network placed on each die, then trained there."""
    start = work.fitted(work.baseline, work.placement(work.baseline))
    return work.retrained(HARDWARE_AWARE_PLACED, start, work.bench.budget.hardware_aware)


def statistics_aware(work: Work) -> Outcome:
    """One weight set and nothing per die, as the paper words it: trained on ever new dies drawn from the measured others."""
    return Outcome(work.shared(STATISTICS_AWARE, _train_on_statistics), work.site)


def statistics_aware_centred(work: Work) -> Outcome:
    """As statistics-aware, with rows driven by what differs from their means, and a bound on what each block of rows may add: nothing
    per die either, the same drive and the same bounds on all."""
    return Outcome(work.shared(STATISTICS_AWARE_CENTRED, _train_centred), work.site)


def statistics_aware_recalibrated(work: Work) -> Outcome:
    return work.fitted(work.shared(STATISTICS_AWARE, _train_on_statistics))


def placed(work: Work) -> Outcome:
    """One weight set trained with placement in the loop; placed and recalibrated on each die: no labels, no gradient there."""
    network = work.shared(PLACED, _train_placed)
    return work.fitted(network, work.placement(network))


def placed_trimmed(work: Work) -> Outcome:
    """As placed, then gains and shifts trained on each die's map: nothing more is written to the die."""
    return work.retrained(PLACED_TRIMMED, placed(work), work.bench.budget.trimmed)


def placed_retrained(work: Work) -> Outcome:
    """As placed, then everything trained on each die's map."""
    return work.retrained(PLACED_RETRAINED, placed(work), work.bench.budget.retrained)


def placed_corrected(work: Work) -> Outcome:
    """As placed, with every listed short's excess current subtracted digitally, in training and on the die."""
    return placed(work.on(work.site.corrected()))


@dataclass(frozen=True)
class Method:
    """per_die: what is done for each die. run: the recipe. budget: the parts of the budget that it spends, besides what all do."""

    run: Callable[[Work], Outcome]
    per_die: tuple[Effort, ...]
    budget: tuple[str, ...] = ()


COMMON_BUDGET = ("clean", "varied", "settled", "bounds", "images", "calibration_images", "recalibration_images", "importance_images")
SHARED_BUDGET = ("statistics_aware", "shared_bounds", "pool")
PLACED_BUDGET = ("placed", "placed_pool", "place_every")

METHODS: Mapping[str, Method] = {
    CONVENTIONAL: Method(conventional, (Effort.NOTHING,)),
    RECALIBRATED: Method(recalibrated_only, (Effort.RECALIBRATION,)),
    HARDWARE_AWARE: Method(hardware_aware, (Effort.TRAINING,), ("hardware_aware",)),
    HARDWARE_AWARE_PLACED: Method(hardware_aware_placed, (Effort.PLACEMENT, Effort.TRAINING), ("hardware_aware",)),
    STATISTICS_AWARE: Method(statistics_aware, (Effort.NOTHING,), SHARED_BUDGET),
    STATISTICS_AWARE_CENTRED: Method(statistics_aware_centred, (Effort.NOTHING,), (*SHARED_BUDGET, "block_limit")),
    STATISTICS_AWARE_RECALIBRATED: Method(statistics_aware_recalibrated, (Effort.RECALIBRATION,), SHARED_BUDGET),
    PLACED: Method(placed, (Effort.PLACEMENT, Effort.RECALIBRATION), PLACED_BUDGET),
    PLACED_TRIMMED: Method(placed_trimmed, (Effort.PLACEMENT, Effort.RECALIBRATION, Effort.TRIMS), (*PLACED_BUDGET, "trimmed")),
    PLACED_RETRAINED: Method(placed_retrained, (Effort.PLACEMENT, Effort.RECALIBRATION, Effort.TRAINING), (*PLACED_BUDGET, "retrained")),
    PLACED_CORRECTED: Method(placed_corrected, (Effort.PLACEMENT, Effort.RECALIBRATION, Effort.CORRECTION), PLACED_BUDGET),
}


def _train_on_statistics(work: Work) -> Network:
    """Frozen column statistics, of the software network on ideal devices: a few shorts would ruin running ones. Tight bounds, and the
    median of the columns of a class, leave a short little to say."""
    start = replace(work.baseline, bounds=work.bench.budget.shared_bounds)
    return _train_on_fresh_dies(work, calibrated(start, ideal_crossbars(work.bench.net), work.bench.many), STATISTICS_AWARE)


def _train_centred(work: Work) -> Network:
    budget = work.bench.budget
    start = replace(work.baseline, bounds=replace(budget.shared_bounds, block_limit=budget.block_limit))
    return _train_on_fresh_dies(work, centred(dealt(start), work.bench.many), STATISTICS_AWARE_CENTRED)


def _train_on_fresh_dies(work: Work, start: Network, name: str) -> Network:
    bench, recipe = work.bench, work.bench.budget.statistics_aware
    order = bench.order(name)
    fresh = Shuffled(work.site.seen, work.site.plan.dies, order)
    pool = Pool(lambda _: work.site.bars(fresh.draw(bench.budget.pool)), recipe.maps, 1, order)
    return train(start, pool, bench.train, recipe, order, bench.done(name, recipe.epochs))


def _train_placed(work: Work) -> Network:
    """Every few epochs the network as it is gets placed on fresh dies, and learns on those."""
    bench, recipe = work.bench, work.bench.budget.placed
    order = bench.order(PLACED)
    fresh = Shuffled(work.site.seen, work.site.plan.dies, order)

    def place_anew(network: Network) -> Crossbars:
        dies = fresh.draw(bench.budget.placed_pool)
        ideal = calibrated(network, ideal_crossbars(network.net), bench.many)
        return work.site.bars(dies, place(ideal, work.site.bars(dies), work.matter(ideal), alternations=2))

    pool = Pool(place_anew, recipe.maps, bench.budget.place_every, order)
    return train(work.baseline, pool, bench.train, recipe, order, bench.done(PLACED, recipe.epochs))
