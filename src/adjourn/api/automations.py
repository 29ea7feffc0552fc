"""Automations in both APIs, and in both forms of CONTRACTS 1.7: the routes, how they come in and go out.

The new form has actions and a status; the older one a webhook_url, matching_rules and is_active. Both fill
the same noun, and an answer has the fields of both.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from litestar import Controller, Response, delete, get, patch, post, put
from litestar.params import FromPath
from msgspec import UNSET, Meta, Struct, UnsetType

from adjourn.api.bodies import ChangeAutomation
from adjourn.api.callers import Concerned, once
from adjourn.api.idempotency import Keep
from adjourn.api.inputs import page, read_json
from adjourn.api.problems import Answer
from adjourn.api.services import AnyRequest, Services, Wired, answer, json_answer
from adjourn.api.shapes import listing
from adjourn.check import check
from adjourn.errors import Fault, InputError
from adjourn.models import Action, Automation, AutomationStatus
from adjourn.sending.automations import get as get_automation
from adjourn.urlrule import USUAL, UrlRule
from adjourn.wirejson import utc

__all__ = ["Automations", "automation_shape", "changed", "from_create", "put_automation", "read_change"]

Json = dict[str, Any]

_OLDER_TRIGGER = "action_item_created"  # the older form names none
# What partners write is matched with action items, in the loop that publishes for all: sending/matching.py.
_MOST_BYTES = 16 << 10  # of an automation's name, description, actions and keywords, as JSON
_MOST_PHRASES = 100  # of an automation, in all of its actions


class _WebhookConfig(Struct, frozen=True):
    url: Annotated[str, Meta(extra_json_schema={"format": "http-url"})] | UnsetType = UNSET


class _PhraseConfig(Struct, frozen=True):
    phrases: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(max_length=_MOST_PHRASES)
    ]


# The fields of an action's config that mean something here; others are the partner's own.
_CONFIGS: Mapping[str, type[Struct]] = {"webhook": _WebhookConfig, "phrase_match": _PhraseConfig}


class Automations(Controller):
    path = "/"

    @get()
    async def list_all(self, app: Concerned, request: AnyRequest) -> Response[bytes]:
        limit, offset = page(request.query_params)
        items = [automation_shape(each) for each in app.automations[offset : offset + limit]]
        return answer(json_answer(listing(items, len(app.automations), (limit, offset))))

    @post()
    async def create(self, app: Concerned, request: AnyRequest, services: Wired) -> Response[bytes]:
        async def work(keep: Keep) -> Answer:
            automation = from_create(
                await request.body(),
                request.headers.get("content-type", ""),
                app_id=app.id,
                automation_id=services.ids(),
                now=datetime.now(UTC),
                urls=services.urls,
            )
            reply = json_answer(automation_shape(automation), 201)
            await services.automations.create(automation, keep=lambda: keep(reply))
            return reply

        return answer(await once(services, request, work))

    @get("/{automation_id:str}")
    async def show(self, automation_id: FromPath[str], app: Concerned) -> Response[bytes]:
        return answer(json_answer(automation_shape(get_automation(app, automation_id))))

    @patch("/{automation_id:str}")
    async def change(
        self, automation_id: FromPath[str], app: Concerned, request: AnyRequest, services: Wired
    ) -> Response[bytes]:
        return await _change(services, request, app.id, automation_id)

    @delete("/{automation_id:str}", status_code=204)
    async def remove(self, automation_id: FromPath[str], app: Concerned, services: Wired) -> None:
        await services.automations.delete(app.id, automation_id)


@put("/{automation_id:str}")
async def put_automation(
    automation_id: FromPath[str], app: Concerned, request: AnyRequest, services: Wired
) -> Response[bytes]:
    """As PATCH; the partner API has both."""
    return await _change(services, request, app.id, automation_id)


async def _change(
    services: Services, request: AnyRequest, app_id: str, automation_id: str
) -> Response[bytes]:
    form = read_change(await request.body(), request.headers.get("content-type", ""), urls=services.urls)
    now = datetime.now(UTC)
    automation = await services.automations.change(
        app_id, automation_id, lambda automation: changed(automation, form, now=now)
    )
    return answer(json_answer(automation_shape(automation)))


# --- how they come in


def from_create(
    body: bytes,
    content_type: str,
    *,
    app_id: str,
    automation_id: str,
    now: datetime,
    urls: UrlRule = USUAL,
) -> Automation:
    """A new automation. Raises Problem (415), JsonError, and InputError with every fault."""
    form = _read(body, content_type, urls, new=True)
    assert form.name is not UNSET  # or _read had refused it
    blank = Automation(
        id=automation_id,
        app_id=app_id,
        name=form.name,
        description=None,
        trigger_type=_OLDER_TRIGGER,
        actions=(),
        keywords=(),
        status=AutomationStatus.ACTIVE,
        created_at=now,
        updated_at=now,
    )
    return changed(blank, form, now=now)


def read_change(body: bytes, content_type: str, *, urls: UrlRule = USUAL) -> ChangeAutomation:
    """What is to be changed. Raises Problem (415), JsonError, and InputError with every fault."""
    return _read(body, content_type, urls, new=False)


def changed(automation: Automation, form: ChangeAutomation, *, now: datetime) -> Automation:
    """The automation with the fields given: absent ones stay, null clears. The same if nothing changes.

    Raises InputError where what it becomes is too large.
    """
    given: Json = {
        name: value
        for name in ("name", "description", "trigger_type")
        if (value := getattr(form, name)) is not UNSET
    }
    if form.actions is not UNSET:
        given["actions"] = tuple(Action(each.type, each.config) for each in form.actions)
    if form.webhook_url is not UNSET:
        given["actions"] = _with_url(given.get("actions", automation.actions), form.webhook_url)
    if form.matching_rules is not UNSET:
        given["keywords"] = tuple(form.matching_rules.keywords) if form.matching_rules else ()
    if form.status is not UNSET:
        given["status"] = AutomationStatus(form.status)
    elif form.is_active is not UNSET:
        given["status"] = AutomationStatus.ACTIVE if form.is_active else AutomationStatus.INACTIVE
    after = msgspec.structs.replace(automation, **given)
    if after == automation:
        return automation
    if _content(after) != _content(automation):
        _check_size(after)
    return msgspec.structs.replace(after, updated_at=now)


def _content(automation: Automation) -> Json:
    """What a partner writes at length."""
    return {
        "name": automation.name,
        "description": automation.description,
        "actions": [_action_shape(each) for each in automation.actions],
        "keywords": automation.keywords,
    }


def _check_size(automation: Automation) -> None:
    size = len(msgspec.json.encode(_content(automation)))
    if size > _MOST_BYTES:
        reason = (
            f"name, description, actions and keywords are {size:,} bytes of JSON; "
            f"they must be at most {_MOST_BYTES:,} together"
        )
        raise InputError("the automation is too large", faults=[Fault("$", reason)])


def _with_url(actions: tuple[Action, ...], url: str | None) -> tuple[Action, ...]:
    """With the URL of the webhook action replaced, added or taken away."""
    if url is not None and all(each.type != "webhook" for each in actions):
        return (*actions, Action("webhook", {"url": url}))
    return tuple(_with_own_url(each, url) if each.type == "webhook" else each for each in actions)


def _with_own_url(action: Action, url: str | None) -> Action:
    rest = {name: value for name, value in (action.config or {}).items() if name != "url"}
    return Action(action.type, rest if url is None else {**rest, "url": url})


def _read(body: bytes, content_type: str, urls: UrlRule, *, new: bool) -> ChangeAutomation:
    value = read_json(body, content_type)
    faults = check(ChangeAutomation, value)
    if isinstance(value, dict):
        faults += [*_missing(value)] if new else []
        faults += [*_action_faults(value), *_contradictions(value), *_url_faults(value, urls)]
    if faults:
        raise InputError("the body has faults", faults=faults)
    return msgspec.convert(value, ChangeAutomation)


def _missing(value: Json) -> Iterator[Fault]:
    if "name" not in value:
        yield Fault("$.name", "is required")
    if value.get("webhook_url") is None:
        for name in ("trigger_type", "actions"):
            if name not in value:
                yield Fault(f"$.{name}", "is required, or webhook_url in its place")


def _action_faults(value: Json) -> Iterator[Fault]:
    """What the struct cannot say. Whatever has not even its form is passed over."""
    webhooks = phrases = 0
    for index, action in _actions(value):
        kind, config = action.get("type"), action.get("config") or {}
        if kind == "webhook" and (webhooks := webhooks + 1) > 1:
            yield Fault(f"$.actions[{index}]", "is a second webhook action; an automation has at most one")
        if not isinstance(config, dict):
            continue
        yield from _config_faults(kind, config, f"$.actions[{index}].config")
        if kind == "webhook" and config and "url" not in config and "webhook_url" not in value:
            yield Fault(f"$.actions[{index}].config.url", "is required beside what else the config has")
        if kind == "phrase_match" and isinstance(found := config.get("phrases"), list):
            phrases += len(found) if len(found) <= _MOST_PHRASES else 0  # it has its fault already
    if phrases > _MOST_PHRASES:
        yield Fault("$.actions", f"have {phrases:,} phrases in all; must have at most {_MOST_PHRASES}")


def _actions(value: Json) -> Iterator[tuple[int, Json]]:
    """Those that have the form of one, each with its place."""
    actions = value.get("actions")
    for index, action in enumerate(actions if isinstance(actions, list) else ()):
        if isinstance(action, dict):
            yield index, action


def _config_faults(kind: object, config: Json, path: str) -> Iterator[Fault]:
    if isinstance(kind, str) and (struct := _CONFIGS.get(kind)) is not None:
        ours = {name: config[name] for name in struct.__struct_fields__ if name in config}
        yield from check(struct, ours, path=path)
    if kind == "phrase_match" and config.get("phrases") == []:
        yield Fault(f"{path}.phrases", "must not be empty")


def _contradictions(value: Json) -> Iterator[Fault]:
    """The same thing given in both forms, and not alike."""
    status, is_active = value.get("status"), value.get("is_active")
    if status in [*AutomationStatus] and isinstance(is_active, bool) and is_active != (status == "active"):
        yield Fault("$.is_active", f"contradicts $.status, which is {status}")
    for index, url in _own_urls(value) if "webhook_url" in value else ():
        if url != value["webhook_url"]:
            yield Fault("$.webhook_url", f"contradicts $.actions[{index}].config.url")


def _url_faults(value: Json, urls: UrlRule) -> Iterator[Fault]:
    """Those to which nothing may be sent."""
    given = [(f"$.actions[{index}].config.url", url) for index, url in _own_urls(value)]
    for path, url in [("$.webhook_url", value.get("webhook_url")), *given]:
        if (fault := urls.find_fault(url)) is not None:
            yield Fault(path, fault)


def _own_urls(value: Json) -> Iterator[tuple[int, object]]:
    """The URL of each webhook action that has one, and its place."""
    for index, action in _actions(value):
        config = action.get("config")
        if action.get("type") == "webhook" and isinstance(config, dict) and "url" in config:
            yield index, config["url"]


# --- how they go out


def automation_shape(automation: Automation) -> Json:
    """With the fields of both forms: resources.Automation."""
    shape: Json = {
        "id": automation.id,
        "partner_app_id": automation.app_id,
        "name": automation.name,
        "description": automation.description,
        "trigger_type": automation.trigger_type,
        "actions": [_action_shape(each) for each in automation.actions],
        "status": automation.status,
        "webhook_url": automation.webhook_url,
        "matching_rules": {"keywords": list(automation.keywords)},
        "is_active": automation.status is AutomationStatus.ACTIVE,
        "created_at": utc(automation.created_at),
        "updated_at": utc(automation.updated_at),
    }
    return {name: value for name, value in shape.items() if value is not None}


def _action_shape(action: Action) -> Json:
    return {"type": action.type} | ({} if action.config is None else {"config": action.config})
