"""Programs that pip cannot install: nginx and wrk, from Debian's packages."""

import os
import shutil
import subprocess

__all__ = ["MissingTool", "find_tool", "install_tools"]

_PACKAGES = {"nginx": "nginx-light", "wrk": "wrk"}
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


class MissingTool(RuntimeError):
    """It says how to install what is missing."""


def find_tool(name: str) -> str:
    """Where a program is. Raises MissingTool."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise MissingTool(
            f"{name} is missing; on Debian: apt-get install --no-install-recommends {_PACKAGES[name]}"
        )
    return found


def install_tools() -> None:
    """Install what is missing, as root on a Debian. Raises MissingTool otherwise."""
    missing = [package for tool, package in _PACKAGES.items() if shutil.which(tool, path=_PATH) is None]
    if not missing:
        return
    by_hand = f"apt-get install --no-install-recommends {' '.join(missing)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise MissingTool(f"make bench needs {' and '.join(missing)}; on Debian, as root: {by_hand}")
    # RUNLEVEL: the package would start an nginx of its own on port 80.
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["apt-get", "update", "-q"], [*by_hand.split(), "-y", "-q"]):
        if subprocess.run(command, env=environ, check=False, capture_output=True).returncode:
            raise MissingTool(f"cannot install {' and '.join(missing)}; by hand: {by_hand}")
