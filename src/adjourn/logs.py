"""What a line of the log looks like. All of them go to standard error."""

import logging

__all__ = ["set_up_logging"]


def set_up_logging(process: str = "") -> None:
    """`process`: which one of several it is, as each line says then."""
    who = f"[{process}] " if process else ""
    logging.basicConfig(
        level=logging.INFO, format=f"%(asctime)s %(levelname)s {who.replace('%', '%%')}%(name)s: %(message)s"
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
