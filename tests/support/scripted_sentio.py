"""As much of a SENTIO as a driver and its faults need, on a script: the simulator is the faithful one, this one can be told to lie."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.scripted_server import Answer

PITCH_UM = 10_000.0
CONTACT_UM = 16_000.0
AXES_UM = (150_000.0, 150_000.0)
"""Where home is, from the axes' zero."""
_Z = {"c": "Contact", "s": "Separation", "h": "Hover", "z": "Zero", "r": "Current"}
_XY = {"h": "Home", "z": "Zero", "r": "Current"}


class Refusal(Exception):
    """Answered as an error code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass
class ScriptedSentio:
    """die: the active one, in its own column and row. from_home_um: where the needles are; None: over that die, off by offset_um.

    lies: command (without arguments, blanks stripped) -> the answer given instead. moves: what moved the chuck.
    on_step: called before each step with the column and row it goes to; True: the step is silently not taken.
    """

    version: str = "26.2.0"
    machine_id: str = "TS2000-4711"
    die: tuple[int, int] | None = (0, 0)
    offset_um: tuple[float, float] = (0.0, 0.0)
    from_home_um: tuple[float, float] | None = None
    z_um: float = CONTACT_UM - 250.0
    home_set: bool = True
    contact_set: bool = True
    overtravel_on: bool = False
    vacuum_on: bool = True
    doors_closed: bool = True
    doors_locked: bool = True
    ready: bool = True
    heights: tuple[float, float, float, float] = (CONTACT_UM, 250.0, 20.0, 50.0)
    orient: str = "UR"
    home_die: tuple[int, int] = (0, 0)
    pitch_um: tuple[float, float] = (PITCH_UM, PITCH_UM)
    route: tuple[tuple[int, int], ...] = ((0, 0), (1, 0), (2, 0))
    bins: dict[tuple[int, int], int] = field(default_factory=dict)
    celsius: float = 25.0
    setpoint_c: float = 25.0
    thermo: str = "Controlling"
    contacts: int = 42
    hover_on: bool = False
    remote: bool = False
    lock_contact: bool = False
    lies: dict[str, Answer] = field(default_factory=dict)
    moves: list[str] = field(default_factory=list)
    on_step: Callable[[tuple[int, int]], bool] = lambda _: False

    def __call__(self, line: str) -> Answer:
        word, _, rest = line.strip().partition(" ")
        if word in self.lies:
            return self.lies[word]
        if word in ("*RCS", "*LOCAL"):
            self.remote = word == "*RCS"
            return None
        if word == "*IDN?":
            return f"MPI Corporation,TS2000-SE,{self.machine_id},SENTIO {self.version}\n".encode()
        handler = HANDLERS.get(word)
        arguments = [each.strip() for each in rest.split(",")] if rest else []
        try:
            if handler is None:
                raise Refusal(2, f"Unsupported remote command: {line}")
            message = handler(self, arguments)
        except Refusal as refusal:
            return f"{refusal.code},0,{refusal}\n".encode()
        head = 1024 if word.startswith(("map:step", "map:bin_step")) and self.die == self.route[-1] else 0
        return f"{head},{1 if word in ('start_initialization', 'wait_complete') else 0},{message}\n".encode()

    # --- where it is
    def xy_um(self) -> tuple[float, float]:
        if self.from_home_um is not None:
            return self.from_home_um
        at = self.die or self.home_die
        signs = (1 if self.orient[1] == "R" else -1, 1 if self.orient[0] == "U" else -1)
        return (
            signs[0] * (at[0] - self.home_die[0]) * self.pitch_um[0] + self.offset_um[0],
            signs[1] * (at[1] - self.home_die[1]) * self.pitch_um[1] + self.offset_um[1],
        )

    def xy(self, letter: str) -> str:
        x_um, y_um = self.xy_um()
        return f"{x_um},{y_um}" if letter == "h" else f"{AXES_UM[0] + x_um},{AXES_UM[1] + y_um}"

    def separated(self) -> bool:
        return self.z_um <= self.heights[0] - self.heights[1]

    # --- moves
    def step(self, to: tuple[int, int]) -> str:
        self.moves.append("step")
        if self.lock_contact and not self.separated():
            raise Refusal(12, "Chuck is locked in contact")
        if not self.on_step(to):
            self.die, self.from_home_um = to, None
        return f"{to[0]},{to[1]},0"

    def step_along(self, offset: int) -> str:
        place = self.route.index(self.die) + offset if self.die in self.route else -1
        if not 0 <= place < len(self.route):
            raise Refusal(1035, "End of route reached!")
        return self.step(self.route[place])

    def move_z(self, letter: str, z_um: float) -> float:
        self.moves.append(f"z {_Z[letter]}")
        contact, separation, _, hover = self.heights
        if letter in ("c", "s", "h") and not self.contact_set:
            raise Refusal(23, "Contact height not set!")
        origin = {"c": contact, "s": contact - separation, "h": contact - hover, "z": 0.0, "r": self.z_um}[letter]
        if self.contact_set and origin + z_um > contact + (self.heights[2] if self.overtravel_on else 0.0):
            raise Refusal(8, "Target is above the maximum permitted height")
        touched = self.z_um >= contact
        self.z_um = origin + z_um
        self.contacts += not touched and self.z_um >= contact
        return self.z_um

    def go(self, x_um: float, y_um: float, letter: str = "h") -> str:
        self.moves.append("xy")
        here = self.xy_um()
        origins = {"h": (x_um, y_um), "r": (here[0] + x_um, here[1] + y_um), "z": (x_um - AXES_UM[0], y_um - AXES_UM[1])}
        self.from_home_um, self.die = origins[letter], None
        return self.xy("z")

    def mark(self, what: str, answer: str = "OK") -> str:
        self.moves.append(what)
        return answer


Handler = Callable[[ScriptedSentio, list[str]], str]


def _set(**names: Callable[[list[str]], object]) -> Handler:
    """Stores attributes read from the arguments."""

    def store(device: ScriptedSentio, arguments: list[str]) -> str:
        for name, read in names.items():
            setattr(device, name, read(arguments))
        return "OK"

    return store


def _truth(word: str) -> bool:
    return word.lower() in ("true", "1", "on")


def _pair(words: list[str]) -> tuple[int, int]:
    return (int(words[0]), int(words[1]))


def _letter(word: str) -> str:
    return "r" if word.lower() in ("current", "relative") else word[0].lower()


def _index(device: ScriptedSentio, _: list[str]) -> str:
    if device.die is None:
        raise Refusal(2, "No die active")
    return f"{device.route.index(device.die) if device.die in device.route else -1},{device.die[0]},{device.die[1]}"


def _load(device: ScriptedSentio, arguments: list[str]) -> str:
    device.z_um, device.die = 1_000.0, None
    return device.mark("load")


def _bin_next(device: ScriptedSentio, arguments: list[str]) -> str:
    assert device.die is not None
    device.bins[device.die] = int(arguments[0])
    return device.step_along(1)


def _heights(device: ScriptedSentio, arguments: list[str]) -> str:
    device.heights = tuple(float(each) for each in arguments[1:])  # type: ignore[assignment]
    device.contact_set = True
    return ",".join(arguments)


def _overtravel_gap(device: ScriptedSentio, arguments: list[str]) -> str:
    device.heights = (*device.heights[:2], float(arguments[0]), device.heights[3])
    return "OK"


def _hover(device: ScriptedSentio, _: list[str]) -> str:
    if not device.hover_on:
        raise Refusal(12, "Hover height is not enabled")
    return str(device.move_z("h", 0.0))


HANDLERS: dict[str, Handler] = {
    "status:get_version": lambda d, _: f"Version: {d.version}",
    "status:get_machine_id": lambda d, _: d.machine_id,
    "status:get_machine_status": lambda d, _: "Ready,," if d.ready else ",IsMeasuring,",
    "start_initialization": lambda d, _: d.mark("initialise"),
    "wait_complete": _set(ready=lambda _: True),
    "stop_chuck_xyz": lambda d, _: d.mark("stop"),
    "set_stepping_contact_mode": _set(lock_contact=lambda a: a[0] == "LockContact"),
    # --- chuck
    "get_chuck_site_status": lambda d, _: f"{d.home_set:d},{d.contact_set:d},{d.overtravel_on:d},{d.vacuum_on:d}",
    "get_chuck_site_heights": lambda d, _: ",".join(str(each) for each in d.heights),
    "get_chuck_z": lambda d, _: f"{d.z_um}",
    "chuck:get_z": lambda d, _: f"{d.z_um},Zero",
    "get_chuck_xy": lambda d, a: d.xy(a[1].lower()),
    "chuck:get_xy": lambda d, a: f"{d.xy(a[0].lower())},{_XY[a[0].lower()]}",
    "move_chuck_contact": lambda d, _: str(d.move_z("c", d.heights[2] if d.overtravel_on else 0.0)),
    "move_chuck_separation": lambda d, _: str(d.move_z("s", 0.0)),
    "move_chuck_hover": _hover,
    "move_chuck_z": lambda d, a: str(d.move_z(_letter(a[0]), float(a[1]))),
    "chuck:move_z": lambda d, a: f"{d.move_z(_letter(a[0]), float(a[1]))},{a[0]}",
    "move_chuck_home": lambda d, _: d.go(0.0, 0.0),
    "move_chuck_xy": lambda d, a: d.go(float(a[1]), float(a[2]), a[0].lower()),
    "chuck:move_xy": lambda d, a: d.go(float(a[1]), float(a[2]), a[0].lower()) + ",Home",
    "move_chuck_index": lambda d, a: d.go(int(a[1]) * d.pitch_um[0], int(a[2]) * d.pitch_um[1]),
    "move_chuck_theta": lambda d, a: d.mark("theta", a[1]),
    "move_chuck_load": _load,
    "enable_chuck_overtravel": _set(overtravel_on=lambda a: _truth(a[0])),
    "enable_chuck_hover": _set(hover_on=lambda a: _truth(a[0])),
    "set_chuck_site_heights": _heights,
    "set_chuck_overtravel_gap": _overtravel_gap,
    # --- map
    "map:step_die": lambda d, a: d.step(_pair(a)),
    "map:step_first_die": lambda d, _: d.step(d.route[0]),
    "map:step_next_die": lambda d, _: d.step_along(1),
    "map:step_previous_die": lambda d, _: d.step_along(-1),
    "map:step_die_seq": lambda d, a: d.step(d.route[int(a[0])]),
    "map:bin_step_next_die": _bin_next,
    "map:die:get_current_index": _index,
    "map:path:get_die": lambda d, a: "{},{}".format(*d.route[int(a[0])]),
    "map:get_num_dies": lambda d, _: str(len(d.route)),
    "map:get_axis_orient": lambda d, _: d.orient,
    "map:get_home_die": lambda d, _: f"{d.home_die[0]},{d.home_die[1]}",
    "map:get_index_size": lambda d, _: f"{d.pitch_um[0]},{d.pitch_um[1]}",
    "map:create": lambda d, _: d.mark("map"),
    "map:set_grid_params": _set(pitch_um=lambda a: (float(a[0]), float(a[1]))),
    "map:set_index_size": _set(pitch_um=lambda a: (float(a[0]), float(a[1]))),
    "map:set_axis_orient": _set(orient=lambda a: a[0]),
    "map:set_grid_origin": lambda d, _: d.mark("map"),
    "map:set_home_die": _set(home_die=_pair),
    "map:set_orient_marker": lambda d, _: d.mark("map"),
    "map:path:select_dies": lambda d, a: _set(route=lambda _: () if a[0] == "n" else d.route)(d, a),
    "map:die:select": lambda d, a: _set(route=lambda _: (*d.route, _pair(a)))(d, a),
    "map:die:unselect": lambda d, a: _set(route=lambda _: tuple(each for each in d.route if each != _pair(a)))(d, a),
    "map:set_routing": lambda d, _: d.mark("map"),
    "map:bins:set_bin": lambda d, a: _set(bins=lambda _: {**d.bins, _pair(a[1:]): int(a[0])})(d, a),
    "map:bins:get_bin": lambda d, a: str(d.bins.get(_pair(a), -1)),
    "map:bins:set_value": lambda d, _: "OK",
    "map:bins:get_bin_info": lambda d, a: f"{a[0]},Pass,pass,#00FF00",
    "map:bins:clear_all": _set(bins=lambda _: {}),
    # --- the rest
    "get_door_status": lambda d, _: f"{d.doors_closed:d},{d.doors_locked:d}",
    "set_door_lock": _set(doors_locked=lambda a: _truth(a[1])),
    "set_vacuum": _set(vacuum_on=lambda a: _truth(a[1])),
    "service:chuck_fence": lambda d, _: "OK",
    "set_signal_tower": lambda d, _: "OK",
    "loader:load_wafer": lambda d, _: d.mark("load", "WAFER-7"),
    "loader:unload_wafer": lambda d, _: d.mark("load"),
    "vis:align_wafer": lambda d, _: d.mark("align"),
    "vis:find_home": lambda d, _: d.mark("align"),
    "status:get_chuck_temp": lambda d, _: f"{d.celsius:.2f}",
    "status:get_chuck_temp_setpoint": lambda d, _: f"{d.setpoint_c:.2f}",
    "status:get_chuck_thermo_state": lambda d, _: d.thermo,
    "status:set_chuck_temp": _set(setpoint_c=lambda a: float(a[0]), celsius=lambda a: float(a[0])),
    "status:get_soaking_time": lambda d, a: "120" if a[0] == "60.00" else _refuse(200, "Soaking time is not correct"),
    "setup:contact_counter:get": lambda d, _: str(d.contacts),
    "setup:contact_counter:reset": _set(contacts=lambda _: 0),
    "aux:cleaning:start": lambda d, _: d.mark("clean"),
    "aux:cleaning:enable_auto": lambda d, _: "OK",
    "aux:cleaning:reset_touch_count": lambda d, _: "OK",
}


def _refuse(code: int, text: str) -> str:
    raise Refusal(code, text)
