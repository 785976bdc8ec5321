"""`hil calibrations`: how each board stands against the SMU. Making one is a run: `hil measure WAFER --dies 0,0 --plan calibrate`."""

from typing import Annotated, Any

import typer

from hil.cli.options import AT, AsJson, Token, Url, connect
from hil.cli.output import aligned, emit

HOW = "no calibrations yet; `hil measure WAFER --dies 0,0 --plan calibrate` makes one"


def calibrations(
    calibration: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One of them, with every line of its board.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The newest so many.")] = 20,
    as_json: AsJson = False,
    url: Url = AT,
    token: Token = None,
) -> None:
    """Calibrations of boards, newest first; or one of them."""
    with connect(url, token) as lab:
        if calibration is not None:
            found = lab.calibration(calibration)
            emit(as_json, found, _lines_of(found))
            return
        listed = lab.calibrations(limit)
    head = ["calibration", "board", "version", "made", "expires", "junctions", "residual", "ratio"]
    emit(as_json, listed, aligned([head, *map(_cells, listed)]) if listed else HOW)


def _cells(each: dict[str, Any]) -> list[str]:
    expires = each["expires_at"] if each["valid"] else f"{each['expires_at']} (expired)"
    residual, ratio = each["fit"]["residual_amps"], each["fit"]["ratio"]
    board = each["board"]["serial"]
    return [
        each["id"][:12],
        board,
        str(each["version"]),
        each["made_at"],
        expires,
        str(each["junctions"]),
        f"{residual:.2g} A",
        f"{ratio:.2f}",
    ]


def _lines_of(found: dict[str, Any]) -> str:
    """Every line, its errors and their standard uncertainties."""
    sense = [
        [
            f"column {place}",
            _percent(line, "gain"),
            f"{1e9 * line['offset_amps']:+.0f} nA ({1e9 * line['offset_amps_uncertainty']:.0f})",
            f"{1e9 * line['bow_amps']:+.0f} nA ({1e9 * line['bow_amps_uncertainty']:.0f})",
        ]
        for place, line in enumerate(found["sense_lines"])
    ]
    drive = [
        [
            f"row {place}",
            _percent(line, "gain"),
            f"{1e3 * line['offset_volts']:+.2f} mV ({1e3 * line['offset_volts_uncertainty']:.2f})",
            "",
        ]
        for place, line in enumerate(found["drive_lines"])
    ]
    state = "valid" if found["valid"] else "expired"
    said = f"calibration {found['id']} of board {found['board']['serial']}, {state}, made {found['made_at']}"
    return f"{said}\n{aligned([['line', 'gain', 'offset', 'bow at full scale'], *sense, *drive])}"


def _percent(line: dict[str, Any], name: str) -> str:
    return f"{100 * line[name]:+.2f} % ({100 * line[f'{name}_uncertainty']:.2f})"
