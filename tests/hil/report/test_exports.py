"""Exports, each read back by a reader that is not ours: csv and Arrow's, zarr's own, an STDF library, the standard library's XML."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pa_parquet
import pytest
import zarr
from Semi_ATE.STDF import records_from_file

from hil.model.frames import E142Map, G85Map
from hil.report.export_semi import E142_NAMESPACE
from hil.report.exports import FORMATS, Exported, ExportedDie, ExportFailed, bin_of, write_export
from hil.report.import_files import read_maps
from tests.hil.report.wafers import DIES, SHAPE, SIMULATED, as_found, classified, wafer

NUMBER = int(np.prod(SHAPE))


def written(tmp_path: Path, kind: str, exported: Exported | None = None) -> Path:
    path = tmp_path / f"w1.{kind}"
    write_export(exported or wafer(), kind, path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name], "nothing is left beside it"
    return path


def test_csv_has_a_row_a_junction_with_origin_and_map_ids(tmp_path: Path) -> None:
    with written(tmp_path, "csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * NUMBER
    die = classified((0, -1), 10)
    first, stuck, unmeasured = rows[0], rows[6], rows[NUMBER - 1]
    assert (first["x"], first["y"], first["kernel"], first["row"], first["column"]) == ("0", "-1", "0", "0", "0")
    assert first["class"] == "short" and np.float32(first["siemens_p"]) == die.siemens["P"][0, 0, 0]
    assert (first["origin"], first["map_p"], first["map_defects"]) == (SIMULATED, f"{10:064x}"[:12], f"{12:064x}"[:12])
    assert (stuck["class"], stuck["line_fault"], stuck["confidence"], stuck["uncertainty_ap"]) == ("stuck_ap", "1", "0.75", "")
    assert (unmeasured["siemens_p"], unmeasured["class"]) == ("", "not_measured")
    assert rows[-1]["origin"] == "imported" and rows[-1]["class"] == "" and float(rows[-1]["siemens_as_found"]) == pytest.approx(2e-4)


def test_parquet_gives_back_the_very_numbers_a_row_group_a_die(tmp_path: Path) -> None:
    file = pa_parquet.ParquetFile(written(tmp_path, "parquet"))
    assert file.num_row_groups == 3 and file.schema_arrow.metadata[b"wafer"] == b"W1"
    table = file.read_row_group(1)
    die = classified((-3, 0), 20)
    ap = table["siemens_ap"].to_numpy().reshape(SHAPE)
    np.testing.assert_array_equal(ap, die.siemens["AP"])
    assert table["siemens_p"].null_count == 1 and table["map_ap"][0].as_py() == f"{21:064x}" and table["x"][0].as_py() == -3


def test_zarr_holds_arrays_of_the_wafer_and_says_whose(tmp_path: Path) -> None:
    group: Any = zarr.open_group(written(tmp_path, "zarr"), mode="r")
    assert group["siemens_p"].shape == (3, *SHAPE) and group["siemens_p"].chunks == (1, *SHAPE)
    np.testing.assert_array_equal(group["siemens_p"][1], classified((-3, 0), 20).siemens["P"])
    assert np.isnan(group["siemens_p"][2]).all() and (group["codes"][2] == 255).all()
    told = group.attrs["dies"]
    assert [each["die"] for each in told] == [[0, -1], [-3, 0], [1, 0]]
    assert told[0]["origin"] == SIMULATED and told[2]["maps"] == {"as_found": "f" * 64}


def test_zarr_without_its_library_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(ExportFailed, match=r"pip install 'mtj-hil\[export\]'"):
        write_export(wafer(), "zarr", tmp_path / "w1.zarr")
    assert list(tmp_path.iterdir()) == []


def stdf_records(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Name and fields of every record, by another's reader."""
    # Its get_value gives the length of an array instead of the array.
    return [(each.id, {name: field["Value"] for name, field in each.fields.items()}) for each in records_from_file(str(path))]


def test_stdf_is_read_back_by_another_library(tmp_path: Path) -> None:
    records = stdf_records(written(tmp_path, "stdf"))
    names = [name for name, _ in records]
    assert names[:4] == ["FAR", "MIR", "WCR", "WIR"] and names[-1] == "MRR"
    assert names.count("PIR") == names.count("PRR") == 3
    assert dict(records)["WIR"]["WAFER_ID"] == "W1"
    parts = [fields for name, fields in records if name == "PRR"]
    assert [(part["X_COORD"], part["Y_COORD"], part["SOFT_BIN"]) for part in parts] == [(0, -1, 3), (-3, 0, 3), (1, 0, 5)]
    arrays = {fields["TEST_NUM"]: fields for name, fields in records if name == "MPR"}
    die = classified((-3, 0), 20)
    np.testing.assert_array_equal(np.float32(arrays[2001]["RTN_RSLT"]), die.siemens["AP"][1].ravel())
    assert np.isnan(arrays[1001]["RTN_RSLT"][-1]) and arrays[1000]["UNITS"] == "S"
    assert arrays[4000]["RTN_RSLT"][:2] == [1.0, 0.0]
    shares = [fields["RESULT"] for name, fields in records if name == "PTR" and fields["TEST_NUM"] == 1]
    assert shares == pytest.approx([21 / 23, 21 / 23])
    notes = [fields["TEXT_DAT"] for name, fields in records if name == "DTR"]
    assert f"die 0,-1 origin: {SIMULATED}" in notes and f"die -3,0 map defects: {22:064x}" in notes
    assert {fields["SBIN_NUM"]: fields["SBIN_CNT"] for name, fields in records if name == "SBR"} == {1: 0, 2: 0, 3: 2, 4: 0, 5: 1}


@pytest.mark.parametrize("kind", ["e142", "g85"])
def test_wafer_maps_put_each_die_where_their_own_frame_has_it(tmp_path: Path, kind: str) -> None:
    root = ElementTree.parse(written(tmp_path, kind)).getroot()
    space = {"m": E142_NAMESPACE}
    if kind == "e142":
        rows = [each.text or "" for each in root.findall(".//m:BinCode", space)]
        told = root.find(".//m:SubstrateMap", space)
        assert told is not None
        frame = E142Map.around(DIES, float(told.attrib["Orientation"]), told.attrib["OriginLocation"], told.attrib["AxisDirection"]).frame  # type: ignore[arg-type]
        said = {each.attrib["Type"]: each.attrib["Value"] for each in root.findall(".//m:AliasId", space)}
        home = root.find(".//m:Coordinates", space)
        assert home is not None and (int(home.attrib["X"]), int(home.attrib["Y"])) == frame.index_of((0, 0))
    else:
        rows = [each.text or "" for each in root.findall(".//Row")]
        told = root.find("Device")
        assert told is not None and (told.attrib["Rows"], told.attrib["Columns"]) == ("2", "5")
        frame = G85Map.around(DIES, float(told.attrib["Orientation"]), int(told.attrib["OriginLocation"])).frame
        supplier = root.find(".//SupplierData")
        assert supplier is not None
        said = {"origin": supplier.attrib["Origin"], **{each.attrib["Name"]: each.attrib["Value"] for each in supplier}}
    codes = {(column, row): int(line[2 * column : 2 * column + 2], 16) for row, line in enumerate(rows) for column in range(len(line) // 2)}
    found = {frame.die_at(place): code for place, code in codes.items() if code != 255}
    assert found == {(0, -1): 3, (-3, 0): 3, (0, 0): 0, (1, 0): 5}
    assert said["origin"] == f"imported | {SIMULATED}" and said["map AP of die -3,0"] == f"{21:064x}"


@pytest.mark.parametrize("kind", FORMATS)
def test_dies_are_pulled_one_after_another_and_only_once(tmp_path: Path, kind: str) -> None:
    pulled: list[tuple[int, int]] = []
    written(tmp_path, kind, wafer(pulled))
    assert pulled == [(0, -1), (-3, 0), (1, 0)]


@pytest.mark.parametrize("kind", FORMATS)
def test_an_export_that_breaks_off_leaves_nothing_and_an_earlier_one_alone(tmp_path: Path, kind: str) -> None:
    def broken() -> Iterator[ExportedDie]:
        yield classified((0, -1), 10)
        raise OSError("the line went dead")

    path = tmp_path / f"w1.{kind}"
    if kind != "zarr":
        path.write_text("earlier")
    with pytest.raises(OSError, match="went dead"):
        write_export(replace(wafer(), pull=broken), kind, path)
    assert [each.name for each in tmp_path.iterdir()] == ([] if kind == "zarr" else [path.name])
    assert kind == "zarr" or path.read_text() == "earlier"


def test_a_folder_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "w1.zarr").mkdir()
    with pytest.raises(ExportFailed, match="exists; remove it or choose another"):
        write_export(wafer(), "zarr", tmp_path / "w1.zarr")


def test_a_wafer_without_a_map_is_no_export(tmp_path: Path) -> None:
    with pytest.raises(ExportFailed, match="no measured die"):
        write_export(replace(wafer(), measured=0), "csv", tmp_path / "w1.csv")


def test_the_bin_of_a_die_is_its_share_of_good_junctions() -> None:
    die = classified((0, 0), 1)
    assert die.good_fraction == pytest.approx(21 / 23), "what was not measured counts neither way"
    assert [bin_of(replace(die, codes=np.full(SHAPE, code, np.uint8))).code for code in (0, 1)] == [1, 4]
    assert bin_of(as_found((0, 0))).code == 5


def test_what_was_exported_as_csv_can_be_brought_back(tmp_path: Path) -> None:
    found = read_maps(written(tmp_path, "csv"), (-3, 0))
    die = classified((-3, 0), 20)
    kernels, rows, columns = SHAPE
    for state in ("P", "AP"):
        np.testing.assert_array_equal(found.maps[state][:kernels, :rows, :columns].astype(np.float32), die.siemens[state])
    assert found.declared_origin == SIMULATED and set(found.maps) == {"P", "AP"}
    assert json.dumps(found.declared_origin)
