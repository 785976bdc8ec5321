"""Files on the prober's own computer, by name only: what is pretended to lie there, and what was saved there since.

Assumption: which projects and binning tables there are. A project is known by its last name, with or without a path.
"""

from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.words import SentioError

PROJECT_FOLDER = "C:\\ProgramData\\MPI Corporation\\Sentio\\projects"
_SHIPPED = ("default_bins.xbt",)
_PROJECTS = ("sim_wafer", "sample_round", "sample_align", "sample_rect", "handling_test", "PTPAOnAxis_Test", "celadon_probe_card")


def last_name(path: str) -> str:
    return path.replace("/", "\\").rstrip("\\").rpartition("\\")[2]


class Files:
    def __init__(self) -> None:
        self._names = {name.lower() for name in _SHIPPED}
        self.projects: list[str] = list(_PROJECTS)
        self.project: str = _PROJECTS[0]

    def require(self, path: str) -> None:
        """Raises SentioError FILE_NOT_FOUND, INVALID_NUMBER_OF_PARAMETERS without a name."""
        if not path:
            raise SentioError(Code.INVALID_NUMBER_OF_PARAMETERS, "A file name is missing")
        if last_name(path).lower() not in self._names:
            raise SentioError(Code.FILE_NOT_FOUND, f"File not found: {path}")

    def write(self, path: str) -> None:
        self._names.add(last_name(path).lower())

    def open_project(self, path: str) -> None:
        """Raises SentioError FILE_NOT_FOUND."""
        name = last_name(path).removesuffix(".trex")
        found = [each for each in self.projects if each.lower() == name.lower()]
        if not found:
            raise SentioError(Code.FILE_NOT_FOUND, f"Project not found: {path}")
        self.project = found[0]

    def save_project(self, path: str) -> str:
        """It is open then; returns its whole path."""
        name = last_name(path).removesuffix(".trex")
        if name.lower() not in {each.lower() for each in self.projects}:
            self.projects.append(name)
        self.project = name
        return self.path

    @property
    def path(self) -> str:
        return f"{PROJECT_FOLDER}\\{self.project}\\{self.project}.trex"
