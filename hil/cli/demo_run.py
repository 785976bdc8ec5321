"""The demo as a user would do it by hand: start, measure, pull, train, report. Nothing here knows more than REST tells.

Rule: every number shown comes from the service or from training on its maps; the simulator is never asked for the truth.
"""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hil.cli.demo_lab import DemoLab, running_lab
from hil.cli.demo_progress import Stage
from hil.client import LabError
from hil.client.run import Run
from hil.model.defects import Defect
from hil.report.report import ReportData, write_report
from hil.training.bench import DEMO, QUICK, Budget
from hil.training.checkpoint import save_checkpoint
from hil.training.data import Mnist, load_mnist
from hil.training.run import Pulled, TrainingResult, pull, train_all

WAFER = "DEMO"
SEED = 0


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
        return QUICK if self.quick else DEMO


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
            run = _measure(lab, wishes.dies, console)
            pulled = _pull(lab, console)
            result = _train(pulled, _wait(mnist, console), wishes.budget, console)
            index = _report(folder / "report", run, pulled, result, _provenance(lab, result))
            console.print(_table(result))
            console.print(f"finished after {time.monotonic() - started:.0f} s; report: {index}", highlight=False)
            if not wishes.leave:
                _serve_on(lab, console)


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


def _pull(lab: DemoLab, console: Console) -> Pulled:
    with lab.client() as client:
        pulled = pull(client, WAFER)
    console.print(f"pulled the maps of {len(pulled.measured.dies)} dies over HTTP; origin: {pulled.origin}", highlight=False)
    return pulled


def _wait(mnist: Future[Mnist], console: Console) -> Mnist:
    if not mnist.done():
        console.print("fetching MNIST (once; it is kept in the cache) ...")
    return mnist.result()


def _train(pulled: Pulled, mnist: Mnist, budget: Budget, console: Console) -> TrainingResult:
    """Epochs of all methods count as one stage; statistics-aware networks are two, one for either half of the dies."""
    recipes = (budget.clean, budget.varied, budget.hardware_aware, budget.statistics_aware, budget.statistics_aware)
    total = sum(recipe.epochs for recipe in recipes)
    done = 0
    with Stage(console, "train", total) as stage:

        def show(method: str, epoch: int, epochs: int, loss: float) -> None:
            nonlocal done
            done += 1
            stage.at(done, f"epochs; {method} {epoch}/{epochs}, loss {loss:.3f}")

        return train_all(pulled.measured, mnist, budget, SEED, show)


def _table(result: TrainingResult) -> Table:
    """Errors on the 10,000 test images, per cent, over the dies."""
    table = Table(title=f"MNIST test error on {len(result.dies)} measured dies; software: on ideal devices", title_justify="left")
    table.add_column("method")
    for name in ("mean %", "sd %", "worst %", "delta points", "training s"):
        table.add_column(name, justify="right")
    software = f"{100 * result.software_error:.2f}"
    table.add_row("software", software, "", "", "", f"{result.seconds['software']:.0f}")
    for method, errors in result.methods.items():
        row = (
            f"{errors.mean_percent:.2f}",
            f"{errors.sd_percent:.2f}",
            f"{errors.worst_percent:.2f}",
            f"{result.delta_points(method):+.2f}",
        )
        table.add_row(method, *row, f"{errors.seconds:.0f}")
    return table


def _provenance(lab: DemoLab, result: TrainingResult) -> list[dict[str, object]]:
    """One row a map: what it is, when and by which rule it came to be, and the id under which the service keeps it."""
    columns = ("x", "y", "kind", "state", "measured_at", "rule", "id")
    with lab.client() as client:
        newest = [row for x, y in result.dies for row in client.maps(WAFER, x, y, limit=3)]
    return [{name: row.get(name) or "" for name in columns} | {"x": row["x"], "y": row["y"]} for row in newest]


def _report(folder: Path, run: Run, pulled: Pulled, result: TrainingResult, maps: list[dict[str, object]]) -> Path:
    """The report with its plots, and the networks with the hashes of the maps they were made for."""
    kept = pulled.measured.take([pulled.measured.dies.index(die) for die in result.dies])
    data = ReportData(
        wafer=WAFER,
        dies=result.dies,
        simulated=pulled.simulated,
        seed=_seed(pulled.origin),
        software_percent=100 * result.software_error,
        errors_percent={method: 100 * errors.errors for method, errors in result.methods.items()},
        siemens_p=kept.siemens_p,
        siemens_ap=kept.siemens_ap,
        codes=kept.codes,
        wires=run.wires,
        maps=maps,
        run={key: run.json[key] for key in ("id", "state", "started_at", "ended_at", "requested_by")},
        curves=result.curves,
        seconds=result.seconds,
        notes=[f"die {die} left out: {why}" for die, why in result.left_out.items()],
    )
    index = write_report(folder, data)
    facts = {"seed": SEED, "software_error": result.software_error, "etags": pulled.etags, "origin": pulled.origin}
    save_checkpoint(folder / "networks.safetensors", result.networks, pulled.measured, facts)
    return index


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
