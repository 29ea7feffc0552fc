"""wrk as the load: it costs so little that the rest of the machine is the server's."""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from bench.tools import find_tool

__all__ = ["Load", "run_wrk", "run_wrk_with"]

_MADE = """\
local path, headers, bodies = %s, %s, %s
local requests, turn = {}, 0
function init(args)
  for i, body in ipairs(bodies) do requests[i] = wrk.format("POST", path, headers, body) end
end
"""
_READ = """\
local requests, turn = {}, 0
function init(args)
  local file = io.open(%s, "rb")
  local size = file:read(8)
  while size do
    requests[#requests + 1] = file:read(tonumber(size))
    size = file:read(8)
  end
  file:close()
end
"""
_LUA = """\
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
function done(summary, latency, _)
  local errors = summary.errors
  local shape = '{"requests":%d,"seconds":%f,"refused":%d,"broken":%d,"p50_ms":%f,"p99_ms":%f}'
  io.write(string.format('\\nbench ' .. shape .. '\\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


class Load(msgspec.Struct, frozen=True):
    """What wrk did. `cpu`: its own seconds, user and system. `refused`: answers that were no success."""

    requests: int
    seconds: float
    refused: int
    broken: int
    p50_ms: float
    p99_ms: float
    cpu: float = 0.0

    def check(self) -> None:
        """Raises RuntimeError unless all requests succeeded."""
        if self.refused or self.broken or not self.requests:
            raise RuntimeError(f"wrk: {self.refused} of {self.requests} refused, {self.broken} broken")


def run_wrk(
    url: str,
    path: str,
    bodies: Sequence[bytes],
    *,
    headers: Mapping[str, str],
    connections: int,
    seconds: float,
    folder: Path,
) -> Load:
    """One thread that posts the bodies in turn, over so many connections. Raises RuntimeError."""
    lua_headers = "{" + ",".join(f"[{_lua(name)}]={_lua(value)}" for name, value in headers.items()) + "}"
    lua_bodies = "{" + ",".join(_lua(body.decode()) for body in bodies) + "}"
    made = _MADE % (_lua(path), lua_headers, lua_bodies)
    return _run(url, made, connections=connections, seconds=seconds, folder=folder)


def run_wrk_with(
    url: str, requests: Iterable[bytes], *, connections: int, seconds: float, folder: Path
) -> Load:
    """The same with whole requests, head and body: each is sent once, as long as there are enough."""
    path = folder / "requests"
    with path.open("wb") as file:
        for request in requests:
            file.write(b"%08d%s" % (len(request), request))
    return _run(url, _READ % _lua(str(path)), connections=connections, seconds=seconds, folder=folder)


def _run(url: str, requests: str, *, connections: int, seconds: float, folder: Path) -> Load:
    script = folder / "load.lua"
    script.write_text(requests + _LUA)
    command = [
        find_tool("wrk"),
        "-t1",
        "--timeout",
        "60s",  # a server that has more to do than it can answers late: that is not broken
        f"-c{connections}",
        f"-d{max(round(seconds), 1)}s",
        "-s",
        str(script),
        url,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    try:
        said = process.stdout.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()
    line = next((line for line in said.splitlines() if line.startswith("bench ")), None)
    if process.returncode or line is None:
        raise RuntimeError(f"wrk ended with {process.returncode}: {said}")
    load = msgspec.json.decode(line.removeprefix("bench "), type=Load)
    return msgspec.structs.replace(load, cpu=usage.ru_utime + usage.ru_stime)


def _lua(text: str) -> str:
    """A Lua string. JSON's escapes would differ for what is not ASCII, which our requests are not."""
    return json.dumps(text)
