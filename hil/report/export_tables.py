"""csv and parquet: one row a junction, in the order of dies, kernels, rows, columns; a row group a die.

x, y, kernel, row, column; siemens_p, siemens_ap, siemens_as_found, uncertainty_p, uncertainty_ap (S); class (name), line_fault (bits),
confidence; origin, measured_at, map_p, map_ap, map_as_found, map_defects (ids; the first 12 digits in csv). Empty: not measured.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet
from numpy.typing import NDArray

from hil.model.defects import Defect
from hil.report.exports import Exported, ExportedDie, facts_of

STATES = ("P", "AP", "as_found")
SHORT_ID = 12
_MAPS = (*STATES, "defects")
_NAMES = {int(defect): defect.name.lower() for defect in Defect}
_WORDS = pa.dictionary(pa.int8(), pa.string())
SCHEMA = pa.schema(
    [
        ("x", pa.int32()),
        ("y", pa.int32()),
        ("kernel", pa.uint8()),
        ("row", pa.uint8()),
        ("column", pa.uint8()),
        *((f"siemens_{state.lower()}", pa.float32()) for state in STATES),
        *((f"uncertainty_{state.lower()}", pa.float32()) for state in ("P", "AP")),
        ("class", _WORDS),
        ("line_fault", pa.uint8()),
        ("confidence", pa.float32()),
        ("origin", _WORDS),
        ("measured_at", _WORDS),
        *((f"map_{name.lower()}", _WORDS) for name in _MAPS),
    ]
)


def write_csv(exported: Exported, path: Path) -> None:
    plain = pa.schema([(field.name, pa.string() if pa.types.is_dictionary(field.type) else field.type) for field in SCHEMA])
    with pa_csv.CSVWriter(path, plain, write_options=pa_csv.WriteOptions(quoting_style="needed")) as writer:
        for die in exported.pull():
            writer.write_table(table_of(die, SHORT_ID).cast(plain))


def write_parquet(exported: Exported, path: Path) -> None:
    """Facts of the file stand in its schema's metadata."""
    facts = {name.encode(): str(value).encode() for name, value in facts_of(exported).items()}
    with pa_parquet.ParquetWriter(path, SCHEMA.with_metadata(facts), compression="zstd") as writer:
        for die in exported.pull():
            writer.write_table(table_of(die, None).replace_schema_metadata(facts))


def table_of(die: ExportedDie, id_digits: int | None) -> Any:
    """A pyarrow table of SCHEMA, one row a junction."""
    shape = die.shape
    count = int(np.prod(shape))
    kernel, row, column = (axis.ravel().astype(np.uint8) for axis in np.indices(shape))
    columns: dict[str, Any] = {
        "x": np.full(count, die.die[0], np.int32),
        "y": np.full(count, die.die[1], np.int32),
        "kernel": kernel,
        "row": row,
        "column": column,
        "class": _classes(die.codes, count),
        "line_fault": _plain(die.line_fault, count, pa.uint8()),
        "confidence": _numbers(die.confidence, count),
        "origin": _words(die.origin, count),
        "measured_at": _words(die.measured_at, count),
    }
    columns |= {f"siemens_{state.lower()}": _numbers(die.siemens.get(state), count) for state in STATES}
    columns |= {f"uncertainty_{state.lower()}": _numbers(die.uncertainty.get(state), count) for state in ("P", "AP")}
    ids = {name: die.map_ids.get(name) for name in _MAPS}
    columns |= {f"map_{name.lower()}": _words(None if each is None else each[:id_digits], count) for name, each in ids.items()}
    return pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)


def _numbers(array: NDArray[np.floating[Any]] | None, count: int) -> Any:
    """Null where not measured."""
    if array is None:
        return pa.nulls(count, pa.float32())
    flat = np.ascontiguousarray(array, dtype=np.float32).ravel()
    return pa.array(flat, mask=np.isnan(flat))


def _plain(array: NDArray[Any] | None, count: int, kind: Any) -> Any:
    return pa.nulls(count, kind) if array is None else pa.array(array.ravel())


def _words(word: str | None, count: int) -> Any:
    """The same word in every row."""
    codes = pa.nulls(count, pa.int8()) if word is None else pa.array(np.zeros(count, np.int8))
    return pa.DictionaryArray.from_arrays(codes, pa.array([word or ""]))


def _classes(codes: NDArray[np.uint8] | None, count: int) -> Any:
    if codes is None:
        return _words(None, count)
    known = np.array(sorted(_NAMES), np.uint8)
    places = np.searchsorted(known, codes.ravel()).astype(np.int8)
    return pa.DictionaryArray.from_arrays(pa.array(places), pa.array([_NAMES[int(code)] for code in known]))
