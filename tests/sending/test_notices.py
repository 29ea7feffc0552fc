"""What an app's contact reads."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from adjourn.config import Secret
from adjourn.models import App, AppOptions, AppStatus, Notice, NoticeKind
from adjourn.sending.notices import render

MADE = datetime(2026, 3, 1, 12, tzinfo=UTC)
FACTS = {
    NoticeKind.HALF_WAY: {"reason": "25 deliveries were abandoned; at 50 webhooks are disabled."},
    NoticeKind.AUTO_DISABLED: {"reason": "50 deliveries were abandoned."},
    NoticeKind.URL_GONE: {"url": "https://partner.example/hooks?key=hidden"},
    NoticeKind.AUTOMATION_GONE: {"url": "https://partner.example/auto", "name": "Follow-ups"},
    NoticeKind.ENABLED_AGAIN: {},
}


def rendered(kind: NoticeKind, **given: Any) -> tuple[str, str]:
    fields: dict[str, Any] = {
        "id": "app-1",
        "version": 1,
        "provider": "contio",
        "name": "CRM Sync",
        "description": None,
        "company_name": "Example",
        "client_id": "client-1",
        "primary_contact_email": "dev@partner.example",
        "webhook_url": "https://partner.example/hooks?key=hidden",
        "webhook_enabled": False,
        "webhook_filter": None,
        "status": AppStatus.ACTIVE,
        "slug": None,
        "options": AppOptions(),
        "webhook_secret": Secret("hidden"),
        "created_at": MADE,
        "updated_at": MADE,
    }
    facts = given.pop("facts", FACTS[kind])
    notice = Notice(id=1, app_id="app-1", kind=kind, facts=facts, created_at=MADE)
    return render(notice, App(**fields | given))


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        (NoticeKind.HALF_WAY, "Webhooks of CRM Sync keep failing"),
        (NoticeKind.AUTO_DISABLED, "Webhooks of CRM Sync were disabled"),
        (NoticeKind.URL_GONE, "Webhooks of CRM Sync were disabled: the URL answered 410 Gone"),
        (
            NoticeKind.AUTOMATION_GONE,
            "Automation Follow-ups of CRM Sync was deactivated: its URL answered 410 Gone",
        ),
        (NoticeKind.ENABLED_AGAIN, "Webhooks of CRM Sync are enabled again"),
    ],
)
def test_each_kind_has_its_subject(kind: NoticeKind, subject: str) -> None:
    assert rendered(kind)[0] == subject


@pytest.mark.parametrize("kind", [NoticeKind.HALF_WAY, NoticeKind.AUTO_DISABLED])
def test_it_says_why(kind: NoticeKind) -> None:
    assert f"Why: {FACTS[kind]['reason']}" in " ".join(rendered(kind)[1].split())


@pytest.mark.parametrize("kind", [NoticeKind.AUTO_DISABLED, NoticeKind.URL_GONE])
def test_it_says_what_waits_and_how_to_enable(kind: NoticeKind) -> None:
    text = rendered(kind)[1]
    assert "recorded as pending" in " ".join(text.split())
    assert 'curl -X PUT "$BASE_URL/v1/partner/admin/webhook-status"' in text
    assert """-d '{"enabled": true, "pending_disposition": "deliver"}'""" in text


def test_each_text_ends_with_the_app_and_its_calls_are_the_readers_own() -> None:
    for kind in NoticeKind:
        text = rendered(kind)[1]
        calls = text.count("curl ")
        assert calls >= 2
        assert text.count('-H "X-API-Key: $API_KEY" -H "X-Client-ID: $CLIENT_ID"') == calls
        assert text.count('"$BASE_URL/v1/partner/admin/') == calls
        assert text.endswith("\n\nApp: CRM Sync\nClient id: client-1\n")


def test_no_text_tells_a_secret_or_a_host_of_the_api() -> None:
    for kind in NoticeKind:
        subject, text = rendered(kind)
        assert "hidden" not in subject + text
        hosts = set(re.findall(r"https?://([^/\"]+)", text))
        assert hosts <= {"example.com", "partner.example"}
    assert "URL: https://partner.example/hooks?...\n" in rendered(NoticeKind.URL_GONE)[1]
    assert "URL: https://partner.example/auto\n" in rendered(NoticeKind.AUTOMATION_GONE)[1]


def test_prose_fits_a_narrow_window() -> None:
    for kind in NoticeKind:
        prose = [line for line in rendered(kind)[1].splitlines() if "curl" not in line and " -d " not in line]
        assert max(map(len, prose)) <= 72


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("A\r\nBcc: b", "A Bcc: b"),
        ("  A \t B\x00\x7f\u2028", "A B"),
        ("Ü 会議", "Ü 会議"),
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 77 + "..."),
    ],
)
def test_a_name_stays_on_its_line(name: str, shown: str) -> None:
    subject, text = rendered(NoticeKind.HALF_WAY, name=name)
    assert subject == f"Webhooks of {shown} keep failing"
    assert f"App: {shown}\n" in text


def test_missing_facts_spoil_no_mail() -> None:
    for kind in NoticeKind:
        assert rendered(kind, facts={})[1]


@pytest.mark.parametrize(
    ("kind", "since"),
    [
        (NoticeKind.HALF_WAY, "2026-02-27T23:00:00Z"),
        (NoticeKind.AUTO_DISABLED, "2026-02-26T11:00:00Z"),
        (NoticeKind.URL_GONE, "2026-02-28T12:00:00Z"),
        (NoticeKind.AUTOMATION_GONE, "2026-02-28T12:00:00Z"),
        (NoticeKind.ENABLED_AGAIN, "2026-02-22T12:00:00Z"),
    ],
)
def test_what_is_sent_again_begins_when_it_may_have_failed(kind: NoticeKind, since: str) -> None:
    text = rendered(kind)[1]
    (body,) = re.findall(r"/webhook-deliveries/retry.*?-d '(.*?)'", text, re.DOTALL)
    assert json.loads(body) == {"status": "abandoned", "since": since}
    assert '"since" should be the moment from which your endpoint failed' in " ".join(text.split())
