"""What `hil train` and `hil reproduce` do: measure or pull, compute the cells that are missing, print the table."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table as Shown

from hil.cli.child import ChildFailed
from hil.cli.demo_progress import Stage
from hil.cli.options import CommandFailed, connect
from hil.cli.output import emit
from hil.cli.population_lab import Wanted, measured
from hil.training.bench import FULL, FULL_QUICK, Budget, Report
from hil.training.cells import Cell
from hil.training.errors import TrainingError
from hil.training.floorplan import roomy_floorplan
from hil.training.image_sets import load_images
from hil.training.making import judged_baseline
from hil.training.methods import METHODS, SOFTWARE
from hil.training.net import parse_net
from hil.training.origins import keep_origins, simulated_population
from hil.training.populations import OTHER_SEED, TEST_SEED, population
from hil.training.pull import pull
from hil.training.reproduce import Group, Table, Wafers, cells, halves, software_network
from hil.training.table import Row, baseline_error_percent, rows, software_row
from hil.training.trainer import Images, threads, train_and_test
from hil.training.wafer import usable

DIES, OTHER_DIES = 36, 18
QUICK_DIES = 4


@dataclass(frozen=True)
class Asked:
    """What the command line asked for. methods: names, or "all" alone. workers: who computes, None for this process."""

    methods: tuple[str, ...]
    populations: tuple[str, ...]
    net: str
    pairs: str
    seeds: int
    out: Path
    quick: bool
    as_json: bool
    workers: str | None = None

    @property
    def budget(self) -> Budget:
        return FULL_QUICK if self.quick else FULL

    @property
    def table(self) -> Table:
        methods = tuple(METHODS) if self.methods == ("all",) else self.methods
        names = tuple(population(name).name for name in self.populations)
        return Table(parse_net(self.net, self.pairs), names, methods, range(self.seeds), self.budget, self.out)


def train_on_population(asked: Asked) -> None:
    """Every population's wafers are measured when their turn comes, unless the cache has them. Raises CommandFailed."""
    console = Console(stderr=True, soft_wrap=True)
    try:
        chosen = {population(name).name: population(name) for name in asked.populations}
    except TrainingError as error:
        raise CommandFailed(str(error)) from error
    dies, others = (QUICK_DIES, QUICK_DIES) if asked.quick else (DIES, OTHER_DIES)

    def wafers(name: str) -> Sequence[Group]:
        seen, read = (measured(Wanted(chosen[name], seed, count), console) for seed, count in ((OTHER_SEED, others), (TEST_SEED, dies)))
        return [Group(seen, read)]

    origins = {name: simulated_population(name) for name in chosen}
    _told(lambda: _run(asked, asked.table, _Dies(wafers, origins), console))


def train_on_wafer(asked: Asked, wafer: str, url: str, token: str | None) -> None:
    """On the newest maps that the service has. Raises CommandFailed, LabError."""
    console = Console(stderr=True, soft_wrap=True)

    def work() -> None:
        with connect(url, token) as lab:
            pulled = pull(lab, wafer)
        console.print(f"pulled the maps of {len(pulled.measured.dies)} dies; origin: {pulled.origin}", highlight=False)
        indices, left_out = usable(pulled.measured)
        for die, why in left_out.items():
            console.print(f"die {die} is left out: {why}", highlight=False)
        groups = halves(pulled.measured.take(indices))
        table = Table(parse_net(asked.net, asked.pairs), (wafer,), asked.methods, range(asked.seeds), asked.budget, asked.out)
        _run(asked, table, _Dies(lambda _: groups, {wafer: pulled.origin}), console)

    _told(work)


def _told(work: Callable[[], None]) -> None:
    try:
        work()
    except (TrainingError, ChildFailed) as error:
        raise CommandFailed(str(error)) from error


@dataclass(frozen=True)
class _Dies:
    """wafers: dies by population. origins: of their maps."""

    wafers: Wafers
    origins: Mapping[str, str]


def _run(asked: Asked, table: Table, dies: _Dies, console: Console) -> None:
    if not table.methods:
        raise TrainingError(f"no method is named; choose from {SOFTWARE}, {', '.join(METHODS)}")
    chosen = load_images()
    chosen.check(table.net.name, table.net.classes)
    roomy_floorplan(table.net)  # Refused now rather than after an hour.
    table = replace(table, folder=chosen.folder(table.folder))
    chosen.keep(table.folder)
    keep_origins(table.folder, dies.origins)
    images = train_and_test(chosen.images, table.net.image_side)
    found: list[Cell] = []
    with threads(1), _computed(asked.workers, console) as computed, Stage(console, "cells", len(table.names())) as stage:

        def report(method: str, epoch: int, epochs: int, loss: float) -> None:
            stage.at(len(found), f"{method} {epoch}/{epochs}, loss {loss:.3f}")

        with closing(computed(table, dies.wafers, images, report)) as coming:
            for cell in coming:
                found.append(cell)
                stage.at(len(found), f"{cell.name.population} {cell.name.method} seed {cell.name.seed}: {100 * cell.errors.mean():.2f} %")
    found.sort(key=lambda cell: table.names().index(cell.name))  # Workers end when they end.
    software = _software(table, images)
    done = [*software, *rows(found)]
    baseline = baseline_error_percent(found) if found else software[0].mean_error_percent
    result = {"baseline_error_percent": round(baseline, 4), "rows": [row.json for row in done]}
    emit(asked.as_json, result, _text(done, baseline, chosen.name))


def _unheard(_method: str, _epoch: int, _epochs: int, _loss: float) -> None:
    """Nobody watches: what is there by now is not trained again."""


def _software(table: Table, images: tuple[Images, Images]) -> list[Row]:
    """A row a population, if `software` is among the methods. It is there by now, or trained here."""
    if SOFTWARE not in table.methods:
        return []
    benches = [table.settings(seed).bench(images, _unheard) for seed in table.seeds]
    found = [judged_baseline(bench, *software_network(bench, table.folder)) for bench in benches]
    return [software_row(population, table.net, [(each.error, each.seconds) for each in found]) for population in table.populations]


Computed = Callable[[Table, Wafers, tuple[Images, Images], Report], Generator[Cell]]


@contextmanager
def _computed(workers: str | None, console: Console) -> Generator[Computed]:
    """Cells of a table, made here or by workers. Raises WorkerError when there are none to be had."""
    if workers is None:
        yield cells
        return
    from hil.training.distribution import connected  # An extra.

    with connected(workers, lambda text: console.print(f"failed: {text}", highlight=False)) as crew:
        console.print(f"{crew.count} workers at {workers}" + ("" if crew.count else "; waiting for the first"), highlight=False)
        yield crew.cells


def _text(done: Sequence[Row], baseline: float, images: str) -> str:
    console = Console(width=120)
    with console.capture() as captured:
        console.print(shown(done, baseline, images))
    return captured.get().rstrip()


def shown(done: Sequence[Row], baseline: float, images: str) -> Shown:
    """The table of errors for a terminal. What is the same in every row stands in the title."""
    facts = {
        "population": [row.population for row in done],
        "net": [f"{row.net} {row.encoding}" for row in done],
        "seeds": [str(row.seeds) for row in done],
    }
    differing = {name: values for name, values in facts.items() if len(set(values)) > 1}
    same = "".join(f"; {name} {values[0]}" for name, values in facts.items() if values and name not in differing)
    table = Shown(title=f"{images} test error, %; {SOFTWARE} network on ideal devices: {baseline:.2f} %{same}", title_justify="left")
    for name in (*differing, "method"):
        table.add_column(name)
    for name in ("mean", "sd", "worst", "delta points", "seconds"):
        table.add_column(name, justify="right")
    for index, row in enumerate(done):
        numbers = (f"{row.mean_error_percent:.2f}", f"{row.sd:.2f}", f"{row.worst_error_percent:.2f}", f"{row.delta_points:+.2f}")
        table.add_row(*(values[index] for values in differing.values()), row.method, *numbers, f"{row.seconds:.0f}")
    return table
