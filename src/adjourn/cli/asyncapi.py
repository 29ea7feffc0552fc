"""`adjourn asyncapi`: a provider's AsyncAPI document. It asks no server."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from adjourn.cli.catalogs import find_provider
from adjourn.cli.failure import Exit, Failure
from adjourn.cli.screen import Screen
from adjourn.cli.session import wants_json
from adjourn.documents.asyncapi import VERSIONS
from adjourn.documents.asyncapi import asyncapi as document_of
from adjourn.providers import PROVIDERS

__all__ = ["asyncapi"]


def asyncapi(
    ctx: typer.Context,
    provider: Annotated[
        str, typer.Argument(metavar="PROVIDER", help=f"{', '.join(PROVIDERS)}.", show_default=False)
    ],
    *,
    version: Annotated[str, typer.Option(help=f"{' or '.join(VERSIONS)}.")] = next(iter(VERSIONS)),
    as_yaml: Annotated[
        bool | None,
        typer.Option("--yaml/--json", help="By default as FILE is called, else YAML.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it there.", show_default=False)
    ] = None,
) -> None:
    """Print a provider's events as an AsyncAPI document, for code generators and other tools."""
    as_json = wants_json(ctx, as_yaml is False)
    found = find_provider(provider)
    if version not in VERSIONS:
        raise typer.BadParameter(f"{version!r} is none of {', '.join(VERSIONS)}", param_hint="--version")
    if as_yaml is None:
        as_yaml = not as_json if output is None else output.suffix != ".json"
    document = document_of(found, version)
    text = msgspec.yaml.encode(document) if as_yaml else _pretty(document)
    if output is None:
        Screen().raw(text.rstrip())
    else:
        _write(output, text)


def _pretty(document: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _write(output: Path, text: bytes) -> None:
    try:
        output.write_bytes(text)
    except OSError as exc:
        raise Failure(Exit.WRONG, f"cannot write {output}: {exc.strerror}") from exc
