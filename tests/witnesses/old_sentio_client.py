"""Walks a simulated wafer with whatever version of the vendor's client is first on PYTHONPATH; prints what it saw as JSON.

Usage: PYTHONPATH=FOLDER_OF_THE_CLIENT python old_sentio_client.py PORT
"""

import contextlib
import io
import json
import sys

with contextlib.redirect_stdout(io.StringIO()):  # it prints a banner on import
    import sentio_prober_control
    from sentio_prober_control.Communication.CommunicatorTcpIp import CommunicatorTcpIp
    from sentio_prober_control.Sentio.Enumerations import (
        AxisOrient,
        ChuckSite,
        ColorScheme,
        LoadPosition,
        RoutingPriority,
        RoutingStartPoint,
        SteppingContactMode,
    )
    from sentio_prober_control.Sentio.Enumerations import (
        TestSelection as Selection,
    )
    from sentio_prober_control.Sentio.ProberBase import ProberException
    from sentio_prober_control.Sentio.ProberSentio import SentioProber


def walk(prober: SentioProber) -> dict[str, object]:
    """Every die once, touched, until the last one says that it is; then the error that comes after it."""
    prober.set_stepping_contact_mode(SteppingContactMode.LockContact)
    dies, heights = [prober.map.step_first_die()], set()
    while True:
        heights.add(prober.move_chuck_contact())
        prober.move_chuck_separation()
        if prober.map.end_of_route():
            break
        dies.append(prober.map.step_next_die())
    return {"dies": dies, "heights": sorted(heights), "after": error_of(prober.map.step_next_die)}


def error_of(call) -> int:
    try:
        call()
    except ProberException as error:
        return error.error()
    return 0


def own_map(prober: SentioProber) -> int:
    """The vendor's example of stepping, in its order of calls: a map of one's own, stepped with bins to the end of the route."""
    prober.map.create(200)
    prober.map.set_flat_params(90, 50000)
    prober.map.set_grid_params(15000, 15000, 0, 0, 1000)
    prober.map.set_street_size(0, 0)
    prober.map.set_grid_origin(0, 0)
    prober.map.set_home_die(1, 1)
    prober.map.set_axis_orient(AxisOrient.UpRight)
    prober.map.set_color_scheme(ColorScheme.ColorFromBin)
    prober.map.bins.load("C:\\ProgramData\\MPI Corporation\\Sentio\\config\\defaults\\default_bins.xbt")
    prober.map.bins.clear_all()
    prober.map.path.select_dies(Selection.All)
    prober.map.path.set_routing(RoutingStartPoint.UpperRight, RoutingPriority.ColBiDir)
    prober.map.step_first_die()
    steps = 1
    while not error_of(lambda: prober.map.bin_step_next_die(0)):
        steps += 1
    return steps


def main() -> None:
    prober = SentioProber(CommunicatorTcpIp.create(f"127.0.0.1:{sys.argv[1]}"))
    seen: dict[str, object] = {"client": sentio_prober_control.__path__[0], "status": prober.get_chuck_site_status(ChuckSite.Wafer)}
    seen |= walk(prober)
    prober.set_stepping_contact_mode(SteppingContactMode.BackToContact)
    seen["codes"] = [
        error_of(call)
        for call in (
            lambda: prober.map.step_die(99, 99),
            lambda: prober.send_cmd("frobnicate 1"),
            lambda: prober.set_chuck_site_height(ChuckSite.Wafer, 16000, 250, 5000, 50),
            lambda: prober.move_chuck_load(LoadPosition.Front),
            lambda: prober.move_chuck_load(LoadPosition.Center),
            lambda: prober.status.set_chuck_temp(40),
        )
    ]
    seen["temperature"] = prober.status.get_chuck_temp()
    seen["own_map"] = own_map(prober)
    prober.local_mode()
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
