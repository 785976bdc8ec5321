"""Pictures are looked at here pixel by pixel."""

import io

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from PIL import Image

from hil.model.defects import Defect
from hil.report.maps import OVER_COLOUR, conductance_png, defects_png
from hil.report.style import DEFECT_TINTS

SHAPE = (32, 25, 25)


def pixels(png: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def places(png: bytes, colour: str) -> NDArray[np.intp]:
    """(row, column) of every pixel of a colour in the part that shows the die, not in the legend below it."""
    image = pixels(png)
    die = image[: image.shape[0] - 105]
    return np.argwhere((die == np.round(np.array(to_rgb(colour)) * 255)).all(axis=-1))


def test_a_defect_is_drawn_where_the_junction_lies_and_25_pixels_large() -> None:
    codes = np.zeros(SHAPE, np.uint8)
    codes[0, 4, 3] = Defect.SHORT
    codes[31, 24, 22] = Defect.OPEN
    png = defects_png(codes, "die")
    short, opened = (places(png, DEFECT_TINTS[defect].colour) for defect in (Defect.SHORT, Defect.OPEN))
    assert len(short) == len(opened) == 25
    good = places(png, DEFECT_TINTS[Defect.GOOD].colour)
    assert tuple(short.min(axis=0)) == (good[:, 0].min() + 4 * 5, good[:, 1].min() + 3 * 5)
    assert tuple(opened.max(axis=0)) == (good[:, 0].max(), good[:, 1].max() - 2 * 5)


def test_every_class_has_a_colour_of_its_own() -> None:
    assert set(DEFECT_TINTS) == set(Defect)
    colours = [(tint.colour, tint.check) for tint in DEFECT_TINTS.values()]
    assert len(set(colours)) == len(colours)


def test_a_code_that_does_not_exist_is_refused() -> None:
    codes = np.zeros(SHAPE, np.uint8)
    codes[3, 4, 5] = 77
    with pytest.raises(ValueError, match="defect code 77"):
        defects_png(codes, "die")


def test_what_was_not_measured_has_no_colour_of_the_scale() -> None:
    siemens = np.full(SHAPE, 335e-6, np.float32)
    siemens[9] = np.nan
    unmeasured = DEFECT_TINTS[Defect.NOT_MEASURED]
    assert unmeasured.check is not None
    whole = conductance_png(np.full(SHAPE, 335e-6, np.float32), "die")
    greys = [len(places(png, unmeasured.check)) for png in (conductance_png(siemens, "die"), whole)]
    assert greys[0] - greys[1] == (625 + 1) // 2 * 25


def test_shorts_stand_out_beyond_the_scale() -> None:
    siemens = np.full(SHAPE, 335e-6, np.float32)
    siemens[16, 10, 10] = 950e-6
    assert len(places(conductance_png(siemens, "die"), OVER_COLOUR)) == 25


def test_a_map_without_any_reading_can_still_be_drawn() -> None:
    assert pixels(conductance_png(np.full(SHAPE, np.nan, np.float32), "nothing")).size > 0


def test_a_chip_of_one_kernel_can_be_drawn() -> None:
    codes = np.zeros((1, 4, 3), np.uint8)
    codes[0, 2, 1] = Defect.STUCK_P
    assert len(places(defects_png(codes, "small"), DEFECT_TINTS[Defect.STUCK_P].colour)) > 25


def test_titles_are_text_and_not_formulas() -> None:
    assert pixels(defects_png(np.zeros(SHAPE, np.uint8), r"wafer $\undefined{ <b> 100 %")).size > 0


def test_the_same_map_gives_the_same_bytes() -> None:
    codes = np.zeros(SHAPE, np.uint8)
    assert defects_png(codes, "die") == defects_png(codes, "die")
