"""What gets installed and imported, and what does not."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def closure(distribution: str, extra: str = "") -> set[str]:
    """Names of every distribution that installing this one pulls in, from the installed metadata."""
    seen: set[str] = set()
    todo = [(distribution, extra)]
    while todo:
        name, wanted_extra = todo.pop()
        for text in requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate({"extra": wanted_extra}):
                continue
            pulled = canonicalize_name(requirement.name)
            if pulled in seen:
                continue
            seen.add(pulled)
            try:
                requires(pulled)
            except PackageNotFoundError:
                continue
            todo += [(pulled, ""), *((pulled, asked) for asked in requirement.extras)]
    return seen


def test_installing_the_service_pulls_no_torch() -> None:
    pulled = closure("mtj-hil")
    assert "fastapi" in pulled
    assert "torch" not in pulled


def test_the_training_extra_pulls_torch() -> None:
    assert "torch" in closure("mtj-hil", "train")


def modules_of(statement: str) -> set[str]:
    """Whole names of all modules that a fresh interpreter has after it."""
    code = f"{statement}\nimport sys; print(' '.join(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def imported_by(statement: str) -> set[str]:
    """Names of the packages."""
    return {name.split(".")[0] for name in modules_of(statement)}


def test_the_client_imports_neither_torch_nor_instrument_libraries() -> None:
    modules = imported_by("import hil.client")
    assert "httpx" in modules
    assert not modules & {"torch", "pyvisa", "pyvisa_py", "serial", "drivers", "simulator", "sqlalchemy", "matplotlib"}


def test_the_client_works_where_torch_and_instrument_libraries_are_missing() -> None:
    block = "import sys; sys.modules.update({name: None for name in ('torch', 'pyvisa', 'pyvisa_py', 'serial')})"
    assert "hil" in imported_by(f"{block}\nfrom hil.client import LabClient")


def test_the_service_imports_no_torch() -> None:
    assert "torch" not in imported_by("import hil.cli.main, hil.api.app, hil.runs.worker")


def test_the_web_process_imports_no_driver_but_the_planners_arithmetic() -> None:
    modules = modules_of("import hil.api.app")
    assert not modules & {"pyvisa", "serial"}
    planner = {"drivers", "drivers.errors", "drivers.smu", *(f"drivers.smu.{name}" for name in ("planning", "capabilities", "values"))}
    assert {name for name in modules if name.split(".")[0] == "drivers"} <= planner
