"""What else it may be signed as: in another of the sender's ways, or by another sender. Pure."""

import re
from collections.abc import Iterator
from itertools import islice, product
from typing import Any, Literal, get_args, get_origin, get_type_hints

from adjourn.errors import ConfigError, EventError
from adjourn.providers import PROVIDERS, Provider, UnknownEvent
from adjourn.receiving.diagnosis import Case, Diagnosis, make_verifier
from adjourn.signing import StandardVerifier, Verifier

__all__ = ["look_at_senders", "try_options", "try_other_signature"]

_MOST_SECRETS = 4
_MOST_OPTIONS = 48  # ways of a provider's options
_ANY_SECRET = "whsec_" + 43 * "A" + "="  # to make a verifier that is asked for its headers


def try_options(case: Case) -> Diagnosis | None:
    """The provider's other ways to sign: its profiles, its encodings, the header's name."""
    if case.callback:
        return None
    for options in islice(_other_options(case), _MOST_OPTIONS):
        if any(case.passes_by(each.reveal(), **options) for each in case.secrets[:_MOST_SECRETS]):
            changed = {name: value for name, value in options.items() if case.options.get(name) != value}
            listed = ", ".join(f"{name}={value!r}" for name, value in changed.items())
            return Diagnosis(
                "options",
                f"the sender signs in another of its ways: make the receiver with {listed}",
                certain=True,
            )
    return None


def _other_options(case: Case) -> Iterator[dict[str, Any]]:
    hints = get_type_hints(type(case.provider).verifier)
    ways = {name: _ways(name, hints[name], case) for name in _option_names(case.provider)}
    for values in product(*ways.values()):
        yield dict(zip(ways, values, strict=True))


def _option_names(provider: Provider) -> list[str]:
    verifier: Any = provider.verifier
    return [name for name in verifier.__kwdefaults__ or {} if name != "unsigned"]


def _ways(name: str, hint: Any, case: Case) -> list[Any]:
    """What an option may be: that in force first."""
    verifier: Any = case.provider.verifier
    current = case.options.get(name, verifier.__kwdefaults__[name])
    others: list[Any] = []
    if hint is bool:
        others = [not current]
    elif get_origin(hint) is Literal:
        others = [*get_args(hint)]
    elif name == "header":
        others = [each for each in sorted(case.names) if re.search(r"signature|hmac|digest", each)]
    elif name == "prefix":
        others = ["", "sha256="]
    return [current, *(each for each in others if each != current)][:4]


def look_at_senders(case: Case) -> Diagnosis | None:
    """Headers of another sender than this receiver is made for."""
    found = [(call, verifier) for call, verifier in _senders(case) if case.names.intersection(verifier.reads)]
    for call, verifier in found:
        if case.passes(by=verifier):
            return _lost(case, verifier) or _other_sender(case, call, verifier, certain=True)
    for call, verifier in found:
        if case.names.issuperset(verifier.reads):
            return _other_sender(case, call, verifier, certain=False)
    return None


def try_other_signature(case: Case) -> Diagnosis | None:
    """Of a request with two: the sender's new secret makes the one, every secret in force the other."""
    for _, verifier in _senders(case):
        if case.passes(by=verifier):
            return Diagnosis(
                "secret_rotated",
                f"the request's other signature fits ({', '.join(verifier.reads)}): the sender has a new "
                "secret, and that one is by the old secret, too; get the new one, accept both for a while",
                certain=True,
            )
    return None


def _lost(case: Case, verifier: Verifier) -> Diagnosis | None:
    """Where it is an event of this vendor after all: who signs it in two ways, and one has not come."""
    assert isinstance(case.body, bytes)
    try:
        event = case.provider.read(case.body)
    except EventError:
        return None
    if isinstance(event, UnknownEvent):
        return None
    gone, came = (
        ", ".join(each for each in names if (each in case.names) is wanted)
        for names, wanted in ((case.verifier.reads, False), (verifier.reads, True))
    )
    return Diagnosis(
        "header_lost",
        f"{gone} was lost on the way; it is genuine by the others that came ({came}): have the proxy or "
        "gateway pass it on",
        certain=True,
    )


def _other_sender(case: Case, call: str, verifier: Verifier, *, certain: bool) -> Diagnosis:
    listed, fit = ", ".join(verifier.reads), " and they fit" * certain
    return Diagnosis(
        "other_sender",
        f"the headers are those of {call} ({listed}){fit}: this receiver is one of {_call(case.provider)}",
        certain=certain,
    )


def _senders(case: Case) -> Iterator[tuple[str, Verifier]]:
    """What else could have signed it, by the secret that is given."""
    secrets = [each.reveal() for each in (*case.secrets, *case.others)][:_MOST_SECRETS]
    mine = set(case.verifier.reads)
    for provider in PROVIDERS.values():
        for callback in (False, True):
            verifier = _verifier_of(provider, secrets, callback=callback)
            if verifier is not None and mine.isdisjoint(verifier.reads):
                yield _call(provider, callback=callback), verifier
    standard = _standard(secrets)
    if mine.isdisjoint(standard.reads):
        yield "Standard Webhooks", standard


def _verifier_of(provider: Provider, secrets: list[str], *, callback: bool) -> Verifier | None:
    for given in (secrets, [_ANY_SECRET]):
        try:
            return make_verifier(provider, given, callback=callback)
        except ConfigError:
            continue
    return None


def _standard(secrets: list[str]) -> Verifier:
    try:
        return StandardVerifier(*secrets)
    except ConfigError:
        return StandardVerifier(_ANY_SECRET)


def _call(provider: Provider, *, callback: bool = False) -> str:
    return f"a callback of {provider.title}" if callback else provider.title
