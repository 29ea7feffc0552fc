"""What the commands that verify and sign are told of a vendor: its name, a secret, options."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from adjourn.cli.catalogs import find_provider
from adjourn.cli.failure import Exit, Failure
from adjourn.providers import Provider
from adjourn.receiving import Receiver

__all__ = [
    "SECRET_VARIABLE",
    "find_secrets",
    "make_receiver",
    "name_provider",
    "read_options",
    "read_secrets",
    "receiving_options",
    "sending_options",
]

SECRET_VARIABLE = "ADJOURN_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable
_OF_SIGNATURES = "signature_"  # what an app's option has before its name, and the receiver's has not


def name_provider(name: str) -> Provider:
    """Raises Failure, of wrong usage."""
    try:
        return find_provider(name)
    except Failure as exc:
        raise Failure(Exit.WRONG, str(exc)) from exc


def find_secrets(given: Sequence[str] | None, *, unsigned: bool) -> list[str]:
    """Those of the command line, else that of the environment; [] for neither, and where nothing is signed.

    Raises Failure for one that is given all the same.
    """
    if unsigned:
        if given:
            both = "a webhook secret is given, and unsigned webhooks are asked for: it must be one of them"
            raise Failure(Exit.WRONG, both)
        return []
    variable = os.environ.get(SECRET_VARIABLE, "")
    return [*given] if given else ([variable] if variable else [])


def read_secrets(given: Sequence[str] | None, *, unsigned: bool) -> list[str]:
    """The same, where there must be one. Raises Failure."""
    found = find_secrets(given, unsigned=unsigned)
    if not found and not unsigned:
        raise Failure(Exit.WRONG, f"no webhook secret: set {SECRET_VARIABLE}, or give --secret")
    return found


def read_options(given: Sequence[str] | None) -> dict[str, Any]:
    """`NAME=VALUE` each. Raises Failure."""
    options: dict[str, Any] = {}
    for each in given or ():
        name, equals, value = each.partition("=")
        if not equals:
            raise Failure(Exit.WRONG, f"--option {each}: give NAME=VALUE")
        options[name] = {"true": True, "false": False}.get(value, value)
    return options


def make_receiver(
    provider: Provider, secrets: Sequence[str], *, callback: bool, options: Mapping[str, Any]
) -> Receiver:
    """Raises Failure, ConfigError: for a secret or an option that it cannot use."""
    if not callback:
        return Receiver(provider, secrets, **options)
    if unknown := [each for each in options if each != "unsigned"]:
        raise Failure(Exit.WRONG, f"callbacks have no option {unknown[0]!r}")
    return Receiver(
        provider, callback_secrets=secrets, unsigned_callbacks=bool(options.get("unsigned", False))
    )


def sending_options(provider: Provider, given: Mapping[str, Any], *, callback: bool) -> dict[str, Any]:
    """An app's options, some of which may have their receiver's names: header for signature_header, say.

    `unsigned` stays where callbacks are. Raises Failure for what is no option of such an app.
    """
    known = provider.options.__struct_fields__
    options: dict[str, Any] = {}
    for name, value in given.items():
        if name == "unsigned" and "signature" in known and not callback:
            options |= {"signature": "none"} if value else {}
        elif name in known or (name == "unsigned" and callback):
            options[name] = value
        elif _OF_SIGNATURES + name in known:
            options[_OF_SIGNATURES + name] = value
        else:
            there_are = ", ".join(known)
            reason = f"an app of {provider.title} has no option {name!r}; there are: {there_are}"
            raise Failure(Exit.WRONG, reason)
    return options


def receiving_options(provider: Provider, options: Mapping[str, Any]) -> dict[str, Any]:
    """What a receiver has to know of an app's options."""
    if options.get("signature") == "none":
        return {"unsigned": True}
    known = getattr(provider.verifier, "__kwdefaults__", None) or {}
    short = {name.removeprefix(_OF_SIGNATURES): value for name, value in options.items()}
    return {name: value for name, value in short.items() if name in known}
