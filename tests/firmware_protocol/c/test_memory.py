"""The page for the firmware engineer says what the firmware needs."""

import ctypes
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.c_end import FOLDER, compiler

PAGE = FOLDER.parents[1] / "docs" / "firmware.md"
ROWS = re.findall(r"^\| (\d+) \| (\d+) \| (on|off) \| ([\d,]+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="the page's figures are for pointers of 8 bytes")
@pytest.mark.parametrize(("window", "kernels", "wear", "ram"), ROWS, ids=[" ".join(row[:3]) for row in ROWS])
def test_the_memory_on_the_page_is_what_the_compiler_says(tmp_path: Path, window: str, kernels: str, wear: str, ram: str) -> None:
    source, binary = tmp_path / "size.c", tmp_path / "size"
    source.write_text('#include <stdio.h>\n#include "hil_device.h"\nint main(void) { printf("%zu", sizeof(hil_device)); return 0; }\n')
    sizes = [f"-DHIL_WINDOW={window}", f"-DHIL_MAX_KERNELS={kernels}", f"-DHIL_WEAR_COUNTERS={int(wear == 'on')}"]
    subprocess.run([compiler(), "-std=c99", *sizes, f"-I{FOLDER}", str(source), "-o", str(binary)], check=True, timeout=60)
    assert subprocess.run([str(binary)], capture_output=True, text=True, timeout=10, check=True).stdout == ram.replace(",", "")


def test_the_page_has_figures_for_several_settings() -> None:
    assert len(ROWS) >= 5
