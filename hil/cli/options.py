"""Options that many commands share, and what they become."""

from pathlib import Path
from typing import Annotated

import typer

from hil.cli.output import warn
from hil.client import LabClient
from hil.client.lab import DEFAULT_URL
from hil.model.lab import LabConfig

DEFAULT_DATA = Path("hil-data")

Url = Annotated[str, typer.Option("--url", envvar="HIL_URL", help="Address of the service.")]
Token = Annotated[str | None, typer.Option("--token", envvar="HIL_TOKEN", help="Token of `hil token create`.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]
Lab = Annotated[Path, typer.Option("--lab", help="lab.toml: addresses, wafer map and limits of the station.")]
Data = Annotated[
    Path | None, typer.Option("--data", help="Directory of the store [default: that of lab.toml, or hil-data].", show_default=False)
]
AT = DEFAULT_URL


class CommandFailed(Exception):
    """A command cannot do what it was asked; the text says why and what to do."""


def connect(url: str, token: str | None) -> LabClient:
    """Raises LabError for an address or a token that cannot be one."""
    return LabClient(url, token, on_warning=warn)


def data_dir(flag: Path | None, lab: LabConfig | None = None, lab_path: Path | None = None) -> Path:
    """A flag beats the file; a relative `data` in lab.toml starts at that file."""
    if flag is not None:
        return flag
    if lab is not None and lab_path is not None and lab.station.data is not None:
        return lab_path.parent / lab.station.data
    return DEFAULT_DATA
