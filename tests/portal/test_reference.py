"""The reference: a page for each provider with every event at the anchor of its name, and nothing fetched."""

import functools
import json
import re
from html.parser import HTMLParser

import httpx
import pytest
from litestar import Litestar

from adjourn.portal.pages import PAGES
from adjourn.portal.reference import page
from adjourn.providers import PROVIDERS

pytestmark = pytest.mark.anyio


class Read(HTMLParser):
    """A page: its anchors, its links, and by anchor the text and the rows of tables, each cell's text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.rows: dict[str, list[list[str]]] = {}
        self.text: dict[str, str] = {}
        self._at = ""
        self._in_cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        given = dict(attrs)
        self.links += [each for each in (given.get("href"), given.get("src")) if each]
        if found := given.get("id"):
            self.ids.append(found)
            self._at = found if tag in ("section", "h2") else self._at
        if tag == "tr":
            self.rows.setdefault(self._at, []).append([])
        if tag in ("td", "th"):
            self._in_cell = True
            self.rows[self._at][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text[self._at] = self.text.get(self._at, "") + data
        if self._in_cell:
            self.rows[self._at][-1][-1] += data


async def get(path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=_app())  # type: ignore[arg-type] # it is one
    async with httpx.AsyncClient(transport=transport, base_url="http://adjourn.test") as client:
        return await client.get(path)


@functools.cache
def _app() -> Litestar:
    return Litestar(route_handlers=PAGES, openapi_config=None)


async def read(path: str) -> Read:
    answer = await get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Read(answer.text)


EVERY = ["/reference", *(f"/reference/{name}" for name in PROVIDERS)]


async def test_the_list_leads_to_each_provider() -> None:
    found = await read("/reference")
    assert [each for each in found.links if each.startswith("/reference/")] == [
        "/reference/contio",
        "/reference/meetingbaas",
        "/reference/quil",
    ]


async def test_a_provider_that_is_none_is_a_page_of_404_that_leads_to_those_there_are() -> None:
    answer = await get("/reference/%3Cscript%3E")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "&lt;script&gt;" in answer.text
    assert "<script" not in answer.text
    assert "/reference/contio" in Read(answer.text).links


@pytest.mark.parametrize("path", [*EVERY, "/reference/nobody"])
async def test_a_page_runs_nothing_and_fetches_its_style_alone(path: str) -> None:
    answer = await get(path)
    found = Read(answer.text)
    assert not found.tags & {"script", "style", "img", "iframe", "form", "object", "base"}
    assert not [each for each in found.attributes if each == "style" or each.startswith("on")]
    assert all(each.startswith(("/", "#")) and not each.startswith("//") for each in found.links)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_style_is_served_and_fetches_nothing() -> None:
    answer = await get("/static/portal.css")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert not re.search(r"url\(|@import", answer.text)
    assert "prefers-color-scheme" in answer.text or "light-dark(" in answer.text


@pytest.mark.parametrize("path", EVERY)
async def test_a_page_suits_a_phone(path: str) -> None:
    assert '<meta name="viewport" content="width=device-width">' in (await get(path)).text


@pytest.mark.parametrize("name", PROVIDERS)
async def test_every_event_stands_at_the_anchor_of_its_name(name: str) -> None:
    found = await read(f"/reference/{name}")
    assert len(found.ids) == len({*found.ids})
    assert {*PROVIDERS[name].event_types, *PROVIDERS[name].aliases} <= {*found.ids}
    assert {each[1:] for each in found.links if each.startswith("#")} <= {*found.ids}


@pytest.mark.parametrize("name", PROVIDERS)
async def test_every_event_is_told_whole(name: str) -> None:
    found = await read(f"/reference/{name}")
    index = {row[0]: row[1:] for row in found.rows["index"]}
    for each in PROVIDERS[name].event_types.values():
        assert index[each.name] == [each.since or "", each.description]
        text = found.text[each.name]
        assert each.note is None or each.note in text
        start = text.index("{")
        assert json.JSONDecoder().raw_decode(text[start:])[0] == each.sample
        assert f"/schemas/{name}/{each.name}.json" in found.links
        assert f"/schemas/{name}/data/{each.name}.json" in found.links


# --- against the vendors' own documents


async def test_contios_index_has_the_groups_of_the_vendors() -> None:
    rows = (await read("/reference/contio")).rows["index"]
    assert rows[:4] == [
        ["Event", "Since", "Description"],
        ["Action Button"],
        ["action_button.triggered", "1.5", "Sent when a partner's action button is triggered"],
        ["Action Item"],
    ]
    assert [
        "meeting.context.processed",
        "1.4",
        "Sent when uploaded context data has been preprocessed",
    ] in rows


async def test_contios_envelope() -> None:
    rows = (await read("/reference/contio")).rows["envelope"]
    assert rows == [
        ["Field", "Type", "Required", "Description"],
        ["event_type", "string", "yes", "Event type identifier"],
        ["event_id", "string", "yes", "Unique event ID for idempotency"],
        ["timestamp", "date-time", "yes", "ISO 8601 timestamp of when the event occurred"],
        ["partner_app_id", "string", "yes", "Your partner application ID"],
        ["for_user", "object", "optional", "User context (id and email) for the event"],
        ["for_user.id", "string", "yes", "User ID"],
        ["for_user.email", "string", "yes", "User's email address"],
        ["actor_user_id", "string", "optional", "User whose action caused the event"],
        ["data", "object", "yes", "Event-specific payload data"],
    ]


async def test_fields_have_the_vendors_paths_and_say_what_may_be_absent_or_null() -> None:
    rows = (await read("/reference/contio")).rows["participant.added"]
    assert ["participants[].participant_id", "string", "yes", "Unique participant record ID"] in rows
    assert ["participants[].user_id", "string or null", "optional", "User ID (if registered user)"] in rows
    assert rows[1] == ["meeting_id", "string", "yes", "Meeting ID"]
    rows = (await read("/reference/contio")).rows["automation.assignment.created"]
    assert ["confidence_score", "number from 0 to 1", "optional", "Match confidence score (0-1)"] in rows


async def test_an_event_says_since_when_and_what_it_was_called() -> None:
    found = await read("/reference/contio")
    assert "Since 1.0" in found.text["automation.assignment.created"]
    assert "Once called workflow.assignment.created" in found.text["automation.assignment.created"]
    assert "Since" not in found.text["canvas_template.applied"]


async def test_contios_signature_and_retries() -> None:
    found = await read("/reference/contio")
    headers = [row[0] for row in found.rows["webhook"][1:]]
    assert headers[:3] == ["X-Contio-Timestamp", "X-Contio-Signature", "webhook-id"]
    assert "HMAC-SHA256" in found.text["webhook"]
    assert "1 min, 5 min and 30 min" in found.text["webhook"]
    assert "callback" not in found.ids


async def test_meeting_baas_has_extra_on_bots_and_callbacks_of_their_own() -> None:
    found = await read("/reference/meetingbaas")
    extra = next(row for row in found.rows["envelope"] if row[0] == "extra")
    assert extra[1:3] == ["object or null", "yes"]
    assert extra[3].endswith("Only in bot.completed, bot.failed, bot.status_change.")
    assert [row[0] for row in found.rows["webhook"][1:]] == ["svix-id", "svix-timestamp", "svix-signature"]
    assert [row[0] for row in found.rows["callback"][1:]] == ["x-mb-secret"]
    assert "It gets bot.completed, bot.failed alone." in " ".join(found.text["callback"].split())
    assert "1 s, 5 s and 15 s" in found.text["callback"]


async def test_quils_envelope() -> None:
    rows = (await read("/reference/quil")).rows["envelope"]
    assert [row[0] for row in rows[1:]] == ["eventType", "id", "createdAt", "data"]


async def test_asyncapi_is_there_to_download_in_each_form() -> None:
    links = (await read("/reference/quil")).links
    assert [each for each in links if "asyncapi" in each] == [
        "/asyncapi.json?provider=quil&version=3.0",
        "/asyncapi.yaml?provider=quil&version=3.0",
        "/asyncapi.json?provider=quil&version=2.6",
        "/asyncapi.yaml?provider=quil&version=2.6",
    ]


async def test_samples_are_escaped() -> None:
    text = (await get("/reference/contio")).text
    assert "&#34;event_type&#34;: &#34;meeting.created&#34;" in text


def test_groups_are_in_the_order_of_the_index() -> None:
    groups = [*page(PROVIDERS["contio"]).groups]
    assert groups[:5] == ["Action Button", "Action Item", "Agenda Item", "Automation", "Calendar Event"]
