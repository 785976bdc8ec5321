"""Wafer maps as XML, one bin code a die: SEMI E142 (substrate map) and G85 (map data format). Bins: `hil.report.exports.BINS`.

Both are drawn notch down with the origin in the upper left, columns to the right and rows downward, so that the first row of the file is
the topmost and row 0. Assumptions, as no schema is at hand: E142's AliasIds, and G85's SupplierData, may carry origin and map ids; no bin
has a quality, because nothing here passes or fails a die.
"""

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from hil.model.frames import DieFrame, E142Map, G85Map
from hil.model.lab import DieIndex
from hil.report.exports import BINS, NOT_CLASSIFIED, Exported, bin_of

E142_NAMESPACE = "urn:semi-org:xsd.E142-1.V1005.SubstrateMap"
NOT_MEASURED, NO_DIE = 0, 255
_UPPER_LEFT = 2
_Element = ElementTree.Element


class _Wafer:
    """What both formats tell. grid: bin codes, rows of columns."""

    def __init__(self, exported: Exported, frame: DieFrame) -> None:
        columns, rows = frame.highest[0] + 1, frame.highest[1] + 1
        self.grid = [[NO_DIE] * columns for _ in range(rows)]
        self.exported, self.frame = exported, frame
        self.aliases: list[tuple[str, str]] = []
        for die in exported.dies:
            self._put(die, NOT_MEASURED)
        origins: set[str] = set()
        for each in exported.pull():
            self._put(each.die, bin_of(each).code)
            origins.add(each.origin)
            x, y = each.die
            self.aliases += [(f"map {name} of die {x},{y}", map_id) for name, map_id in each.map_ids.items()]
        self.origin = " | ".join(sorted(origins))

    def _put(self, die: DieIndex, code: int) -> None:
        column, row = self.frame.index_of(die)
        self.grid[row][column] = code

    def bins(self) -> list[tuple[int, str, int]]:
        """(code, description, dies)."""
        counts = Counter(code for row in self.grid for code in row)
        told = [(each.code, each.name) for each in (*BINS, NOT_CLASSIFIED)]
        return [(code, name, counts[code]) for code, name in [(NOT_MEASURED, "not measured"), *told]]

    @property
    def home(self) -> tuple[int, int]:
        """(column, row) of the home die, or of the first one on a wafer without it."""
        return self.frame.index_of((0, 0) if (0, 0) in self.exported.dies else self.exported.dies[0])


def write_e142(exported: Exported, path: Path) -> None:
    frame = E142Map.around(exported.dies, origin="UpperLeft", axes="DownRight").frame
    wafer = _Wafer(exported, frame)
    root = ElementTree.Element("MapData", xmlns=E142_NAMESPACE)
    layouts = _add(root, "Layouts")
    top = _add(layouts, "Layout", LayoutId="WaferLayout", DefaultUnits="micron", TopLevel="true")
    _add(top, "Dimension", X="1", Y="1")
    _add(_add(top, "ChildLayouts"), "ChildLayout", LayoutId="Dies")
    dies = _add(layouts, "Layout", LayoutId="Dies", DefaultUnits="micron")
    _add(dies, "Dimension", X=str(frame.highest[0] + 1), Y=str(frame.highest[1] + 1))
    substrate = _add(_add(root, "Substrates"), "Substrate", SubstrateType="Wafer", SubstrateId=exported.wafer)
    aliases = _add(substrate, "AliasIds")
    for kind, value in [("origin", wafer.origin), *wafer.aliases]:
        _add(aliases, "AliasId", Type=kind, Value=value)
    substrate_map = _add(
        _add(root, "SubstrateMaps"), "SubstrateMap", SubstrateType="Wafer", SubstrateId=exported.wafer, LayoutSpecifier="WaferLayout/Dies",
        SubstrateSide="TopSide", Orientation="0", OriginLocation="UpperLeft", AxisDirection="DownRight",
    )  # fmt: skip
    overlay = _add(substrate_map, "Overlay", MapName="GoodJunctions", MapVersion="1")
    reference = _add(_add(overlay, "ReferenceDevices"), "ReferenceDevice", Name="Home")
    column, row = wafer.home
    _add(reference, "Coordinates", X=str(column), Y=str(row))
    codes = _add(overlay, "BinCodeMap", BinType="HexaDecimal", NullBin=f"{NO_DIE:02X}")
    definitions = _add(codes, "BinDefinitions")
    for code, name, count in wafer.bins():
        _add(definitions, "BinDefinition", BinCode=f"{code:02X}", BinCount=str(count), BinDescription=name)
    for each in wafer.grid:
        _add(codes, "BinCode").text = "".join(f"{code:02X}" for code in each)
    _write(root, path)


def write_g85(exported: Exported, path: Path) -> None:
    frame = G85Map.around(exported.dies, origin_location=_UPPER_LEFT).frame
    wafer = _Wafer(exported, frame)
    stamp = "".join(letter for letter in exported.exported_at[:19] if letter.isdigit())
    root = ElementTree.Element("Map", SubstrateType="Wafer", SubstrateId=exported.wafer, FormatRevision="G85-0703")
    device = _add(
        root, "Device", BinType="HexaDecimal", NullBin=f"{NO_DIE:02X}", OriginLocation=str(_UPPER_LEFT), Orientation="0",
        Rows=str(frame.highest[1] + 1), Columns=str(frame.highest[0] + 1), CreateDate=stamp, LastModified=stamp, ProductId="mtj-hil",
    )  # fmt: skip
    column, row = wafer.home
    _add(device, "ReferenceDevice", ReferenceDeviceX=str(column), ReferenceDeviceY=str(row))
    for code, name, count in wafer.bins():
        _add(device, "Bin", BinCode=f"{code:02X}", BinCount=str(count), BinDescription=name)
    supplier = _add(device, "SupplierData", Origin=wafer.origin, CodeVersion=exported.code_version)
    for kind, value in wafer.aliases:
        _add(supplier, "Item", Name=kind, Value=value)
    data = _add(device, "Data", MapName="GoodJunctions", MapVersion="1")
    for each in wafer.grid:
        _add(data, "Row").text = "".join(f"{code:02X}" for code in each)
    _write(root, path)


def _add(parent: _Element, name: str, **attributes: str) -> _Element:
    return ElementTree.SubElement(parent, name, attributes)


def _write(root: _Element, path: Path) -> None:
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
