"""Why a webhook did not verify: the usual mistakes, each undone and tried. Pure.

It asks the receiver's own verifier about the webhook as it would have been without the mistake, so whatever
it finds is proven, and every comparison is in constant time. What can only be seen, not undone, comes after.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil

from msgspec import structs

from adjourn.receiving.allowance import LONGEST_TRIED, Allowance
from adjourn.receiving.body_forms import body_forms, name_body_fault
from adjourn.receiving.diagnosis import Case, Diagnosis
from adjourn.receiving.other_ways import look_at_senders, try_options, try_other_signature
from adjourn.receiving.secret_forms import name_fault, secret_forms

__all__ = ["LONGEST_TRIED", "diagnose"]

_LONGEST_HEADER = 1_000  # characters of a signature header; each signature in it is compared at every try
_MOST_SECRETS = 4
_MOST_NAMED = 8  # headers

_SIGNATURE_LIKE = re.compile(r"signature|hmac|digest|svix|webhook|secret")
_HALF_HOUR = timedelta(minutes=30)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Look = Callable[[Case], Diagnosis | None]


def diagnose(case: Case, *, longest: int = LONGEST_TRIED) -> Diagnosis:
    """The likely cause. Never raises; a body over `longest` bytes, and endless headers, are not tried."""
    case = replace(case, allowance=Allowance(longest))
    if case.error.code == "timestamp_out_of_tolerance":
        return _look_at_clock(case)
    return _first(case, _LOOKS.get(case.error.code, ())) or _unknown(case)


def _first(case: Case, looks: Sequence[Look]) -> Diagnosis | None:
    tried = looks if _can_be_tried(case) else [each for each in looks if each in _ONLY_LOOKING]
    return next((found for look in tried if (found := look(case)) is not None), None)


def _can_be_tried(case: Case) -> bool:
    short = all(len(case.find(name) or "") <= _LONGEST_HEADER for name in case.verifier.reads)
    return short and isinstance(case.body, bytes) and len(case.body) <= case.allowance.longest


def _unknown(case: Case) -> Diagnosis:
    text = (
        "no usual mistake explains it: is the secret that of this app and environment, and the newest? "
        "Or somebody else sent it"
    )
    if case.error.code == "signature_mismatch" and not _can_be_tried(case):
        text += f"; a body over {case.allowance.longest} bytes is not tried in other forms"
    elif case.allowance.is_spent:
        text += "; not all was tried, for that would take long"
    return Diagnosis("unknown", text, certain=False)


# --- the body


def _look_at_kind(case: Case) -> Diagnosis | None:
    if isinstance(case.body, bytes):
        return None
    match case.body:
        case str():
            text = "the body was decoded to text: give the bytes as they came"
        case bytearray() | memoryview():
            text = "the body is a buffer: give bytes(body)"
        case None:
            text = "there is no body: was it read before?"
        case _:
            text = "the body was parsed already: give the raw bytes of the request, not its JSON or its form"
    return Diagnosis("not_bytes", f"{text} ({_RAW_BODIES})", certain=True)


_RAW_BODIES = (
    "Flask: request.get_data(); Django: request.body; Starlette, FastAPI and Litestar: await request.body(); "
    "aiohttp: await request.read()"
)


def _look_at_emptiness(case: Case) -> Diagnosis | None:
    if case.body != b"":
        return None
    return Diagnosis(
        "empty_body",
        "the body is empty: something read it before, a form or JSON parser or a middleware; read the raw "
        f"bytes first ({_RAW_BODIES})",
        certain=True,
    )


def _try_body_forms(case: Case) -> Diagnosis | None:
    assert isinstance(case.body, bytes)
    for form in body_forms(case.body, case.provider, longest=case.allowance.longest):
        if case.passes(body=form.body):
            return Diagnosis(form.cause, form.text, certain=True)
        if case.allowance.is_spent:
            break
    return None


def _look_at_body(case: Case) -> Diagnosis | None:
    assert isinstance(case.body, bytes)
    said, length = case.find("content-length") or "", len(case.body)
    if re.fullmatch(r"[0-9]{1,15}", said) and int(said) != length:
        return Diagnosis(
            "body_cut",
            f"the body has {length} bytes, and content-length says {int(said)}: it was cut or changed",
            certain=False,
        )
    fault = name_body_fault(case.body)
    return None if fault is None else Diagnosis(*fault, certain=False)


# --- the secret


def _try_secrets(case: Case) -> Diagnosis | None:
    for secret in case.others[:_MOST_SECRETS]:
        if case.passes_by(secret.reveal()):
            wanted, given = ("webhooks", "callbacks")[:: -1 if case.callback else 1]
            return Diagnosis(
                "secret_mixed_up", f"the secret of {given} signs these {wanted}: swap the two", certain=True
            )
    for secret in case.secrets[:_MOST_SECRETS]:
        for form in secret_forms(secret.reveal()):
            if case.passes_by(form.secret):
                return Diagnosis(form.cause, form.text, certain=True)
    return None


def _look_at_secrets(case: Case) -> Diagnosis | None:
    fault = next((found for each in case.secrets if (found := name_fault(each.reveal()))), None)
    return None if fault is None else Diagnosis("secret_form", f"the secret {fault}", certain=False)


def _look_at_key_kind(case: Case) -> Diagnosis | None:
    """Signatures of the one kind, and keys of the other."""
    value = " ".join(case.find(name) or "" for name in case.verifier.reads if name.endswith("signature"))
    private = "v1a," in value and "v1," not in value
    if private and not any(each.reveal().startswith(("whpk_", "whsk_")) for each in case.secrets):
        text = "the sender signs with a key pair: give its public key, whpk_..."
    elif "v1," in value and "v1a," not in value and case.error.code == "unknown_scheme":
        text = "the sender signs with a shared secret, and only a key of a pair is given: give the whsec_..."
    else:
        return None
    return Diagnosis("key_pair", text, certain=True)


# --- the headers


def _try_names(case: Case) -> Diagnosis | None:
    """Names as CGI and WSGI have them (HTTP_X_SIGNATURE), or with underscores."""
    renamed = [(name.removeprefix("http_").replace("_", "-"), value) for name, value in case.headers]
    names = {name for name, _ in renamed}
    if not names.issuperset(case.verifier.reads) or not case.verifier.reads:
        return None
    return Diagnosis(
        "header_names",
        "the headers' names have underscores, as in a WSGI environ or behind a proxy: give the framework's "
        "own headers (Flask and Django: request.headers)",
        certain=case.passes(headers=renamed),
    )


def _look_at_lost(case: Case) -> Diagnosis | None:
    reads = case.verifier.reads
    lost = [name for name in reads if name not in case.names]
    if lost and len(lost) < len(reads):
        return Diagnosis(
            "header_lost",
            f"{', '.join(lost)} was lost on the way, the others came: have the proxy or gateway pass it on",
            certain=False,
        )
    seen = [ascii(name[:64])[1:-1] for name in sorted(case.names)[:_MOST_NAMED]]
    more = len(case.names) - len(seen)
    listed = ", ".join(seen) + (f" and {more} more" if more else "")
    like = [name for name in case.names if _SIGNATURE_LIKE.search(name)]
    why = (
        "the sender signs in another way"
        if like
        else "the sender does not sign, a proxy or gateway drops its headers, or somebody else sent it"
    )
    return Diagnosis("no_signature", f"{why}; the request's headers are: {listed or 'none'}", certain=False)


def _look_at_values(case: Case) -> Diagnosis | None:
    for name in case.verifier.reads:
        values = case.list_values(name)
        if any(not isinstance(value, str | bytes) for value in values):
            text = f"{name} is a list: give the framework's own headers, one text each"
        elif len(set(values)) > 1:
            text = f"{name} comes twice: a proxy or gateway adds one of its own"
        elif name.endswith("signature") and re.fullmatch(r"[\"'].*[\"']", case.find(name) or ""):
            text = f"{name} stands in quotation marks: something on the way added them"
        else:
            continue
        return Diagnosis("header_form", text, certain=False)
    return None


# --- the time


def _look_at_unit(case: Case) -> Diagnosis | None:
    for name in case.verifier.reads:
        value = case.find(name) or ""
        if not name.endswith("timestamp"):
            continue
        if re.fullmatch(r"[0-9]{12,14}", value):
            at = _EPOCH + timedelta(milliseconds=int(value))
            text = f"{name} is in milliseconds ({at:%Y-%m-%dT%H:%M:%SZ}): it must be Unix seconds"
        elif re.fullmatch(r"[0-9]{1,11}\.[0-9]+", value):
            text = f"{name} has a fraction: it must be whole Unix seconds"
        elif re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            text = f"{name} is a date: it must be Unix seconds"
        else:
            continue
        return Diagnosis("timestamp_unit", f"{text}; sign and send those", certain=True)
    return None


def _look_at_clock(case: Case) -> Diagnosis:
    """By how much it is off, and whether all else is right."""
    given = [case.find(each) or "" for each in case.verifier.reads if each.endswith("timestamp")]
    if len(given) != 1 or not re.fullmatch(r"[0-9]{1,11}", given[0]):
        return Diagnosis("clock", f"is a clock wrong? {case.error}", certain=False)
    sent = _EPOCH + timedelta(seconds=int(given[0]))
    off = case.now - sent
    text = (
        f"it was signed {_span(off)} before now: repeated, held up on the way, or this clock is fast"
        if off > timedelta()
        else f"it was signed {_span(off)} after now: this clock is slow, or the sender's fast"
    )
    if abs(off) >= _HALF_HOUR and abs(off - _HALF_HOUR * round(off / _HALF_HOUR)) < timedelta(minutes=2):
        text += "; that is so many half hours: is it a time zone? timestamps are Unix seconds, of UTC"
    then = case.at(sent)
    if not _can_be_tried(case) or then.passes():
        return Diagnosis("clock", text, certain=_can_be_tried(case))
    also = _first(then, _LOOKS["signature_mismatch"]) or _unknown(then)
    return structs.replace(
        also, text=f"{text}. Besides, its signature does not fit: {also.text}", certain=False
    )


def _span(off: timedelta) -> str:
    seconds = ceil(abs(off).total_seconds())
    return f"{seconds} s" if seconds < 7_200 else f"{seconds} s (about {seconds / 3_600:.0f} h)"


_LOOKS: dict[str, tuple[Look, ...]] = {
    "malformed_body": (_look_at_kind,),
    "missing_header": (_try_names, try_options, look_at_senders, _look_at_lost),
    "malformed_header": (_look_at_unit, _look_at_values, try_options, _look_at_key_kind),
    "unknown_scheme": (try_options, _try_secrets, _look_at_key_kind),
    "signature_mismatch": (
        _look_at_emptiness,
        _try_secrets,
        try_options,
        _try_body_forms,
        try_other_signature,
        _look_at_secrets,
        _look_at_key_kind,
        _look_at_body,
    ),
}
_ONLY_LOOKING: tuple[Look, ...] = (
    _look_at_kind,
    _look_at_emptiness,
    _look_at_unit,
    _look_at_values,
    _look_at_lost,
    _look_at_secrets,
    _look_at_key_kind,
)
