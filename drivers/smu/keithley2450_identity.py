"""Who answers where a Keithley 2450 is expected, and what stands beside everything it measures. Changes nothing."""

from drivers.errors import LinkError, LinkTimeout, ProtocolError, WrongInstrument
from drivers.scpi import Question, parse_number
from drivers.smu import keithley2450_messages as say
from drivers.smu.capabilities import KEITHLEY_2450, SmuCapabilities
from drivers.smu.keithley2450_session import Keithley2450Session
from drivers.smu.values import SmuProvenance
from drivers.values import Identity

_UNDEFINED_HEADER = -113
_ASKED_WITHIN_S = 1.0
"""What a question gets that the instrument may not know, and then does not answer."""


class Keithley2450Identity:
    """capabilities: of the model that answered, of the 2450 before."""

    def __init__(self, session: Keithley2450Session) -> None:
        self._session = session
        self._scpi, self._name = session.scpi, session.name
        self._provenance: SmuProvenance | None = None
        self.capabilities: SmuCapabilities = KEITHLEY_2450

    def identify(self) -> Identity:
        """Raises WrongInstrument unless a 2450, or one of its sisters, answers in its SCPI language."""
        try:
            self._scpi.settle()
            identity, language = self._scpi.ask(Question(say.IDENTITY), Question(say.LANGUAGE))
        except (LinkError, ProtocolError) as error:
            self._name_stranger(error)
            raise
        found = self._accepted(identity)
        self._require_scpi(language)
        return found

    def provenance(self) -> SmuProvenance:
        """Asked once."""
        if self._provenance is None:
            firmware = self.identify().firmware
            (hertz,) = self._scpi.ask(say.LINE_FREQUENCY)
            self._provenance = SmuProvenance(firmware, self._calibration_date(), parse_number(hertz, self._name))
        return self._provenance

    def _accepted(self, answer: str) -> Identity:
        found = say.parse_identity(answer)
        if found is None:
            raise WrongInstrument(f"{self._name}: {say.IDENTITY} answered {answer!r}, not a MODEL 2450; check [smu] in lab.toml")
        identity, self.capabilities = found
        return identity

    def _require_scpi(self, language: str) -> None:
        if language != "SCPI":
            raise WrongInstrument(
                f"{self._name}: *LANG? answered {language!r}, not SCPI; set the command set to SCPI in its menu and restart it"
            )

    def _name_stranger(self, error: LinkError | ProtocolError) -> None:
        """What cannot answer a question with a number may still say who it is. Raises WrongInstrument, LinkTimeout."""
        link = self._session.link
        try:
            link.resynchronise()
            self._accepted(link.query(say.IDENTITY))
            self._require_scpi(link.query(say.LANGUAGE))
        except LinkTimeout as late:
            raise LinkTimeout(f"{late}; is this the 2450 of [smu] in lab.toml, and is it idle?") from error

    def _calibration_date(self) -> str | None:
        """None from an instrument that does not know the question: it stays silent, and says so in its queue."""
        self._session.own_queue()
        try:
            return self._scpi.ask(say.CALIBRATION_DATE, timeout_s=min(self._session.timeout_s, _ASKED_WITHIN_S))[0]
        except (LinkTimeout, ProtocolError):
            self._scpi.settle()
            if _UNDEFINED_HEADER in {entry.code for entry in self._scpi.drain_errors()}:
                return None
            raise
