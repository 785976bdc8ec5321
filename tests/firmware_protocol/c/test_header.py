"""The committed C files are what the protocol gives today, and every accessor of theirs reads and writes the field it names."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_protocol import c_header, dictionary, messages
from firmware_protocol.messages import EVENTS, REQUESTS, Message
from firmware_protocol.rules import RULES
from firmware_protocol.schema import Field, fields_of
from tests.support.c_end import FOLDER, STRICT, compiler

MESSAGES: list[type[Message]] = [*REQUESTS, *(request.response for request in REQUESTS), *EVENTS, messages.Refusal]
EDGES = {
    1: (0, 1, 0x7F, 0x80, 0xFF),
    2: (0, 1, 0x7FFF, 0x8000, 0xFFFF),
    4: (0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF),
    8: (0, 2**63 - 1, 2**63, 2**64 - 1),
}


def blob_of(header: str) -> bytes:
    """The bytes in a dictionary's header."""
    return bytes(int(word, 16) for word in re.findall(r"0x[0-9a-f]{2}", header))


def test_the_committed_header_is_what_the_messages_give() -> None:
    assert (FOLDER / "hil_protocol.h").read_text(encoding="utf-8") == c_header.header_text(), "run python -m firmware_protocol.c_header"


def test_the_committed_dictionary_is_that_of_the_reference_board() -> None:
    text = (FOLDER / "hil_dictionary.h").read_text(encoding="utf-8")
    blob = blob_of(text)
    # Read, not compared byte by byte: another zlib packs the same text differently.
    assert dictionary.decode(blob) == dictionary.decode(dictionary.encode(c_header.REFERENCE))
    assert dictionary.decode(blob).origin == dictionary.Origin(simulated=True, seed=None)
    assert f"HIL_DICTIONARY_SIZE {len(blob)}u" in text


@pytest.mark.parametrize("name", ["board.h", "board.bin"])
def test_a_real_boards_dictionary_says_that_it_is_no_simulation(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    words = [
        "--dictionary",
        str(target),
        "--vendor",
        "Lab",
        "--model",
        "B",
        "--serial",
        "7",
        "--firmware",
        "2",
        "--kernels",
        "8",
        "--rows",
        "4",
    ]
    subprocess.run([sys.executable, "-m", "firmware_protocol.c_header", *words], check=True, timeout=60, cwd=FOLDER.parents[1])
    described = dictionary.decode(blob_of(target.read_text()) if name.endswith(".h") else target.read_bytes())
    assert (described.vendor, described.serial, described.geometry.shape) == ("Lab", "7", (8, 4, 25))
    assert described.origin == dictionary.Origin(simulated=False, seed=None)
    assert dictionary.unknown_to(described) == frozenset()


def _checks(message: type[Message], field: Field) -> list[str]:
    """C statements that end the program with an error unless the accessors of a field agree with the layout, byte by byte."""
    if field.c_type.endswith("]"):
        return []
    name, end = f"{c_header.snake(message.__name__)}_{field.name}", field.offset + field.width
    found: list[str] = []
    for value in EDGES[field.width]:
        literal = f"({field.c_type}){_literal(value, 8 * field.width, field.c_type.startswith('int'))}"
        untouched = " || ".join(f"m[{at}] != 0xA5" for at in (field.offset - 1, end) if at >= 0)
        found.append(
            f"{{ const uint8_t e[] = {{{', '.join(map(str, value.to_bytes(field.width, 'little')))}}};\n"
            f"  memset(m, 0xA5, sizeof m); hil_put_{name}(m, {literal});\n"
            f"  if (hil_{name}(m) != {literal} || memcmp(m + {field.offset}, e, {field.width}) != 0 || {untouched}) return 1; }}"
        )
    return found


def _literal(bits: int, width: int, signed: bool) -> str:
    """A number of C that has these bits."""
    if not signed:
        return f"{bits}ULL"
    value = bits - (1 << width) if bits >> width - 1 else bits
    return f"(-{-value - 1}LL - 1)" if value < 0 else f"{value}LL"


def test_every_accessor_reads_and_writes_exactly_its_field(tmp_path: Path) -> None:
    checks = [check for message in dict.fromkeys(MESSAGES) for field in fields_of(message) for check in _checks(message, field)]
    assert len(checks) > 400
    program = (
        '#include <string.h>\n#include "hil_protocol.h"\nint main(void)\n{\nstatic uint8_t m[128];\n'
        + "\n".join(checks)
        + "\nreturn 0;\n}\n"
    )
    (tmp_path / "accessors.c").write_text(program)
    binary = tmp_path / "accessors"
    command = [compiler(), *STRICT, "-O0", f"-I{FOLDER}", str(tmp_path / "accessors.c"), "-o", str(binary)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 0, made.stderr
    assert subprocess.run([str(binary)], timeout=10, check=False).returncode == 0


def test_every_rule_stands_in_the_table() -> None:
    lines = {line.split(",")[0].strip(" {"): line for line in c_header.header_text().splitlines() if line.startswith("    {HIL_OP_")}
    assert lines.keys() == {f"HIL_OP_{request.opcode.name}" for request in REQUESTS}
    for opcode, rule in RULES.items():
        numbers = [int(word.strip(" }\\"), 0) for word in lines[f"HIL_OP_{messages_name(opcode)}"].split(",")[1:9] if word.strip(" }\\")]
        legal = sum(1 << state for state in rule.legal_in)
        assert numbers[:5] == [rule.ordered, rule.any_session, rule.while_running, legal, rule.needs]


def messages_name(opcode: int) -> str:
    return next(request.opcode.name for request in REQUESTS if request.opcode == opcode)
