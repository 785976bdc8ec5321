"""I: how fast it answers. Information, no verdict: what is fast depends on the line."""

from drivers.conformance.bench import Bench
from drivers.conformance.framing_rules import check_echoed
from drivers.conformance.rule import rule
from firmware_protocol.messages import Echo

_FOR_S = 0.4
_FEWEST = 3


@rule("I1", "latency of an answer", measures=True)
def latency(bench: Bench) -> str:
    times_s: list[float] = []
    begun_s = bench.wire.now_s()
    while len(times_s) < _FEWEST or (bench.wire.now_s() - begun_s < _FOR_S and len(times_s) < 1000):
        asked_s = bench.wire.now_s()
        bench.granted(Echo(bytes(16)))
        times_s.append(bench.wire.now_s() - asked_s)
    times_s.sort()
    middle_ms, late_ms = times_s[len(times_s) // 2] * 1e3, times_s[len(times_s) * 99 // 100] * 1e3
    bench.figures |= {"latency_ms_median": round(middle_ms, 3), "latency_ms_p99": round(late_ms, 3)}
    return f"median {middle_ms:.3f} ms, 99 in 100 within {late_ms:.3f} ms"


@rule("I2", "round trips a second with the window full", measures=True)
def pipelined(bench: Bench) -> str:
    begun_s, count = bench.wire.now_s(), 0
    while count < _FEWEST or (bench.wire.now_s() - begun_s < _FOR_S and count < 10_000):
        numbers = [bench.number() for _ in range(bench.window)]
        heard = bench.probe(b"".join(bench.frame(Echo(bytes(16)), seq) for seq in numbers))
        check_echoed(heard, [(seq, bytes(16)) for seq in numbers], "ECHOs with the window full")
        count += len(numbers)
    took_s = max(bench.wire.now_s() - begun_s, 1e-9)
    bench.figures["round_trips_per_s"] = round(count / took_s)
    return f"{count / took_s:,.0f} a second, window {bench.window}"
