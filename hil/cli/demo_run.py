"""The demo as a user would do it by hand: start, measure, pull, train, report. Nothing here knows more than REST tells.

Rule: every number shown comes from the service or from training on its maps; the simulator is never asked for the truth.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from hil.cli.demo_lab import DemoLab, running_lab
from hil.cli.demo_progress import Stage
from hil.cli.train_table import shown
from hil.client import LabError
from hil.client.run import Run
from hil.model.defects import Defect
from hil.model.lab import DieIndex
from hil.report.report import ReportData, write_report
from hil.training.bench import DEMO, FULL_QUICK, Budget
from hil.training.cells import Cell
from hil.training.data import Mnist, load_mnist
from hil.training.methods import CONVENTIONAL, HARDWARE_AWARE, PLACED, SOFTWARE, STATISTICS_AWARE
from hil.training.net import parse_net
from hil.training.pull import Pulled, pull
from hil.training.reproduce import Table, cells, halves
from hil.training.table import baseline_error_percent, rows
from hil.training.trainer import threads, train_and_test
from hil.training.wafer import usable

WAFER = "DEMO"
SEED = 0
NET = parse_net("100-76-10x3", "independent")
TRAINED = (CONVENTIONAL, HARDWARE_AWARE, STATISTICS_AWARE, PLACED)


@dataclass(frozen=True)
class Wishes:
    """What the command line asked for."""

    out: Path
    leave: bool
    wafer_seed: int
    fab: str
    dies: int
    quick: bool

    @property
    def budget(self) -> Budget:
        return FULL_QUICK if self.quick else DEMO


@dataclass(frozen=True)
class Told:
    """What the report says about the maps. maps: one row a map. notes: which dies were left out and why."""

    maps: Sequence[Mapping[str, object]]
    notes: Sequence[str]


def run_demo(wishes: Wishes) -> None:
    """Raises ChildFailed, LabError, TrainingError; KeyboardInterrupt passes through once everything is stopped."""
    console = Console(soft_wrap=True)
    started = time.monotonic()
    folder = wishes.out / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    console.print(f"simulated wafer: seed {wishes.wafer_seed}, fab preset {wishes.fab}, {wishes.dies} dies", highlight=False)
    with ThreadPoolExecutor(1) as pool:
        # MNIST may have to be fetched once; the wafer is measured meanwhile.
        mnist = pool.submit(load_mnist)
        with running_lab(folder, wishes.wafer_seed, wishes.fab, wishes.dies) as lab:
            console.print(f"lab and service are up: {lab.url}", highlight=False)
            _calibrate(lab, console)
            run = _measure(lab, wishes.dies, console)
            pulled, left_out = _pull(lab, console)
            found = _train(pulled, _wait(mnist, console), Table(NET, (WAFER,), TRAINED, (SEED,), wishes.budget, folder), console)
            index = _report(folder / "report", run, pulled, found, Told(_provenance(lab, pulled.measured.dies), left_out))
            console.print(shown(rows(found), baseline_error_percent(found), "MNIST"))
            console.print(f"finished after {time.monotonic() - started:.0f} s; report: {index}", highlight=False)
            if not wishes.leave:
                _serve_on(lab, console)


def _calibrate(lab: DemoLab, console: Console) -> None:
    """The board first: else its own errors, a per cent or so a column, would count as the dies'."""
    with lab.client() as client, Stage(console, "calibrate the board", 1) as stage:
        client.start({"kind": "calibrate", "wafer": WAFER, "dies": [[0, 0]], "note": "hil demo"}).wait()
        stage.at(1)


def _measure(lab: DemoLab, dies: int, console: Console) -> Run:
    """Characterises the wafer; a second client hears of each die as its map appears."""
    with lab.client() as client, Stage(console, "measure", dies) as stage:
        run = client.start({"kind": "characterise", "wafer": WAFER, "dies": "all", "note": "hil demo"})
        watcher = threading.Thread(target=_show_new_maps, args=(lab, dies, stage), name="watch-defects", daemon=True)
        watcher.start()
        run.wait()
        watcher.join(timeout=20)
        stage.at(dies, "dies measured")
    _say_traffic(run, console)
    return run


def _show_new_maps(lab: DemoLab, dies: int, stage: Stage) -> None:
    """Follows the defect maps as the trainer would: long polls, a new stack whenever a die is new."""
    with lab.client() as client:
        try:
            for stack in client.watch_defects(WAFER, timeout_s=600):
                bad = int((stack.codes != Defect.GOOD).sum())
                stage.at(len(stack.dies), f"dies with a map, {bad:,} defects")
                if len(stack.dies) == dies:
                    return
        except LabError as error:
            stage.at(0, str(error))


def _say_traffic(run: Run, console: Console) -> None:
    for name, wire in run.wires.items():
        console.print(f"  {name}: {wire['sent']:,} {wire['unit']} sent, {wire['received']:,} received", highlight=False)


def _pull(lab: DemoLab, console: Console) -> tuple[Pulled, list[str]]:
    """The maps, and which dies are left out and why."""
    with lab.client() as client:
        pulled = pull(client, WAFER)
    console.print(f"pulled the maps of {len(pulled.measured.dies)} dies over HTTP; origin: {pulled.origin}", highlight=False)
    indices, left_out = usable(pulled.measured)
    return replace(pulled, measured=pulled.measured.take(indices)), [f"die {die} left out: {why}" for die, why in left_out.items()]


def _wait(mnist: Future[Mnist], console: Console) -> Mnist:
    if not mnist.done():
        console.print("fetching MNIST (once; it is kept in the cache) ...")
    return mnist.result()


def _train(pulled: Pulled, mnist: Mnist, table: Table, console: Console) -> list[Cell]:
    """Epochs of all methods count as one stage; the wafer's halves are trained one after the other, each judged by what the other
    half teaches."""
    groups = halves(pulled.measured)
    images = train_and_test(mnist, NET.image_side)
    done = 0
    with threads(1), Stage(console, "train", _epochs(table.budget, len(groups))) as stage:

        def show(method: str, epoch: int, epochs: int, loss: float) -> None:
            nonlocal done
            done += 1
            stage.at(done, f"epochs; {method} {epoch}/{epochs}, loss {loss:.3f}")

        return list(cells(table, lambda _: groups, images, show))


def _epochs(budget: Budget, groups: int) -> int:
    shared = (budget.clean, budget.varied, budget.settled)
    each = (budget.hardware_aware, budget.statistics_aware, budget.placed)
    return sum(recipe.epochs for recipe in shared if recipe) + groups * sum(recipe.epochs for recipe in each)


def _provenance(lab: DemoLab, dies: Sequence[DieIndex]) -> list[dict[str, object]]:
    """One row a map: what it is, when and by which rule it came to be, and the id under which the service keeps it."""
    columns = ("x", "y", "kind", "state", "measured_at", "rule", "id")
    with lab.client() as client:
        newest = [row for x, y in dies for row in client.maps(WAFER, x, y, limit=3)]
    return [{name: row.get(name) or "" for name in columns} | {"x": row["x"], "y": row["y"]} for row in newest]


def _report(folder: Path, run: Run, pulled: Pulled, found: Sequence[Cell], told: Told) -> Path:
    """The report with its plots."""
    kept = pulled.measured
    software = baseline_error_percent(found)
    data = ReportData(
        wafer=WAFER,
        dies=kept.dies,
        simulated=pulled.simulated,
        seed=_seed(pulled.origin),
        software_percent=software,
        errors_percent={cell.name.method: 100 * cell.errors for cell in found},
        siemens_p=kept.siemens_p,
        siemens_ap=kept.siemens_ap,
        codes=kept.codes,
        wires=run.wires,
        maps=told.maps,
        run={key: run.json[key] for key in ("id", "state", "started_at", "ended_at", "requested_by")},
        curves={name: losses for cell in found for name, losses in cell.facts["curves"].items()},
        seconds={SOFTWARE: found[0].facts["baseline_seconds"]} | {cell.name.method: cell.seconds for cell in found},
        notes=told.notes,
    )
    return write_report(folder, data)


def _seed(origin: str) -> int | None:
    """The wafer's seed as the service states it: "simulated; seed=7". None where it states none or several."""
    text = origin.partition("seed=")[2]
    return int(text) if text.isdigit() else None


def _serve_on(lab: DemoLab, console: Console) -> None:
    """Until Ctrl-C, which ends the demo well."""
    console.print(f"still serving at {lab.url} with this token; Ctrl-C stops everything", highlight=False)
    console.print(f"  HIL_URL={lab.url} HIL_TOKEN={lab.token} .venv/bin/hil map {WAFER} 0 0 --kind defects", highlight=False)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("stopping: the service makes the lab safe, then the lab goes down")
