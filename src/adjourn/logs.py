"""What a line of the log looks like. All of them go to standard error."""

import logging

__all__ = ["set_up_logging"]


def set_up_logging(process: str = "", *, level: int = logging.INFO) -> None:
    """`process`: which one of several it is, as each line says then. Whoever set it up before has it kept."""
    who = f"[{process}] " if process else ""
    handler = logging.StreamHandler()
    form = f"%(asctime)s %(levelname)s {who.replace('%', '%%')}%(name)s: %(message)s"
    handler.setFormatter(_Harmless(form))
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


class _Harmless(logging.Formatter):
    """Shows control characters: a traceback may have what came with a webhook, and a terminal would obey."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return "".join(each if each.isprintable() or each in "\n\t" else _escaped(each) for each in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
