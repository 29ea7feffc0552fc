"""Samples of every event of a catalog, as many as wanted, made from the same structs as the checker.

For whoever tests a receiver or a publisher, and for the property tests here. Pure; the same seed gives the
same bytes on every machine.

The first samples are systematic: one with every field, one with as few as may be, one with every null that is
allowed, then hard cases, where each choice a type leaves (a field given, absent or null; a value of an enum;
a member of a union; a boundary) is gone through in turn. From then on they are as real ones are.
"""

from collections.abc import Iterator
from itertools import count as counted
from itertools import islice
from typing import Any

import msgspec
import msgspec.inspect as mi

from adjourn import wirejson
from adjourn.documents.samples.times import spelled
from adjourn.documents.samples.values import EDGE_MOMENTS, FREE_OBJECTS, Scene, free_object
from adjourn.documents.samples.walk import Stage, Visits, Walk
from adjourn.models import AppOptions, Audience
from adjourn.providers.provider import EventType, Facts, JsonObject, Provider

__all__ = ["data_samples", "samples"]

_FIRST = (Stage.FULL, Stage.LEAST, Stage.NULLS)
_EDGES = 16  # samples that go through the hard cases, after those


def samples(
    provider: Provider, event_type: EventType, *, count: int, seed: int = 0, options: AppOptions | None = None
) -> Iterator[JsonObject]:
    """Whole events as a receiver gets them, envelope and all; each is the caller's own.

    As JSON has them: a number is an int where it is integral, and array indices come first among keys.
    The first of many are those of few. Their data are those of `data_samples` with what publishing adds, in
    the form that an app with these options gets; None: those an app has at first.
    """
    chosen = provider.options() if options is None else options
    for walk, published in islice(_walks(provider, event_type, seed), count):
        data = provider.prepare(event_type.name, published, path="$.data").data
        facts = _facts(walk, provider, event_type.name, data)
        if own := provider.own_form(chosen, event_type.name, data):
            facts, data = msgspec.structs.replace(facts, event_type=own.event_type), own.data
        yield _read(provider.head(facts) + wirejson.dumps(data) + b"}")


def data_samples(
    provider: Provider, event_type: EventType, *, count: int, seed: int = 0
) -> Iterator[JsonObject]:
    """The data of the same events as a publisher gives it: `check_data` finds nothing wrong with any."""
    for _, data in islice(_walks(provider, event_type, seed), count):
        yield data


def _walks(provider: Provider, event_type: EventType, seed: int) -> Iterator[tuple[Walk, JsonObject]]:
    node = mi.type_info(event_type.data)
    visits = Visits()
    for number in counted():
        stage = _stage(number)
        at = EDGE_MOMENTS[number % len(EDGE_MOMENTS)] if stage is Stage.EDGES else None
        scene = Scene(f"{seed}/{provider.name}/{event_type.name}/{number}", at)
        walk = Walk(scene, stage, visits)
        yield walk, _read(wirejson.dumps(walk.value(node, event_type.sample_data)))


def _stage(number: int) -> Stage:
    if number < len(_FIRST):
        return _FIRST[number]
    return Stage.EDGES if number < len(_FIRST) + _EDGES else Stage.USUAL


def _read(body: bytes) -> JsonObject:
    read: Any = wirejson.loads(body)
    return dict(read)


def _facts(walk: Walk, provider: Provider, name: str, data: JsonObject) -> Facts:
    """An envelope for that data, in each way that publishing might make one."""
    scene = walk.scene
    scene.meet()
    app_id, user = scene.uuid(), (scene.uuid(), scene.email)
    apps, users = Audience(partner_app_ids=(app_id,)), Audience(user_ids=(user[0],))
    actor = scene.uuid() if walk.turn("actor", 2) == 0 else None
    if provider.check_audience(name, data, users, actor):
        actor = user[0]  # an event that reaches whoever did it alone
    for_user = walk.turn("user", 3) < 2 or bool(provider.check_audience(name, data, apps, actor))
    return Facts(
        event_type=name,
        event_id=scene.uuid(),
        timestamp=spelled(scene.at),
        app_id=app_id,
        user=user if for_user else None,
        actor_user_id=actor,
        extra=_extra(walk) if provider.carries_extra(name) else None,
    )


def _extra(walk: Walk) -> bytes | None:
    """What a publisher gave along: an object as it likes, or nothing."""
    turn = walk.turn("extra", len(FREE_OBJECTS) + 2)
    if turn == 1:
        return None
    return wirejson.dumps(FREE_OBJECTS[turn - 2] if turn > 1 else free_object(walk.scene))
