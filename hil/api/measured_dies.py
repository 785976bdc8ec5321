"""A die as a run left it: its defect map and the two conductance maps that one was derived from, read from the store.

Rule: maps are paired by what the defect map names; a newer P or AP map, of a run that did not get as far as the defects, belongs to
no class yet."""

from collections.abc import Mapping

from hil.analysis.measured import MeasuredDie
from hil.model.maps import ConductanceMap, DefectMap, from_npy_bytes
from hil.store.protocol import Store
from hil.store.records import MapRecord


def is_complete(defects: MapRecord) -> bool:
    """Whether it says from which maps of both states it was derived."""
    return {"P", "AP"} <= set(_inputs(defects))


def measured_die(store: Store, defects: MapRecord) -> MeasuredDie:
    """Of a complete defect map. Raises NotFound when one of its maps is gone."""
    p, ap = (_conductance(store, store.map(_inputs(defects)[state])) for state in ("P", "AP"))
    return MeasuredDie(p, ap, _defects(store, defects), defects.die)


def _inputs(defects: MapRecord) -> Mapping[str, str]:
    """Ids of the maps it was derived from, by state."""
    return defects.meta.get("inputs") or {}


def _conductance(store: Store, record: MapRecord) -> ConductanceMap:
    siemens = from_npy_bytes(store.get_object(record.object))
    return ConductanceMap(siemens, "P" if record.state == "P" else "AP", record.meta["read_volts"], record.meta)


def _defects(store: Store, record: MapRecord) -> DefectMap:
    codes, *rest = (
        from_npy_bytes(store.get_object(sha256)) for sha256 in (record.object, record.line_object, record.confidence_object) if sha256
    )
    line_fault, confidence = rest
    return DefectMap(codes, line_fault, confidence, record.meta["rule"], record.meta)
