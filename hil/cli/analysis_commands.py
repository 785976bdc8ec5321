"""`hil analyse`: what the counts of a switching run, or the readings of a retention run, say of the junctions."""

from typing import Annotated, Any

import typer

from hil.cli.options import AT, AsJson, Token, Url, connect
from hil.cli.output import aligned, emit
from hil.cli.run_commands import RunId

_NAMES = {"ap_to_p": "AP to P", "p_to_ap": "P to AP"}


def analyse(
    run: RunId,
    access_ohms: Annotated[
        float | None, typer.Option(help="Transistor and lines in series with each junction, Ohm [default: 1000].", show_default=False)
    ] = None,
    attempt_s: Annotated[float | None, typer.Option(help="Attempt time tau0, s [default: 1e-9].", show_default=False)] = None,
    junctions: Annotated[bool, typer.Option("--junctions", help="With --json: each junction too.")] = False,
    as_json: AsJson = False,
    url: Url = AT,
    token: Token = None,
) -> None:
    """Critical voltage and thermal stability of a switching run, thermal stability of a retention run, with 95 % intervals."""
    with connect(url, token) as lab:
        found = lab.analysis(run, access_ohms=access_ohms, attempt_s=attempt_s, junctions="true" if junctions else None)
    emit(as_json, found, _switching_text(found) if found["kind"] == "switching" else _retention_text(found))


def _switching_text(found: dict[str, Any]) -> str:
    head = f"exponent {found['exponent']} is the likelier one, odds {_odds(found['log10_odds'])} to 1"
    rows = [["", "exponent", "V_c0 (V)", "spread", "Delta", "spread", "junctions", "trials"]]
    notes: list[str] = []
    for name, polarity in found["polarities"].items():
        counts = [str(polarity["junctions"]), str(polarity["trials"])]
        for exponent, fit in polarity["fits"].items():
            means = [_interval(fit["critical_volts"]), f"{fit['critical_spread']:.1%}", _interval(fit["stability"])]
            rows.append([_NAMES[name], exponent, *means, f"{fit['stability_spread']:.1%}", *counts])
        if polarity["why_no_fit"]:
            notes.append(f"{_NAMES[name]}: {polarity['why_no_fit']}")
        notes += [f"{_NAMES[name]}: left out {number} {reason}" for reason, number in polarity["left_out"].items() if number]
        if polarity["access_shift"] is not None:
            notes.append(f"{_NAMES[name]}: were access_ohms a tenth larger, V_c0 would be {polarity['access_shift']:+.1%}")
    return "\n".join([head, aligned(rows), *notes, _assumed(found)])


def _retention_text(found: dict[str, Any]) -> str:
    changes, stability = found["changes"], found["stability"]
    seen = f"{found['junctions']} junctions over {found['seconds']:g} s: {changes['p_to_ap']} changed to AP, {changes['ap_to_p']} to P"
    if stability["mean"] is None:
        told = "nothing to bound Delta with" if stability["low"] is None else f"Delta above {stability['low']:.2f} (95 %)"
    else:
        told = f"Delta {_interval(stability)}, spread {found['spread']:.1%}; were all alike: {_interval(found['effective'])}"
        if found["extrapolated_sigmas"]:
            beyond = f"{found['extrapolated_sigmas']:.1f} spreads beyond what these readings resolve"
            told += f"\nthe mean lies {beyond}: it rests on Delta being normal over the array"
    left_out = [f"left out {number} junctions: {reason}" for reason, number in found["left_out"].items() if number]
    return "\n".join([seen, told, *left_out, _assumed(found)])


def _assumed(found: dict[str, Any]) -> str:
    return "assumed: " + ", ".join(f"{name} {value}" for name, value in found["assumptions"].items()) + f"; {found['origin']}"


def _interval(told: dict[str, float | None]) -> str:
    low, high = ("open" if end is None else f"{end:.4g}" for end in (told["low"], told["high"]))
    return f"{told['mean']:.4g} ({low} to {high})"


def _odds(log10_odds: float) -> str:
    return f"{10**log10_odds:.3g}" if log10_odds < 4 else f"10^{log10_odds:.0f}"
