"""Maps measured elsewhere become maps of a die: checked, described, and classified where both states are there.

Rule: an imported map is paired with imported ones only; a defect map never rests on a measurement of ours and one of others'."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.analysis.classify import classify
from hil.model.imports import ImportBody, ImportRefused, imported_siemens
from hil.model.lab import DieIndex, LabConfig
from hil.model.maps import ConductanceMap, DefectMap, MapState, Meta, canonical_json, from_npy_bytes, sha256_hex
from hil.model.runs import MapMeasured
from hil.runs.metadata import identify
from hil.store.errors import NotFound
from hil.store.protocol import Store
from hil.store.records import MapRecord, RunRecord
from hil.store.shelf import stamp


@dataclass(frozen=True)
class Importer:
    """now: UTC. code_version: of this service."""

    store: Store
    lab: LabConfig
    now: datetime
    code_version: str

    def bring(self, wafer: str, die: DieIndex, body: ImportBody, by: str, key: str | None = None) -> RunRecord:
        """The run that brought the maps. by: who asked. key: Idempotency-Key. Raises ImportRefused, KeyConflict, StoreError."""
        asked = body.model_dump(mode="json")
        plan = {"kind": "import", "wafer": wafer, "dies": [list(die)], **asked}
        hashed = sha256_hex(canonical_json(plan).encode())
        meta = {**self._meta(wafer, die, body, by), "plan_hash": hashed}
        given = {state: self._map(state, ref.object, body, meta) for state, ref in body.maps.items()}
        made: list[ConductanceMap | DefectMap] = list(given.values())
        defects = self._defects(wafer, die, given, meta)
        events = [MapMeasured(die, each) for each in [*made, *([defects] if defects else [])]]
        return self.store.import_maps(plan, hashed, events, by, None if key is None else (key, hashed))

    def _meta(self, wafer: str, die: DieIndex, body: ImportBody, by: str) -> Meta:
        imported_at = stamp(self.now)
        origin = {"imported": True, **({"declared": body.declared_origin} if body.declared_origin else {})}
        return {
            "wafer": wafer,
            "x": die[0],
            "y": die[1],
            "imported_at": imported_at,
            "imported_by": by,
            # When nobody knows when it was measured, it was before it was brought.
            "measured_at": imported_at if body.measured_at is None else stamp(body.measured_at),
            "measured_at_known": body.measured_at is not None,
            "temperature_c": body.temperature_c,
            "source": body.source,
            "note": body.note,
            "calibration": None,
            "instruments": {},
            "origin": origin,
            "code_version": self.code_version,
        }

    def _map(self, state: MapState, sha256: str, body: ImportBody, meta: Meta) -> ConductanceMap:
        siemens = imported_siemens(self._array(state, sha256), body.units, self.lab.chip, state)
        own = {"kind": "conductance", "state": state, "read_volts": body.read_volts, "path": "imported", "averages": 1, "units": body.units}
        counts = {"flagged": {"not_measured": int(np.isnan(siemens).sum())}, "given_object": sha256}
        return ConductanceMap(siemens, state, body.read_volts, {**meta, **own, **counts})

    def _array(self, state: str, sha256: str) -> NDArray[Any]:
        try:
            return from_npy_bytes(self.store.get_object(sha256))
        except NotFound as error:
            raise ImportRefused(state, sha256, "a stored object", f"map {state}: {error}") from error
        except ValueError as error:
            raise ImportRefused(state, sha256, "an npy array", f"map {state}: object {sha256} is no npy array: {error}") from error

    def _defects(self, wafer: str, die: DieIndex, given: Mapping[str, ConductanceMap], meta: Meta) -> DefectMap | None:
        """From P and AP, one of which may have been imported before; None without both."""
        if not {"P", "AP"} & set(given):
            return None
        pair: dict[str, tuple[ConductanceMap, str]] = {state: (each, identify(each)) for state, each in given.items()}
        for state in {"P", "AP"} - set(pair):
            record = self.store.newest_map(wafer, die, "conductance", state)
            if record is None or not (record.meta.get("origin") or {}).get("imported"):
                return None
            pair[state] = self._stored(record), record.id
        found = classify(pair["P"][0], pair["AP"][0])
        inputs = {state: pair[state][1] for state in ("P", "AP")}
        own = {
            "kind": "defects",
            "state": None,
            "rule": found.rule,
            "inputs": inputs,
            "read_volts": pair["P"][0].read_volts,
            "path": "imported",
        }
        return replace(found, meta={**found.meta, **meta, **own})

    def _stored(self, record: MapRecord) -> ConductanceMap:
        state: MapState = "P" if record.state == "P" else "AP"
        return ConductanceMap(from_npy_bytes(self.store.get_object(record.object)), state, float(record.meta["read_volts"]), record.meta)


def brought(maps: Sequence[MapRecord]) -> dict[str, str]:
    """Ids of an import's maps by what they are."""
    return {each.state or each.kind: each.id for each in maps}
