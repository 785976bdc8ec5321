"""A Keithley 2450 in use: one operation at a time, doubt settled before each, off before everything.

Rule 1: `:OUTP OFF` is the first thing sent when something must be made safe, whatever state the connection is in, and it is believed
only when read back. Off wins over everything that was begun before it.
Rule 2: a line in doubt, and a level that an operation left, are settled before the next operation. Nothing that biases is repeated.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from drivers.errors import Refused
from drivers.links.text import TextLink
from drivers.scpi import Scpi, parse_flag
from drivers.smu import keithley2450_messages as say
from drivers.smu import keithley2450_triggers as trigger
from drivers.smu.energising import Energising
from drivers.smu.operation import Operations
from drivers.smu.output import OffWords, OutputSwitch
from drivers.smu.setup import Setup


class Keithley2450Session:
    """connect, cut_off: as OutputSwitch has them. setup: what it was configured to, None when that is not known."""

    def __init__(
        self, link: TextLink, timeout_s: float, connect: Callable[[float], TextLink], cut_off: Callable[[float], None] | None = None
    ) -> None:
        self.link, self.timeout_s = link, timeout_s
        self.name = f"SMU at {link.address}"
        self.scpi = Scpi(link, self.name)
        self.setup: Setup | None = None
        self._switch = OutputSwitch(self.name, link, OffWords((say.OUTPUT_OFF, say.ABORT), self._reads_on), connect, cut_off)
        self._energising = Energising(self.name)
        self._operations = Operations(self.name, timeout_s, self._doubt)
        self._in_doubt = self._queue_is_ours = False

    # --- operations
    @contextmanager
    def operating(self, *, anew: bool = False) -> Generator[int]:
        """Alone, with a trusted line, at level zero; yields what `energise` asks for. What ends it otherwise than well leaves doubt.

        anew: everything is going to be set, whatever there is now.
        """
        begun = self._energising.begun()
        with self._operations.one():
            self._settle(anew=anew)
            yield begun

    @contextmanager
    def operating_or_off(self) -> Generator[int]:
        """As `operating`; what ends it otherwise than well, in its beginning too, switches the output off."""
        begun = self._energising.begun()
        with self._operations.one(), self.off_unless_well():
            self._settle(anew=False)
            yield begun

    def _settle(self, *, anew: bool) -> None:
        self.scpi.settle()
        if self._in_doubt and not anew:
            self._back_to_zero()
        self._in_doubt = False

    @contextmanager
    def off_unless_well(self) -> Generator[None]:
        """Raises OutputMayBeOn instead of what happened when that left the output perhaps on."""
        try:
            yield
        except BaseException:
            self.off()
            raise

    def configured(self, purpose: str) -> Setup:
        """Raises Refused before the first configuration."""
        if self.setup is None:
            raise Refused(f"{self.name}: configure it before {purpose}")
        return self.setup

    def group(self, purpose: str, commands: Sequence[str]) -> None:
        """Raises Refused for what the instrument rejected."""
        self.own_queue()
        self.scpi.group(purpose, commands)

    def own_queue(self) -> None:
        """What stands in the queue from before this session, or from an operation that failed, is nobody's fault in the next."""
        if not self._queue_is_ours:
            self.scpi.drain_errors()
            self._queue_is_ours = True

    # --- output
    def off(self) -> None:
        """Any thread may call it. Raises OutputMayBeOn."""
        self._energising.off(lambda: self.link.send_regardless(say.OUTPUT_OFF))
        self._switch.off()

    def is_on(self) -> bool:
        self.scpi.settle()
        (state,) = self.scpi.ask(say.OUTPUT_STATE)
        return parse_flag(state, self.name)

    def energise(self, begun: int, line: str) -> None:
        """Raises Refused when output off was said since the operation began."""
        with self.link.lock:
            self._energising.say(begun, lambda: self.link.send(line))
            self.scpi.check(line, [line])

    def switch_on(self, begun: int) -> None:
        """At level zero, verified. Raises Refused when it does not switch on."""
        setup = self.configured("switching the output on")
        self.is_as_configured(setup)
        self.energise(begun, say.OUTPUT_ON)
        if not self.is_as_configured(setup):
            raise Refused(f"{self.name}: the output stays off after {say.OUTPUT_ON}; check the interlock and the front panel")

    def require_on(self, purpose: str) -> None:
        if not self.is_on():
            raise Refused(f"{self.name}: switch the output on before {purpose}")

    def is_as_configured(self, setup: Setup) -> bool:
        """Whether the output is on. Raises Refused unless level zero, range and limit read back: it may have been restarted."""
        return say.check_configured(self.scpi.ask(*say.configured(setup)), setup, self.name)

    def _doubt(self) -> None:
        """The operation before failed: what it left, in the error queue too, is nobody's."""
        self._in_doubt, self._queue_is_ours = True, False

    def _back_to_zero(self) -> None:
        """After an operation that failed: nothing runs, the level is zero, what pulses and scans changed is as configured."""
        if self.setup is not None:
            self.group("going back to zero", [*say.back_to_zero(self.setup), *trigger.as_configured(self.setup)])
            self.is_as_configured(self.setup)

    def _reads_on(self, link: TextLink, timeout_s: float) -> bool:
        """Off once more, behind whatever was just leaving, and what became of it."""
        scpi = self.scpi if link is self.link else Scpi(link, self.name)
        (state,) = scpi.ask(say.OUTPUT_OFF, say.OUTPUT_STATE, timeout_s=timeout_s)
        return parse_flag(state, self.name)
