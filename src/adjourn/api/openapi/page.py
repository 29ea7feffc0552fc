"""The document as one page of HTML to browse: no scripts, nothing fetched."""

import json
from collections.abc import Iterable, Iterator
from functools import cache
from html import escape

from adjourn.api.openapi.document import document
from adjourn.api.openapi.operation import Json

__all__ = ["page"]

_STYLE = """
:root { color-scheme: light dark; --faint: light-dark(#f3f4f6, #1f2430); --line: light-dark(#d5d9e0, #3a4150);
  --quiet: light-dark(#59616f, #a0a8b6); --link: light-dark(#1d4ed8, #8ab4ff) }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem 1.5rem 6rem }
a { color: var(--link) } code { font: 0.9em ui-monospace, monospace } h2 { margin: 2.5rem 0 0.5rem }
nav { columns: 3 14rem } nav a { display: block } .quiet { color: var(--quiet) }
details { border: 1px solid var(--line); border-radius: 0.4rem; margin: 0.4rem 0 }
summary { cursor: pointer; display: flex; flex-wrap: wrap; align-items: baseline;
  gap: 0 0.75rem; padding: 0.4rem 0.75rem }
details[open] summary { background: var(--faint) } .inside { padding: 0 0.75rem 0.75rem; overflow-x: auto }
.method { font-weight: 700; min-width: 4rem } .get { color: light-dark(#1d4ed8, #8ab4ff) }
.post { color: light-dark(#15803d, #6fdc8c) } .put, .patch { color: light-dark(#a16207, #f5c451) }
.delete { color: light-dark(#b91c1c, #ff8f8f) } h4 { margin: 0.75rem 0 0.25rem }
table { border-collapse: collapse; width: 100% } :target { outline: 2px solid var(--link) }
td { border-top: 1px solid var(--line); padding: 0.25rem 0.75rem 0.25rem 0; vertical-align: top }
td:first-child { width: 1%; white-space: nowrap }
"""


_BOUNDS = {"minLength": "at least", "maxLength": "at most", "minimum": "from", "maximum": "to"}


@cache
def page() -> str:
    """The whole page."""
    described = document()
    tags = [each["name"] for each in described["tags"]]
    calls = {tag: "".join(_calls(described, tag)) for tag in tags}
    links = "".join(f'<a href="#{_anchor(tag)}">{escape(tag)}</a>' for tag in [*tags, "Schemas"])
    sections = "".join(f'<h2 id="{_anchor(tag)}">{escape(tag)}</h2>{calls[tag]}' for tag in tags)
    schemas = "".join(_schema(*each) for each in described["components"]["schemas"].items())
    info = described["info"]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Adjourn: the API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{info['title']} {info['version']}</h1>{_prose(info['description'])}"
        f'<p>The same for programs: <a href="openapi.json">openapi.json</a>.</p><nav>{links}</nav>'
        f'{sections}<h2 id="schemas">Schemas</h2>{schemas}</html>'
    )


def _calls(described: Json, tag: str) -> Iterator[str]:
    for path, methods in described["paths"].items():
        for method, call in methods.items():
            if tag in call["tags"]:
                yield _call(described, method, path, call)


def _call(described: Json, method: str, path: str, call: Json) -> str:
    parameters = [_resolved(described, each) for each in call["parameters"]]
    responses = {status: _resolved(described, each) for status, each in call["responses"].items()}
    parts = [
        _prose(call.get("description", "")),
        _table("Parameters", (_parameter(each) for each in parameters)),
        *(_body(described, each) for each in _contents(call.get("requestBody", {}))),
        _table("Answers", (_response(*each) for each in responses.items())),
    ]
    return (
        f'<details><summary><code class="method {method}">{method.upper()}</code>'
        f"<code>{escape(path)}</code><span>{escape(call['summary'])}</span></summary>"
        f'<div class="inside" id="{call["operationId"]}">{"".join(parts)}</div></details>'
    )


def _parameter(parameter: Json) -> list[str]:
    place = "" if parameter["in"] == "query" else f" <span class=quiet>({parameter['in']})</span>"
    return [
        f"<code>{escape(parameter['name'])}</code>{place}",
        _kind(parameter["schema"]),
        parameter["description"],
    ]


def _response(status: str, response: Json) -> list[str]:
    shown = " or ".join(map(_kind, _contents(response)))
    return [f"<code>{status}</code>", escape(response["description"]), shown]


def _contents(message: Json) -> Iterator[Json]:
    return (each["schema"] for each in message.get("content", {}).values())


def _resolved(described: Json, value: Json) -> Json:
    """A component where `value` refers to one, else itself."""
    if "$ref" not in value:
        return value
    _, _, kind, name = value["$ref"].split("/")
    component: Json = described["components"][kind][name]
    return component


def _body(described: Json, schema: Json) -> str:
    """The fields of each form that a body may have."""
    forms = [_resolved(described, each) for each in schema.get("anyOf", [schema])]
    return "".join(_table("Body" if each is forms[0] else "or", _fields(each)) for each in forms)


def _schema(name: str, schema: Json) -> str:
    """A part of the page; whoever goes to it by its name finds it open."""
    inside = _prose(schema.get("description", "")) + (_table("", _fields(schema)) or _kind(schema))
    return (
        f"<details><summary><code>{name}</code></summary>"
        f'<div class="inside" id="{name}">{inside}</div></details>'
    )


def _fields(schema: Json) -> Iterator[list[str]]:
    for name, each in schema.get("properties", {}).items():
        mark = "" if name in schema.get("required", ()) else "?"
        yield [f"<code>{escape(name)}</code>{mark}", _kind(each), escape(each.get("description", ""))]


def _kind(schema: Json) -> str:
    """What a value may be, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"array of {_kind(schema.get('items', {}))}"
    bounds = (f"{name} {schema[key]:,}" for key, name in _BOUNDS.items() if key in schema)
    default = [f"default {json.dumps(schema['default'])}"] if "default" in schema else []
    return ", ".join([str(schema.get("format", schema.get("type", "anything"))), *bounds, *default])


def _table(title: str, rows: Iterable[list[str]]) -> str:
    cells = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    head = f"<h4>{title}</h4>" if title else ""
    return f"{head}<table>{cells}</table>" if cells else ""


def _prose(text: str) -> str:
    paragraphs = (escape(each).split("`") for each in text.split("\n\n") if each)
    return "".join(
        f"<p>{''.join(f'<code>{part}</code>' if at % 2 else part for at, part in enumerate(parts))}</p>"
        for parts in paragraphs
    )


def _anchor(tag: str) -> str:
    return "".join(each if each.isalnum() else "-" for each in tag.lower())
