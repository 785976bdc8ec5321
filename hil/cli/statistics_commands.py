"""Commands about what the maps say together: statistics of a wafer, changes of a die."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from hil.cli.options import AT, AsJson, Token, Url, connect
from hil.cli.output import aligned, emit

SURELY = 0.001
"""Spatial tests with a smaller p value are shown: some thirty are made of each wafer."""


def statistics(
    wafer: Annotated[str, typer.Argument(metavar="WAFER", show_default=False)],
    as_json: AsJson = False,
    url: Url = AT,
    token: Token = None,
) -> None:
    """Rates of defects with 95 % intervals, faults of whole lines, spread by cause, what depends on place."""
    with connect(url, token) as lab:
        found = lab.statistics(wafer)
    parts = [_rates(found), _lines(found), _spread(found), _places(found)]
    head = f"{wafer}: {found['dies']} dies, {found['junctions']} junctions, rule {', '.join(found['rules'])}, {found['origin']}"
    emit(as_json, found, "\n\n".join([head, *(part for part in parts if part)]))


def changes(
    wafer: Annotated[str, typer.Argument(metavar="WAFER", show_default=False)],
    x: Annotated[int, typer.Argument(metavar="X", help="Column of the die; negative ones as they are.", show_default=False)],
    y: Annotated[int, typer.Argument(metavar="Y", help="Row of the die.", show_default=False)],
    from_run: Annotated[str | None, typer.Option("--from", help="A run; without it, the one before.", show_default=False)] = None,
    to_run: Annotated[str | None, typer.Option("--to", help="A run; without it, the newest.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(help="So many changes are listed, the surest first.")] = 20,
    as_json: AsJson = False,
    url: Url = AT,
    token: Token = None,
) -> None:
    """What changed on a die between two runs beyond noise."""
    with connect(url, token) as lab:
        found = lab.changes(wafer, x, y, (from_run, to_run), limit)
    lines = [
        f"{wafer} ({x}, {y}) from {found['from']} to {found['to']}: {found['changed']} of {found['tested']} junctions changed, "
        f"at most {found['expected_false']:.1f} of them by chance; {found['within_noise']} more differ in class alone, within noise",
        *(_shift(state, shift) for state, shift in found["shift"].items()),
        *(f"{name}: {count}" for name, count in found["class_changes"].items()),
    ]
    rows = [["junction", "class", "G_P uS", "G_AP uS", "q"], *(_change(each) for each in found["changes"])]
    emit(as_json, found, "\n".join([*lines, *([aligned(rows)] if found["changes"] else [])]))


def _rates(found: Mapping[str, Any]) -> str:
    rows = [["defect", "junctions", "rate", "95 %", "isolated", "95 %", "dies differ by"]]
    for name, rate in found["rates"].items():
        alone = found["isolated"][name]
        cv = alone["cv"]
        differ = "" if cv["value"] is None else f"{cv['value']:.0%} ({cv['low']:.0%} to {cv['high']:.0%})"
        cells = [name, str(rate["count"]), f"{rate['rate']:.3%}", _range(rate), f"{alone['rate']:.3%}", _range(alone), differ]
        rows.append(cells)
    return aligned(rows)


def _range(rate: Mapping[str, Any]) -> str:
    return f"{rate['low']:.3%} to {rate['high']:.3%}"


def _lines(found: Mapping[str, Any]) -> str:
    rows = [["line fault", "found", "per die", "95 %", "share bad", "cells"]]
    for name, line in found["lines"].items():
        lengths = f"{min(line['lengths'])} to {max(line['lengths'])} of {line['cells']}" if line["lengths"] else ""
        share = "" if line["share"] is None else f"{line['share']:.0%}"
        rows.append([name, str(line["count"]), f"{line['per_die']:.3g}", f"{line['low']:.3g} to {line['high']:.3g}", share, lengths])
    return aligned(rows)


def _spread(found: Mapping[str, Any]) -> str:
    rows = [["good junctions", "mean", "within a die", "between lines", "between dies", "gradient per die"]]
    for name, each in found["spread"].items():
        if each["mean"]["value"] is None:
            continue
        mean = f"{each['mean']['value']:.3f}" if name == "tmr" else f"{each['mean']['value'] * 1e6:.1f} uS"
        line = "" if each["line"] is None else f"{each['line']:.2%}"
        rows.append([name, mean, _estimate(each["within"]), line, _estimate(each["die"]), _gradient(each["gradient"])])
    return aligned(rows) if len(rows) > 1 else ""


def _estimate(told: Mapping[str, Any]) -> str:
    if told["value"] is None:
        return ""
    interval = "" if told["low"] is None else f" ({told['low']:.2%} to {told['high']:.2%})"
    return f"{told['value']:.2%}{interval}"


def _gradient(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return ""
    towards = f", towards {told['degrees']:.0f} +- {told['degrees_half_width']:.0f} deg" if told["degrees_half_width"] < 180 else ""
    return f"{_estimate(told['per_die'])}{towards}, p {told['p_value']:.2g}"


def _places(found: Mapping[str, Any]) -> str:
    """Spatial tests that leave little doubt."""
    sure = [test for test in found["spatial"] if test["p_value"] < SURELY]
    tested = f"depends on place: {len(sure)} of {len(found['spatial'])} tests with p below {SURELY:g}"
    if not sure:
        return tested
    rows = [["of", "by", "method", "statistic", "p", "most at"], *(_test(test) for test in sure)]
    return f"{tested}\n{aligned(rows)}"


def _test(test: Mapping[str, Any]) -> list[str]:
    most = "" if test["worst"] is None else f"{test['worst'][0]:.0f}: {test['worst'][1]:.3g}, expected {test['worst'][2]:.3g}"
    return [test["of"], test["axis"], test["method"], f"{test['statistic']:.3g}", f"{test['p_value']:.2g}", most]


def _shift(state: str, shift: Mapping[str, Any]) -> str:
    ratio = shift["ratio"]
    if ratio["value"] is None:
        return f"{state}: too few good junctions to tell a shift of the die"
    return f"{state}: the whole die {ratio['value'] - 1:+.3%} ({ratio['low'] - 1:+.3%} to {ratio['high'] - 1:+.3%})"


def _change(each: Mapping[str, Any]) -> list[str]:
    kind = each["from_class"] if each["from_class"] == each["to_class"] else f"{each['from_class']} to {each['to_class']}"
    pairs = [f"{_micro(before)} to {_micro(after)}" for before, after in zip(each["from_siemens"], each["to_siemens"], strict=True)]
    return [",".join(str(index) for index in each["junction"]), kind, *pairs, f"{each['q_value']:.1g}"]


def _micro(siemens: float | None) -> str:
    return "-" if siemens is None else f"{siemens * 1e6:.1f}"
