"""Which maps a URL means: looked up in the catalogue, described as an ArrayResource. No array is read here."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike

from hil.api.answers import Missing
from hil.api.arrays import ArrayResource, Row
from hil.api.context import Services
from hil.api.problems import Problem
from hil.api.views import origin_header
from hil.model.lab import DieIndex
from hil.model.maps import MapKind, sha256_hex
from hil.store.protocol import Store
from hil.store.records import MapRecord

StateQuery = Literal["P", "AP", "as_found", "programmed"]
UNCERTAINTY = "uncertainty"
"""Stands beside siemens in the Arrow and JSON forms, where every map of a stack has one."""
DTYPES: dict[str, DTypeLike] = {"siemens": np.float32, "codes": np.uint8}
HOW_TO_MEASURE = {"conductance": "read or characterise", "defects": "characterise"}


def die_on_wafer(store: Store, wafer: str, x: int, y: int) -> DieIndex:
    """Raises NotFound for an unknown wafer, Problem 404 for a die that it does not have."""
    known = store.wafer(wafer).dies
    if (x, y) not in known:
        raise Problem(404, f"die ({x}, {y}) is not on wafer {wafer}, which has {len(known)} dies")
    return (x, y)


def _objects(record: MapRecord) -> dict[str, str]:
    """Arrays of a map by name, the main one first."""
    if record.kind == "conductance":
        return {"siemens": record.object, **({UNCERTAINTY: record.parts[UNCERTAINTY]} if UNCERTAINTY in record.parts else {})}
    return {"codes": record.object, **({"line_fault": record.line_object} if record.line_object else {})}


def _row(record: MapRecord) -> Row:
    return Row(_objects(record), record.id, record.die, record.measured_at)


def map_headers(records: Sequence[MapRecord]) -> dict[str, str]:
    headers = {"Lab-Origin": origin_header([record.meta for record in records])} if records else {}
    if records:
        headers["Lab-Measured-At"] = max(record.measured_at for record in records)
    return headers


def one_map(record: MapRecord) -> ArrayResource:
    row = _row(record)
    headers = {**map_headers([record]), "Lab-Map-Id": record.id, **({"Lab-State": record.state} if record.state else {})}
    return ArrayResource(record.id, (row,), tuple(row.objects), headers=headers)


def part_of_map(record: MapRecord, name: str, sha256: str) -> ArrayResource:
    """A further array of a map: its line faults, its confidence."""
    row = Row({name: sha256}, record.id, record.die, record.measured_at)
    return ArrayResource(f"{record.id}-{name}", (row,), (name,), headers={**map_headers([record]), "Lab-Map-Id": record.id})


def newest_of_die(services: Services, die: tuple[str, int, int], kind: MapKind, state: str | None) -> Callable[[], ArrayResource]:
    """die: (wafer, x, y). What it returns raises Missing until there is such a map."""

    def find() -> ArrayResource:
        return one_map(newest_record(services.store, die, kind, state))

    return find


def newest_record(store: Store, die: tuple[str, int, int], kind: MapKind, state: str | None = None) -> MapRecord:
    """Raises NotFound, Problem 404 for an unknown die, Missing while nothing of this kind is measured."""
    wafer, x, y = die
    record = store.newest_map(wafer, die_on_wafer(store, wafer, x, y), kind, state)
    if record is None:
        which = f"{kind} map" if state is None else f"{kind} map of state {state}"
        raise Missing(f"die ({x}, {y}) of wafer {wafer} has no {which} yet; a run of kind {HOW_TO_MEASURE[kind]} makes one")
    return record


def uncertainty_stack(services: Services, wafer: str, state: str | None) -> Callable[[], ArrayResource]:
    """Standard uncertainties of the maps of `wafer_stack`, in its order. What it returns raises Problem 404 where one has none."""
    maps = wafer_stack(services, wafer, "conductance", state)

    def find() -> ArrayResource:
        stack = maps()
        for row in stack.rows:
            if UNCERTAINTY not in row.objects:
                raise Problem(404, f"map {str(row.map_id)[:12]} of die {row.die} of wafer {wafer} has no uncertainty; measure the die anew")
        rows = tuple(replace(row, objects={UNCERTAINTY: row.objects[UNCERTAINTY]}) for row in stack.rows)
        return replace(stack, identity=f"{stack.identity}-{UNCERTAINTY}", rows=rows, names=(UNCERTAINTY,))

    return find


def wafer_stack(services: Services, wafer: str, kind: MapKind, state: str | None = None) -> Callable[[], ArrayResource]:
    """Newest map of every measured die, (y, x) ordered; no dies at all is an array too, (0, ...)."""

    def find() -> ArrayResource:
        services.store.wafer(wafer)
        records = services.store.newest_maps(wafer, kind, state)
        names = ("siemens",) if kind == "conductance" else ("codes", "line_fault")
        if records and kind == "conductance" and all(UNCERTAINTY in record.parts for record in records):
            names = ("siemens", UNCERTAINTY)
        return ArrayResource(
            identity=sha256_hex("\n".join([kind, state or "", *(record.id for record in records)]).encode()),
            rows=tuple(_row(record) for record in records),
            names=names,
            stacked=True,
            shape=services.lab.chip.shape,
            dtype=DTYPES[names[0]],
            headers={**map_headers(records), "Lab-Dies": ";".join(f"{x},{y}" for x, y in (record.die for record in records))},
        )

    return find
