"""What stands before every script, in Lua: the instrument's tables as Lua tables, and of Lua's own library what the instrument has.

Rule 1: a script reaches the instrument through `get`, `set` and functions alone; nothing of Python, and no file, can be reached.
Rule 2: whatever waits does it by yielding a pause to whoever runs the script. Every so many accesses a script yields `false`: others
have their turn, so that waiting in a loop (`while x.n < 10 do end`) is no hanging.
Rule 3: what neither waits nor touches the instrument ends after INSTRUCTIONS, even inside pcall.
"""

ACCESSES = 64
"""Accesses to the instrument between two turns."""
INSTRUCTIONS = 20_000_000
"""Of Lua, between two pauses; some 50 ms of the computer's time."""
EXIT = "\x01exit"
"""Thrown by exit()."""
EXHAUSTED = f"more than {INSTRUCTIONS} instructions without a pause or a look at the instrument; the simulator ends what would never end"

PRELUDE = (
    f"local ACCESSES, COUNTED, COUNTS = {ACCESSES}, 1000000, {INSTRUCTIONS // 1_000_000}\n"
    f'local EXIT, EXHAUSTED = "\\1exit", "{EXHAUSTED}"\n'
    """
local get, set, begin, step, result, say, fill = ...
local create, resume, status, yield = coroutine.create, coroutine.resume, coroutine.status, coroutine.yield
local error, load, next, pcall, select, setmetatable, type = error, load, next, pcall, select, setmetatable, type
local getmetatable, sethook, tostring, unpack = getmetatable, debug.sethook, tostring, table.unpack
local handles = setmetatable({}, {__mode = "k"})
local left, counted, exhausted = ACCESSES, 0, false

local function turn()
    left = left - 1
    if left <= 0 then
        left = ACCESSES
        -- Inside a comparison of table.sort nothing can be yielded; then the turn comes a little later.
        pcall(yield, false)
    end
end

local function inward(...)
    local count = select("#", ...)
    if count == 0 then return end
    if count == 1 then
        local only = ...
        return handles[only] or only
    end
    local given = {...}
    for at = 1, count do
        local value = given[at]
        if value ~= nil then given[at] = handles[value] or value end
    end
    return unpack(given, 1, count)
end

local function answered(failure, ...)
    if failure then error(failure, failure == EXIT and 0 or 2) end
    return ...
end

local made = {}

function made.native(handle, luatype, called)
    local objects = {}
    local meta = {Objects = objects, luatype = luatype}
    function meta.__index(_, key)
        local known = objects[key]
        if known ~= nil then return known end
        turn()
        local failure, value, keep = get(handle, key)
        if keep then objects[key] = value end
        return answered(failure, value)
    end
    function meta.__newindex(_, key, value)
        turn()
        return answered(set(handle, key, inward(value)))
    end
    if called then
        function meta.__call(_, ...) return called(...) end
    end
    local native = setmetatable({}, meta)
    handles[native] = handle
    return native
end

function made.func(run)
    return function(...)
        turn()
        return answered(run(inward(...)))
    end
end

function made.waiting(run)
    return function(...)
        turn()
        local job = begin(run, inward(...))
        local pause = step(job)
        while pause do
            yield(pause)
            pause = step(job)
        end
        return answered(result(job))
    end
end

function made.compile(source)
    return load(source, "=script", "t")
end

local function watch()
    counted = counted + 1
    if counted > COUNTS then
        exhausted = true
        error(EXHAUSTED, 2)
    end
end

function made.thread(chunk)
    local thread = create(chunk)
    sethook(thread, watch, "", COUNTED)
    exhausted = false
    return function()
        counted = 0
        local well, what = resume(thread)
        if not well then return "failed", what end
        if status(thread) == "dead" then return "over" end
        return "paused", what
    end
end

function made.handle(value)
    return handles[value] or value
end

local function survived(well, ...)
    if not well and (exhausted or (...) == EXIT) then error((...), 0) end
    return well, ...
end

function print(...)
    local count = select("#", ...)
    local given = {...}
    for at = 1, count do
        local kind = type(given[at])
        if kind ~= "number" and kind ~= "string" and kind ~= "boolean" and kind ~= "nil" then given[at] = tostring(given[at]) end
    end
    return answered(say(unpack(given, 1, count)))
end

_G.pcall = function(...) return survived(pcall(...)) end
_G.getmetatable = function(value)
    local handle, meta = handles[value], getmetatable(value)
    if handle and not meta.Getters then
        meta.Getters, meta.Setters = {}, {}
        fill(handle, meta.Getters, meta.Setters, meta.Objects)
    end
    return meta
end
loadstring = made.compile
_VERSION = "Lua 5.0.2"
_G.unpack = unpack
gcinfo = function() return collectgarbage("count"), 0 end
table.getn = function(list) return #list end
table.setn = function() end
table.foreach = function(list, f)
    for key, value in next, list do
        local found = f(key, value)
        if found ~= nil then return found end
    end
end
table.foreachi = function(list, f)
    for at = 1, #list do
        local found = f(at, list[at])
        if found ~= nil then return found end
    end
end
string.gfind = string.gmatch
math.mod = math.fmod
math.log10 = function(x) return math.log(x, 10) end
for _, name in next, {
    "bit32", "coroutine", "debug", "dofile", "io", "load", "loadfile", "module", "os", "package", "python", "rawlen", "require", "xpcall"
} do
    _G[name] = nil
end
return made
"""
)
