"""The report says what it was given, and needs nothing else to be read."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from hil.report.report import ReportData, defect_rows, error_rows, example_die, write_report
from hil.report.wafer import Panel, wafer_png

PNG = b"\x89PNG\r\n\x1a\n"


class Reader(HTMLParser):
    """Words of a page, and everything it would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self._hidden = False
        self.words: list[str] = []
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.feed(page)

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._hidden = tag == "style"
        self.loads += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " | ".join(self.words)


@pytest.fixture(scope="module")
def index(data: ReportData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(tmp_path_factory.mktemp("report") / "new" / "folder", data)


@pytest.fixture(scope="module")
def page(index: Path) -> Reader:
    return Reader(index.read_text(encoding="utf-8"))


def test_the_table_states_the_errors_it_was_given(data: ReportData) -> None:
    assert error_rows(data) == [
        ["software (ideal devices)", "4.25", "–", "–", "–", "12.3"],
        ["conventional", "12.00", "3.00", "15.00", "+7.75", "0.5"],
        ["statistics-aware", "6.25", "1.39", "7.75", "+2.00", "–"],
    ]


def test_the_page_shows_the_numbers_and_where_they_come_from(page: Reader) -> None:
    for words in ("4.25", "12.00", "15.00", "+7.75", "6.25", "+2.00", "12,345", "12,346", "frames", "run-77", "abc123", '"etag-p"'):
        assert words in page.text, words


def test_simulated_results_say_so_at_the_top(page: Reader, data: ReportData, tmp_path: Path) -> None:
    assert "SIMULATED instruments and wafer, seed 20261122" in page.text
    real = write_report(tmp_path / "real", replace(data, simulated=False, seed=None)).read_text(encoding="utf-8")
    assert "MEASURED on real instruments" in real
    assert "simulated" not in Reader(real).text.lower()


def test_maps_from_elsewhere_are_never_called_measured(data: ReportData, tmp_path: Path) -> None:
    imported = replace(data, simulated=False, seed=None, imported=True)
    text = write_report(tmp_path / "imported", imported).read_text(encoding="utf-8")
    assert "IMPORTED maps" in text and "MEASURED" not in text
    assert "of wafer W&lt;1&gt;, imported" in text
    both = replace(data, imported=True)
    assert both.kind == "simulated" and "no real device was measured" in both.origin


def test_every_text_is_escaped(page: Reader) -> None:
    assert "Wafer W<1>" in page.text
    assert "die (9, 9) left out: <no contact>" in page.text
    assert "no" not in page.tags
    assert "script" not in page.tags


def test_the_page_loads_nothing_from_elsewhere(page: Reader) -> None:
    assert len(page.loads) == 8
    assert all(source.startswith("data:image/png;base64,") for source in page.loads)


def test_the_plots_also_lie_beside_the_page(page: Reader, index: Path) -> None:
    files = sorted(index.parent.glob("*.png"))
    assert len(files) == len(page.loads)
    assert all(file.read_bytes().startswith(PNG) for file in files)


def test_the_defect_table_counts_what_is_on_the_wafer(data: ReportData) -> None:
    rows = {str(row[0]): row[1:] for row in defect_rows(data)}
    assert set(rows) == {"good", "short", "open", "stuck AP"}
    assert rows["short"] == ["5", "1.7", "0", "5"]
    assert rows["open"] == ["9", "3.0", "0", "9"]


def test_the_example_is_the_die_with_the_median_number_of_defects(data: ReportData) -> None:
    assert example_die(data) == 0


def test_a_report_without_wires_maps_or_curves_says_so(data: ReportData, tmp_path: Path) -> None:
    bare = replace(data, wires={}, maps=(), curves={}, run={}, notes=())
    text = Reader(write_report(tmp_path, bare).read_text(encoding="utf-8")).text
    assert "No wire counts were given." in text
    assert "No map metadata was given." in text


def test_errors_for_another_number_of_dies_are_refused(data: ReportData) -> None:
    with pytest.raises(ValueError, match="conventional has 2 entries for 3 dies"):
        replace(data, errors_percent={"conventional": np.array([1.0, 2.0])})


def test_a_wafer_map_takes_dies_without_a_value_and_a_wafer_without_any() -> None:
    dies = ((0, 0), (1, 0), (0, 1))
    some = wafer_png(dies, [Panel("a", np.array([1.0, np.nan, 3.0])), Panel("b", np.array([2.0, 2.0, 2.0]))], "some")
    none = wafer_png(dies, [Panel("a", np.full(3, np.nan))], "none")
    assert some.startswith(PNG)
    assert none.startswith(PNG)
