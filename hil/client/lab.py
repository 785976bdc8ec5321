"""The client: one method per thing the lab can be asked. Every error is a LabError with a readable line."""

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, Self

import httpx
import numpy as np
from numpy.typing import NDArray

from hil.client.arrays import NPY, ConductanceStack, DefectStack, Die, DieMap, array_of, conductance_stack, defect_stack, die_map
from hil.client.certainty import CertaintyCalls
from hil.client.errors import ServiceUnreachable, UnexpectedReply
from hil.client.held import HeldDie
from hil.client.http import Connection, path_of
from hil.client.run import Run
from hil.client.sse import Event, parse
from hil.client.watching import Retry, watch

DEFAULT_URL = "http://127.0.0.1:8765"
State = Literal["P", "AP", "as_found", "programmed"]
ACCEPT_NPY = {"Accept": NPY}


class LabClient(CertaintyCalls):
    """url: of the service. token: of `hil token create`. transport: for tests. timeout_s: of one answer. on_warning: called with what
    must not be overlooked, such as an output that may be on, when it first stands on an answer.

    Use it in one thread, or one per thread; close it, or use it as a context manager.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        token: str | None = None,
        transport: httpx.BaseTransport | None = None,
        timeout_s: float = 30.0,
        on_warning: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._service = Connection(url, token, transport, timeout_s, on_warning)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._service.close()

    @property
    def warning(self) -> str | None:
        """What the last answer warned of: an output that may be on. None: nothing."""
        return self._service.warning

    # --- runs
    def start(self, plan: Mapping[str, Any], key: str | None = None) -> Run:
        """Queue a plan. key: Idempotency-Key; the same key and plan give the same run. Raises PlanRefused, RequestRefused."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return Run(self, self._service.json("POST", "/runs", json=dict(plan), headers=headers))

    def dry_run(self, plan: Mapping[str, Any]) -> dict[str, Any]:
        """Route, path, touchdowns with those left of the budgets, and duration of a plan; nothing is queued."""
        return self._service.json("POST", "/runs", json=dict(plan), query={"dry_run": "true"})

    def run(self, run_id: str) -> Run:
        return Run(self, self._service.json("GET", path_of("runs", run_id)))

    def runs(self, limit: int = 100) -> list[Run]:
        """Newest first."""
        return [Run(self, body) for body in self._service.json("GET", "/runs", query={"limit": limit})["items"]]

    def pause(self, run_id: str) -> Run:
        return Run(self, self._service.json("POST", path_of("runs", run_id, "pause")))

    def resume(self, run_id: str) -> Run:
        return Run(self, self._service.json("POST", path_of("runs", run_id, "resume")))

    def abort(self, run_id: str) -> Run:
        return Run(self, self._service.json("POST", path_of("runs", run_id, "abort")))

    def delete(self, run_id: str) -> None:
        """Takes a queued run out of the queue. Raises Conflict once it started."""
        self._service.call("DELETE", path_of("runs", run_id))

    def events(self, run: str | None = None, after: int = 0) -> Iterator[Event]:
        """Events after a number: of one run until it ends (last kind `end`), or of the station for ever."""
        path = "/events" if run is None else path_of("runs", run, "events")
        retry = Retry()
        while True:
            try:
                with self._service.lines(path, {"Last-Event-ID": str(after)}) as lines:
                    for event in parse(lines):
                        retry.worked()
                        after = event.number or after
                        yield event
                        if event.kind == "end":
                            return
            except ServiceUnreachable as error:
                retry.failed(error)
            else:
                retry.pause()

    def result_list(self, run_id: str) -> list[dict[str, Any]]:
        """What a run has stored beside its maps, oldest first: x, y, name, object, shape, dtype, at, meta."""
        return self._service.json("GET", path_of("runs", run_id, "objects"))["items"]

    def results(self, run_id: str, die: Die | None = None) -> dict[Die, dict[str, NDArray[Any]]]:
        """The arrays of `result_list`, by die and name, such as results(run)[0, 0]["iv_amps"]. die: of that one alone."""
        found: dict[Die, dict[str, NDArray[Any]]] = {}
        for told in self.result_list(run_id):
            place = (told["x"], told["y"])
            if die is None or die == place:
                found.setdefault(place, {})[told["name"]] = self.get_object(told["object"])
        return found

    def analysis(self, run_id: str, **assumptions: Any) -> dict[str, Any]:
        """Critical voltage and thermal stability of a switching run, thermal stability of a retention run: docs/switching.md. assumptions:
        access_ohms, half_volts, attempt_s, shortest_s. Raises Conflict for a run of another kind, NotFound before it has results."""
        return self._service.json("GET", path_of("runs", run_id, "analysis"), query=assumptions)

    def hold(self, wafer: str, x: int, y: int, idle_s: float = 60.0) -> HeldDie:
        """A die kept in contact for live products: `with lab.hold("W1", 0, 0) as die: die.vmm(inputs)`. It is let go when the block is
        left, or when nothing was asked of it for idle_s."""
        return HeldDie(self, wafer, x, y, idle_s)

    # --- maps
    def conductance(self, wafer: str, state: State | None = None, known: ConductanceStack | None = None) -> ConductanceStack:
        """Newest map of every measured die. known: what one has; it is given back when nothing changed (304)."""
        response = self._get_array(path_of("wafers", wafer, "conductance"), known and known.etag, {"state": state})
        return known if known is not None and response.status_code == 304 else conductance_stack(response)

    def defects(self, wafer: str, known: DefectStack | None = None) -> DefectStack:
        """Newest defect map of every measured die. known: as in `conductance`."""
        response = self._get_array(path_of("wafers", wafer, "defects"), known and known.etag, {})
        return known if known is not None and response.status_code == 304 else defect_stack(response)

    def watch_defects(self, wafer: str, timeout_s: float | None = None) -> Iterator[DefectStack]:
        """What is known now, if anything, then again whenever a map came; nothing when nothing changed.

        timeout_s: stop after so many seconds in all; without it, watch for ever. A lost connection is taken up again for a
        minute; then ServiceUnreachable. Raises NotFound for an unknown wafer.
        """

        def look(etag: str | None, wait_s: float) -> httpx.Response:
            return self._get_array(path_of("wafers", wafer, "defects"), etag, {"wait": wait_s}, patience_s=wait_s)

        stacks = (defect_stack(response) for response in watch(look, timeout_s))
        return (stack for stack in stacks if stack.dies)

    def defect_map(self, wafer: str, x: int, y: int) -> DieMap:
        """Newest defect map of a die. Raises NotFound while there is none."""
        return die_map(self._get_array(path_of("dies", wafer, x, y, "defects"), None, {}))

    def conductance_map(self, wafer: str, x: int, y: int, state: State | None = None) -> DieMap:
        """Newest conductance map of a die. Raises NotFound while there is none."""
        return die_map(self._get_array(path_of("dies", wafer, x, y, "maps", "latest"), None, {"state": state}))

    def maps(self, wafer: str, x: int, y: int, limit: int = 100) -> list[dict[str, Any]]:
        """Metadata of a die's maps, newest first."""
        return self._service.json("GET", path_of("dies", wafer, x, y, "maps"), query={"limit": limit})["items"]

    def map(self, map_id: str) -> DieMap:
        return die_map(self._get_array(path_of("maps", map_id), None, {}))

    def map_meta(self, map_id: str) -> dict[str, Any]:
        return self._service.json("GET", path_of("maps", map_id, "meta"))

    def picture(self, map_id: str) -> bytes:
        """PNG of a map."""
        return self._service.call("GET", path_of("maps", f"{map_id}.png")).content

    def import_maps(self, wafer: str, x: int, y: int, maps: Mapping[str, NDArray[Any]], **told: Any) -> dict[str, Any]:
        """Bring maps measured elsewhere to a die. maps: arrays by state, "P", "AP" or "as_found", in kernels or as they lie on the die.
        told: units, read_volts, measured_at, temperature_c, source, declared_origin, note. Returns run and maps (ids).

        Raises RequestRefused.
        """
        objects = {state: {"object": self.put_object(array)} for state, array in maps.items()}
        return self._service.json("POST", path_of("dies", wafer, x, y, "import"), json={"maps": objects, **told})

    def map_part(self, map_id: str, part: Literal["lines", "uncertainty"]) -> NDArray[Any]:
        """The array beside a map: line faults of a defect map, its confidence, or a conductance map's standard uncertainty. Raises
        NotFound where there is none."""
        return array_of(self._get_array(path_of("maps", map_id, part), None, {}))

    # --- wafers, objects
    def wafers(self) -> list[dict[str, Any]]:
        return self._service.json("GET", "/wafers", query={"limit": 1000})["items"]

    def wafer(self, wafer: str) -> dict[str, Any]:
        """Wafer map, status of each die, counts, yield."""
        return self._service.json("GET", path_of("wafers", wafer))

    def statistics(self, wafer: str) -> dict[str, Any]:
        """Rates of defects and of line faults with intervals, conductance distributions, and the tables that hil.analysis.sampler draws
        new dies from. Raises NotFound while no die is complete."""
        return self._service.json("GET", path_of("wafers", wafer, "statistics"))

    def changes(self, wafer: str, x: int, y: int, runs: tuple[str | None, str | None] = (None, None), limit: int = 1000) -> dict[str, Any]:
        """What changed on a die between two runs beyond noise. runs: (before, after); without them, the last two that left defect maps."""
        query = {"from": runs[0], "to": runs[1], "limit": limit}
        return self._service.json("GET", path_of("dies", wafer, x, y, "changes"), query=query)

    def put_wafer(self, wafer: str, dies: Sequence[tuple[int, int]] | None = None) -> dict[str, Any]:
        """Register a wafer; without dies, with those of lab.toml."""
        return self._service.json("PUT", path_of("wafers", wafer), json={} if dies is None else {"dies": [list(die) for die in dies]})

    def put_object(self, array: NDArray[Any]) -> str:
        """Store an array for a plan to refer to. Returns its sha256, for `{"object": sha256}`."""
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
        data = buffer.getvalue()
        digest = hashlib.sha256(data).hexdigest()
        self._service.call("PUT", path_of("objects", digest), content=data, headers={"Content-Type": NPY})
        return digest

    def get_object(self, sha256: str) -> NDArray[Any]:
        return array_of(self._get_array(path_of("objects", sha256), None, {}))

    # --- models
    def put_model(self, checkpoint: bytes) -> dict[str, Any]:
        """Store a checkpoint (safetensors bytes); returns what the service says of it, `id` first. Idempotent."""
        digest = hashlib.sha256(checkpoint).hexdigest()
        headers = {"Content-Type": "application/octet-stream"}
        return self._service.json("PUT", path_of("models", digest), content=checkpoint, headers=headers)

    def models(self, limit: int = 100) -> list[dict[str, Any]]:
        """Newest first."""
        return self._service.json("GET", "/models", query={"limit": limit})["items"]

    def model(self, model_id: str) -> dict[str, Any]:
        """metadata (with the hashes of the maps it was made for), tensors, evaluations. Raises NotFound."""
        return self._service.json("GET", path_of("models", model_id))

    def checkpoint(self, model_id: str) -> bytes:
        """The bytes that were stored, checked against their sha256. Raises UnexpectedReply when they are others."""
        data = self._service.call("GET", path_of("models", model_id, "checkpoint")).content
        if (found := hashlib.sha256(data).hexdigest()) != model_id:
            raise UnexpectedReply(f"model {model_id}: the bytes that came have sha256 {found}; ask again")
        return data

    def add_evaluation(self, model_id: str, found: Mapping[str, Any]) -> dict[str, Any]:
        """What was found of a model: any JSON object."""
        return self._service.json("POST", path_of("models", model_id, "evaluations"), json=dict(found))

    def put_report(self, model_id: str, page: str) -> dict[str, Any]:
        """One HTML page with everything in it; replaces an earlier one."""
        headers = {"Content-Type": "text/html"}
        return self._service.json("PUT", path_of("models", model_id, "report"), content=page.encode(), headers=headers)

    def report(self, model_id: str) -> str:
        """Raises NotFound when it has none."""
        return self._service.call("GET", path_of("models", model_id, "report")).text

    # --- station
    def station(self) -> dict[str, Any]:
        return self._service.json("GET", "/station")

    def estop(self, reason: str = "") -> dict[str, Any]:
        """Outputs off, deselect, separate, latch. Returns what the watchdog found: outcome per instrument, and `safe`."""
        return self._service.json("POST", "/station/estop", query={"reason": reason or None})

    def reset(self, force: bool = False) -> dict[str, Any]:
        """Clear the latch. Raises Conflict while an instrument is not known to be safe, unless forced."""
        return self._service.json("POST", "/station/reset", query={"force": "true" if force else None})

    def release(self) -> dict[str, Any]:
        """Let a queue go on that a failed run holds."""
        return self._service.json("POST", "/station/release")

    def card(self) -> dict[str, Any]:
        """The probe card: touchdowns with it and since its last cleaning, and how many are left."""
        return self._service.json("GET", "/station/card")

    def new_card(self, name: str) -> dict[str, Any]:
        """Another probe card was put in. Raises Conflict while a run is running."""
        return self._service.json("POST", "/station/card", json={"name": name})

    def card_cleaned(self) -> dict[str, Any]:
        """Somebody cleaned the needles. Raises Conflict while a run is running."""
        return self._service.json("POST", "/station/card/cleaned")

    def why_waiting(self) -> str:
        """Why a queued run does not start, in a few words; empty when it only waits for its turn."""
        station = self.station()
        if station["interlocks"]["estop"] is not None:
            return "the emergency stop is latched (hil reset)"
        if station["queue"]["held"] is not None:
            return f"the queue is held: {station['queue']['held']} (hil release)"
        if not station["interlocks"]["worker_alive"]:
            return "the worker does not report"
        paused = next((run for run in self.runs() if run.state == "paused"), None)
        return "" if paused is None else f"run {paused.id} on wafer {paused.json['plan']['wafer']} is paused (hil resume {paused.id})"

    def post_for_array(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        """An array that is made at this moment: asked for with POST, never cached."""
        return self._service.call("POST", path, headers=ACCEPT_NPY, json=dict(body))

    def _get_array(self, path: str, etag: str | None, query: Mapping[str, Any], patience_s: float = 0) -> httpx.Response:
        headers = {**ACCEPT_NPY, **({"If-None-Match": etag} if etag else {})}
        return self._service.call("GET", path, headers=headers, query=query, patience_s=patience_s)
