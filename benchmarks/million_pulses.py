"""A million pulses over a line that fails: none twice, none confirmed and not given, no reading of another junction.

python -m benchmarks.million_pulses [--pulses 1000000] [--seeds 20] [--batch 1] [--real 20000]

Virtual time, real bytes. Seven faults at 1 % each per frame and way, a restart of the device at 0.1 % per frame and way. The million
on the least device there is (a session and a log), then `--real` pulses on each real end. The last line is the control: a host that
sends again on a device that keeps no account must double more than 5 %, or the bench would not bite.
"""

import argparse
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields

from tests.support.device_end import device_end
from tests.support.faulty_line import Trial, failing
from tests.support.ledger_end import LINE, LedgerEnd, NaiveEnd

PROBABILITY, REBOOTS = 0.01, 0.001
WINDOW = 8
FRAMES_PER_PULSE = 12
PROCESSES = 2
PULSES_OF_A_TRIAL = 20_000
"""On a real end."""


@dataclass(frozen=True)
class Account:
    """What became of the pulses of one trial, or the sum of several. over_bound: unknown pulses beyond window x batch per lost session."""

    pulses: int = 0
    doubled: int = 0
    acked_not_applied: int = 0
    misattributed: int = 0
    out_of_order: int = 0
    late: int = 0
    unended: int = 0
    unknown: int = 0
    over_bound: int = 0
    refused: int = 0
    reads: int = 0
    restarts: int = 0
    lost_sessions: int = 0
    frames: int = 0
    retransmitted: int = 0

    def __add__(self, other: "Account") -> "Account":
        return Account(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def broken(self) -> int:
        """Promises broken."""
        return self.doubled + self.acked_not_applied + self.misattributed + self.out_of_order + self.late + self.unended + self.over_bound


def account_of(trial: Trial) -> Account:
    applied, ended = trial.times_applied(), trial.ended
    lost = sum(trial.downs.values())
    return Account(
        pulses=trial.pulses,
        doubled=sum(times > 1 for times in applied.values()),
        acked_not_applied=len(ended.executed - applied.keys()) + len(ended.refused & applied.keys()),
        misattributed=ended.wrong,
        out_of_order=int(not trial.in_order()),
        late=ended.late,
        unended=trial.pulses - len(ended.executed) - len(ended.refused) - len(ended.unknown),
        unknown=len(ended.unknown),
        over_bound=max(0, len(ended.unknown) - lost * trial.window * trial.batch),
        refused=len(ended.refused),
        reads=ended.reads,
        restarts=trial.restarts,
        lost_sessions=lost,
        frames=trial.frames,
        retransmitted=trial.retransmitted,
    )


def run_trial(end: str, pulses: int, seed: int, batch: int = 8) -> Account:
    """end: "least", "naive", or the name of a real end. batch: pulses of the longest command."""
    if end in ("least", "naive"):
        made = LedgerEnd() if end == "least" else NaiveEnd()
        # The naive host waits for each answer before it goes on, as such hosts do.
        trial = Trial(made, pulses, failing(PROBABILITY, REBOOTS), seed, batch=batch, window=WINDOW if end == "least" else 1)
        trial.run(FRAMES_PER_PULSE * pulses)
        return account_of(trial)
    with device_end(end, LINE) as device:
        trial = Trial(device, pulses, failing(PROBABILITY, REBOOTS), seed, batch=batch, window=WINDOW)
        trial.run(FRAMES_PER_PULSE * pulses)
        return account_of(trial)


def run(end: str, pulses: int, seeds: Iterable[int], batch: int) -> tuple[Account, float]:
    """The sum over the seeds, and the seconds it took."""
    begun = time.perf_counter()
    jobs = [(end, pulses, seed, batch) for seed in seeds]
    if len(jobs) == 1:
        total = run_trial(*jobs[0])
    else:
        with ProcessPoolExecutor(PROCESSES) as pool:
            total = sum(pool.map(run_trial, *zip(*jobs, strict=True)), Account())
    return total, time.perf_counter() - begun


def line(what: str, account: Account, seconds: float) -> str:
    return (
        f"{what}: {account.pulses:,} pulses, {account.doubled} doubled, {account.acked_not_applied} confirmed and not given, "
        f"{account.misattributed} of {account.reads:,} readings misattributed, {account.late} late, {account.unended} never ended; "
        f"{account.unknown:,} unknown after {account.lost_sessions} lost sessions ({account.over_bound} beyond window x batch), "
        f"{account.restarts} restarts, {account.frames:,} frames, {account.retransmitted:,} sent again, {seconds:.1f} s"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pulses", type=int, default=1_000_000)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--batch", type=int, default=1, help="pulses of the longest command; one each is the hardest on the line")
    parser.add_argument("--real", type=int, default=20_000, help="pulses on each real end; 0 for none")
    parser.add_argument("--ends", nargs="*", default=["python", "c"])
    options = parser.parse_args()
    broken, trials = 0, max(1, options.real // PULSES_OF_A_TRIAL)
    for what, end, pulses, seeds in (
        ("least device", "least", options.pulses // options.seeds, range(options.seeds)),
        *((f"{end} end", end, options.real // trials, range(100, 100 + trials)) for end in options.ends if options.real),
    ):
        account, seconds = run(end, pulses, seeds, options.batch)
        broken += account.broken
        print(line(what, account, seconds), flush=True)
    control, seconds = run("naive", min(options.pulses, 20_000), [1], options.batch)
    doubled = control.doubled / control.pulses
    print(f"control, naive retry: {control.doubled:,} of {control.pulses:,} doubled ({doubled:.1%}), {seconds:.1f} s", flush=True)
    return int(broken > 0 or doubled <= 0.05)


if __name__ == "__main__":
    sys.exit(main())
