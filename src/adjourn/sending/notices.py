"""The mails to an app's primary contact, in plain text. Pure; the mailer sends them.

Whoever reads one has a webhook endpoint to mend: what happened, why, what waits, and the calls to make. No
secret is in them, and no host of the API: readers know it, and it differs with every installation.
"""

import textwrap
from collections.abc import Callable, Mapping
from datetime import timedelta

from adjourn.models import App, Notice, NoticeKind

__all__ = ["render"]

_WIDTH = 72
_LONGEST_NAME = 80  # characters of a name that a subject repeats
# For how long the endpoint may have failed when the notice was made: as long as silence is borne, and an hour
# for the first retries; a URL that is gone is told of at once; and for how long it was off nobody knows.
_FAILED_FOR = {
    NoticeKind.HALF_WAY: timedelta(hours=37),
    NoticeKind.AUTO_DISABLED: timedelta(hours=73),
    NoticeKind.URL_GONE: timedelta(hours=24),
    NoticeKind.AUTOMATION_GONE: timedelta(hours=24),
    NoticeKind.ENABLED_AGAIN: timedelta(days=7),
}


def render(notice: Notice, app: App) -> tuple[str, str]:
    """Subject, one line, and text."""
    subject, parts = _KINDS[notice.kind](notice, _name(app.name))
    about = f"App: {_name(app.name)}\nClient id: {_one_line(app.client_id)}"
    return subject, "\n\n".join([*parts, _IN_THE_CALLS, about]) + "\n"


_Rendered = tuple[str, list[str]]


def _half_way(notice: Notice, name: str) -> _Rendered:
    return f"Webhooks of {name} keep failing", [
        _paragraph(
            f"Webhooks of your app {name} keep failing. If that goes on they will be disabled automatically."
        ),
        _why(notice.facts),
        _paragraph(
            "Nothing is disabled yet, and nothing will be once your endpoint answers 2xx within 30 seconds "
            "again. Deliveries that fail are retried, and those that were abandoned can be sent again."
        ),
        "What to do:",
        _look(1),
        _mend(2),
        _resend(3, notice),
    ]


def _auto_disabled(notice: Notice, name: str) -> _Rendered:
    return f"Webhooks of {name} were disabled", [
        _paragraph(f"Webhooks of your app {name} were disabled automatically, because they kept failing."),
        _why(notice.facts),
        _HELD,
        "What to do:",
        _look(1),
        _mend(2),
        _enable(3),
        _check(4),
        _resend(5, notice),
    ]


def _url_gone(notice: Notice, name: str) -> _Rendered:
    return f"Webhooks of {name} were disabled: the URL answered 410 Gone", [
        _paragraph(
            f"Webhooks of your app {name} were disabled, because its webhook URL answered 410 Gone. That "
            "says: this URL is gone for good, send nothing more."
        ),
        _url(notice.facts),
        _HELD,
        "If you gave the URL up on purpose, there is nothing to do. Otherwise:",
        _numbered(
            1,
            "Mend the endpoint, or set the URL that took its place:",
            _call("PATCH", "/app", '{"webhook_url": "https://example.com/webhooks"}'),
        ),
        _enable(2),
        _check(3),
        _resend(4, notice),
    ]


def _automation_gone(notice: Notice, name: str) -> _Rendered:
    automation = _name(notice.facts.get("name", ""))
    return f"Automation {automation} of {name} was deactivated: its URL answered 410 Gone", [
        _paragraph(
            f"The automation {automation} of your app {name} was deactivated, because its own webhook URL "
            "answered 410 Gone. That says: this URL is gone for good, send nothing more."
        ),
        _url(notice.facts),
        _paragraph(
            "Nothing else changed: the app's other webhooks go on. What was already on its way to this URL "
            "is held, and sent once the automation is active again."
        ),
        "If you gave the URL up on purpose, there is nothing to do. Otherwise:",
        _numbered(1, "Find the automation's id:", _call("GET", "/automations")),
        _numbered(
            2,
            "Set its URL, and make it active again:",
            _call(
                "PATCH",
                "/automations/$AUTOMATION_ID",
                '{"status": "active", "webhook_url": "https://example.com/webhooks"}',
            ),
        ),
        _resend(3, notice),
    ]


def _enabled_again(notice: Notice, name: str) -> _Rendered:
    return f"Webhooks of {name} are enabled again", [
        _paragraph(
            f"Webhooks of your app {name} are enabled again. New events are delivered as they happen. What "
            "waited meanwhile is delivered, oldest first, or was discarded, as was chosen with the enabling."
        ),
        "To see how it goes:",
        _call("GET", "/webhook-status"),
        _paragraph(f"To get again what was abandoned: {_SINCE}"),
        _resending(notice),
    ]


_KINDS: Mapping[NoticeKind, Callable[[Notice, str], _Rendered]] = {
    NoticeKind.HALF_WAY: _half_way,
    NoticeKind.AUTO_DISABLED: _auto_disabled,
    NoticeKind.URL_GONE: _url_gone,
    NoticeKind.AUTOMATION_GONE: _automation_gone,
    NoticeKind.ENABLED_AGAIN: _enabled_again,
}


# --- what several of them say


def _why(facts: Mapping[str, str]) -> str:
    return _paragraph(f"Why: {_one_line(facts.get('reason', ''))}")


def _url(facts: Mapping[str, str]) -> str:
    """Without its query: some keep a key there."""
    url, query, _ = _one_line(facts.get("url", "")).partition("?")
    return f"URL: {url}{query and '?...'}"


def _paragraph(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


_IN_THE_CALLS = _paragraph(
    "In these calls $BASE_URL is the address of the API, and $API_KEY and $CLIENT_ID are those of your app."
)
_HELD = _paragraph(
    "What waits: nothing is lost. Events that happen from now on are recorded as pending if they pass your "
    "filter, and the deliveries that had retries left are held with them. You decide what becomes of them "
    "when you enable webhooks again."
)


def _look(number: int) -> str:
    return _numbered(
        number,
        "Look at the latest failures:",
        _call("GET", "/webhook-status"),
        _call("GET", "/webhook-deliveries?status=failed"),
        _call("GET", "/webhook-deliveries?status=abandoned"),
    )


def _mend(number: int) -> str:
    return _numbered(
        number, "Mend your endpoint: it should be reachable, and answer 2xx quickly; work can follow later."
    )


def _enable(number: int) -> str:
    return _numbered(
        number,
        'Enable webhooks again. "deliver" sends what waits, oldest first; "abandon" discards it:',
        _call("PUT", "/webhook-status", '{"enabled": true, "pending_disposition": "deliver"}'),
    )


def _check(number: int) -> str:
    return _numbered(number, "See that webhook_enabled is true:", _call("GET", "/app"))


def _resend(number: int, notice: Notice) -> str:
    text = f"If you want what was abandoned before, have it sent again. {_SINCE}"
    return _numbered(number, text, _resending(notice))


_SINCE = '"since" should be the moment from which your endpoint failed; this one is an estimate.'


def _resending(notice: Notice) -> str:
    """Never of all history: that would be sent again, too."""
    since = f"{notice.created_at - _FAILED_FOR[notice.kind]:%Y-%m-%dT%H:%M:%SZ}"
    body = f'{{"status": "abandoned", "since": "{since}"}}'
    return _call("POST", "/webhook-deliveries/retry", body)


def _numbered(number: int, text: str, *calls: str) -> str:
    lines = textwrap.fill(text, _WIDTH, initial_indent=f"{number}. ", subsequent_indent="   ")
    return "\n\n".join([lines, *calls])


def _call(method: str, path: str, body: str | None = None) -> str:
    """A call with curl. $BASE_URL, $API_KEY and $CLIENT_ID are the reader's own."""
    lines = [
        f'curl -X {method} "$BASE_URL/v1/partner/admin{path}"',
        '-H "X-API-Key: $API_KEY" -H "X-Client-ID: $CLIENT_ID"',
    ]
    if body is not None:
        lines += ['-H "Content-Type: application/json"', f"-d '{body}'"]
    return textwrap.indent(" \\\n  ".join(lines), "   ")


def _name(text: str) -> str:
    line = _one_line(text)
    return line if len(line) <= _LONGEST_NAME else f"{line[: _LONGEST_NAME - 3]}..."


def _one_line(text: str) -> str:
    """Whatever a partner wrote: printable, and on one line."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
