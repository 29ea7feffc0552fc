"""Meeting BaaS v2: ten event types, each as a typed struct, and the provider made of them.

Webhooks go to an app's URL with Svix headers; callbacks, for bot.completed and bot.failed alone, to a bot's
own URL with a secret in a header. Their bodies are the same. The samples are in meetingbaas_samples.json.

Descriptions of fields are those of meetingbaas-v2-webhooks.txt, word for word. It describes neither types,
nor duration_seconds, nor what a status, a participant or an instance is made of: those are ours. Which fields
may be absent or null: CONTRACTS 2.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from importlib import resources
from inspect import cleandoc
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from adjourn import wirejson
from adjourn.check import OpenStruct
from adjourn.config import Secret
from adjourn.models import App, AppOptions, Policy
from adjourn.providers.normalised import (
    CalendarChanged,
    CalendarInstance,
    MeetingEnded,
    Person,
    later,
    read_moment,
    read_span,
)
from adjourn.providers.provider import (
    Callbacks,
    Count,
    EventType,
    Facts,
    JsonObject,
    OptionalStr,
    OwnForm,
    Prepared,
    Provider,
    Uri,
    body_key,
    check_data,
    doc,
)
from adjourn.providers.reading import ReceivedEvent
from adjourn.signing import Signer, StandardSigner, StandardVerifier, Verified, Verifier

# --- what the structs are made of

Uuid = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]

UtcTimestamp = Annotated[
    str,
    Meta(extra_json_schema={"format": "date-time", "pattern": "T.+Z$"}, extra={"format": "utc-date-time"}),
]

ConnectionStatus = Literal["active", "error", "revoked", "permission_denied"]

# Fields that several payloads have.
CalendarEventId = Annotated[
    Uuid | None, doc("The UUID of the calendar event associated with this bot. Null for non-calendar bots")
]
CalendarPlatform = Annotated[
    Literal["google", "microsoft"],
    doc(
        "The calendar platform. Either 'google' for Google Calendar or 'microsoft' for Microsoft Outlook/365"
    ),
]
Recurrence = Annotated[
    Literal["one_off", "recurring"],
    doc(
        "The type of event. 'one_off' for single events, 'recurring' for events that are part of "
        "a recurring series"
    ),
]
SeriesId = Annotated[
    Uuid | None,
    doc(
        "The UUID of the event series. Null only in rare cases where the series relationship "
        "could not be established"
    ),
]
SeriesBotScheduled = Annotated[
    bool,
    doc(
        "Whether a bot has been scheduled for all occurrences of this series. True if a calendar "
        "bot schedule exists for the entire series"
    ),
]


class BotEnvelope(ReceivedEvent, frozen=True, kw_only=True, tag_field="event"):
    """What an event of a bot carries around its data."""

    extra: Annotated[
        dict[str, Any] | None,
        doc(
            "Additional metadata provided when creating the bot. This is user-defined data that can "
            "be used for correlation or tracking"
        ),
    ]

    @property
    def event(self) -> str:
        """The webhook event type"""
        return str(self.__struct_config__.tag)


class CalendarEnvelope(ReceivedEvent, frozen=True, kw_only=True, tag_field="event"):
    """What an event of a calendar carries around its data: nothing but its type."""

    @property
    def event(self) -> str:
        """The webhook event type"""
        return str(self.__struct_config__.tag)


# --- bots


class Participant(Struct, frozen=True, kw_only=True):
    """Someone who joined the meeting, or spoke in it."""

    name: Annotated[str, doc("Name of the participant")]
    id: Annotated[int | None, doc("Number of the participant in the meeting. Null where it has none")]
    display_name: Annotated[OptionalStr, doc("Name that the meeting platform shows")] = UNSET
    profile_picture: Annotated[OptionalStr, doc("URL of the participant's picture")] = UNSET


Named = list[Participant | str] | None
"""Participants as today's clients read them, or by their names, as the document has them."""


class BotCompletedData(Struct, frozen=True, kw_only=True):
    bot_id: Annotated[Uuid, doc("The UUID of the bot that completed")]
    event_id: CalendarEventId
    participants: Annotated[
        Named,
        doc(
            "List of participant names or identifiers who joined the meeting. Null if participant "
            "information is not available"
        ),
    ]
    speakers: Annotated[
        Named,
        doc(
            "List of speaker names or identifiers detected in the meeting. Null if speaker "
            "information is not available"
        ),
    ]
    duration_seconds: Annotated[
        Count | None, doc("Length of the recording in seconds. Null if it is not available")
    ]
    joined_at: Annotated[
        UtcTimestamp | None,
        doc("ISO 8601 timestamp when the bot joined the meeting. Null if join time is not available"),
    ]
    exited_at: Annotated[
        UtcTimestamp | None,
        doc("ISO 8601 timestamp when the bot exited the meeting. Null if exit time is not available"),
    ]
    data_deleted: Annotated[
        bool,
        doc(
            "Whether the bot's data (artifacts, recordings) has been deleted. True if data has been "
            "permanently removed"
        ),
    ]
    video: Annotated[
        Uri | None,
        doc(
            "Signed URL to download the video recording. Valid for 4 hours. Null if video recording "
            "is not available or has been deleted"
        ),
    ]
    audio: Annotated[
        Uri | None,
        doc(
            "Signed URL to download the audio recording. Valid for 4 hours. Null if audio recording "
            "is not available or has been deleted"
        ),
    ]
    diarization: Annotated[
        Uri | None,
        doc(
            "Signed URL to download the speaker diarization data. Valid for 4 hours. Null if "
            "diarization is not available or has been deleted"
        ),
    ]
    raw_transcription: Annotated[
        Uri | None,
        doc(
            "Signed URL to download the raw transcription file. Valid for 4 hours. Null if raw "
            "transcription is not available or has been deleted"
        ),
    ]
    transcription: Annotated[
        Uri | None,
        doc(
            "Signed URL to download the processed transcription file. Valid for 4 hours. Null if "
            "transcription is not available or has been deleted"
        ),
    ]
    transcription_provider: Annotated[
        str | None,
        doc(
            "The transcription provider used (e.g., 'gladia', 'assemblyai'). Null if transcription "
            "was not enabled or if provider information is not available"
        ),
    ]
    transcription_ids: Annotated[
        list[str] | None,
        doc(
            "Array of transcription job IDs from the transcription provider. Null if transcription "
            "was not enabled or if IDs are not available"
        ),
    ]
    sent_at: Annotated[UtcTimestamp, doc("ISO 8601 timestamp when this webhook was sent")]


class BotCompleted(BotEnvelope, frozen=True, kw_only=True, tag="bot.completed"):
    """Sent when a bot has left its meeting and its recordings and transcripts are ready

    A bot with a callback of its own has the same body sent there, too. Links are valid for 4 hours after
    sent_at.
    """

    data: BotCompletedData


class BotFailedData(Struct, frozen=True, kw_only=True):
    bot_id: Annotated[Uuid, doc("The UUID of the bot that failed")]
    event_id: CalendarEventId
    error_message: Annotated[str, doc("Human-readable error message describing why the bot failed")]
    error_code: Annotated[
        str,
        doc(
            "Machine-readable error code for programmatic handling. Common codes include "
            "'MEETING_NOT_FOUND', 'MEETING_ENDED', 'BOT_CRASHED', etc."
        ),
    ]
    sent_at: Annotated[UtcTimestamp, doc("ISO 8601 timestamp when this webhook was sent")]


class BotFailed(BotEnvelope, frozen=True, kw_only=True, tag="bot.failed"):
    """Sent when a bot could not join its meeting, or could not record or transcribe it

    A bot with a callback of its own has the same body sent there, too.
    """

    data: BotFailedData


class BotStatus(OpenStruct, frozen=True, kw_only=True):
    """What a bot is doing, since when. Codes have fields of their own beside these."""

    code: Annotated[str, doc("What the bot is doing (e.g. joining_call, in_call_recording)")]
    created_at: Annotated[UtcTimestamp, doc("ISO 8601 timestamp when the bot changed status")]
    start_time: Annotated[
        int | UnsetType, doc("When the recording started, in Unix seconds, where the status tells it")
    ] = UNSET
    error_message: Annotated[OptionalStr, doc("What went wrong, where the status tells it")] = UNSET
    attempt: Annotated[int | UnsetType, doc("Number of the attempt, where the status tells it")] = UNSET
    max: Annotated[int | UnsetType, doc("Most attempts there will be, where the status tells it")] = UNSET


class BotStatusChangeData(Struct, frozen=True, kw_only=True):
    bot_id: Annotated[Uuid, doc("The UUID of the bot that changed status")]
    event_id: CalendarEventId
    status: Annotated[
        BotStatus, doc("Status information with code, timestamp, and optional status-specific fields")
    ]


class BotStatusChange(BotEnvelope, frozen=True, kw_only=True, tag="bot.status_change"):
    """Sent when a bot changes status"""

    data: BotStatusChangeData


# --- calendars


class ConnectionCreatedData(Struct, frozen=True, kw_only=True):
    calendar_id: Annotated[Uuid, doc("The UUID of the newly created calendar connection")]
    calendar_platform: CalendarPlatform
    account_email: Annotated[str, doc("The email address associated with the calendar account")]
    status: Annotated[
        ConnectionStatus,
        doc(
            "The current status of the calendar connection. Possible values: 'active' (connection is "
            "working), 'error' (connection has errors), 'revoked' (OAuth access was revoked), "
            "'permission_denied' (insufficient permissions)"
        ),
    ]
    created_at: Annotated[UtcTimestamp, doc("ISO 8601 timestamp when the calendar connection was created")]


class CalendarConnectionCreated(
    CalendarEnvelope, frozen=True, kw_only=True, tag="calendar.connection_created"
):
    """Sent when a calendar is connected"""

    data: ConnectionCreatedData


class ConnectionDeletedData(Struct, frozen=True, kw_only=True):
    calendar_id: Annotated[Uuid, doc("The UUID of the deleted calendar connection")]
    calendar_platform: CalendarPlatform
    deleted_at: Annotated[UtcTimestamp, doc("ISO 8601 timestamp when the calendar connection was deleted")]


class CalendarConnectionDeleted(
    CalendarEnvelope, frozen=True, kw_only=True, tag="calendar.connection_deleted"
):
    """Sent when a calendar is disconnected"""

    data: ConnectionDeletedData


class ConnectionUpdatedData(Struct, frozen=True, kw_only=True):
    calendar_id: Annotated[Uuid, doc("The UUID of the updated calendar connection")]
    calendar_platform: CalendarPlatform
    account_email: Annotated[str, doc("The email address associated with the calendar account")]
    status: Annotated[
        ConnectionStatus,
        doc(
            "The current status of the calendar connection after the update. Possible values: "
            "'active' (connection is working), 'error' (connection has errors), 'revoked' (OAuth "
            "access was revoked), 'permission_denied' (insufficient permissions)"
        ),
    ]
    created_at: Annotated[
        UtcTimestamp, doc("ISO 8601 timestamp when the calendar connection was originally created")
    ]
    updated_at: Annotated[UtcTimestamp, doc("ISO 8601 timestamp when the calendar connection was updated")]


class CalendarConnectionUpdated(
    CalendarEnvelope, frozen=True, kw_only=True, tag="calendar.connection_updated"
):
    """Sent when the status of a calendar connection changes"""

    data: ConnectionUpdatedData


class Instance(Struct, frozen=True, kw_only=True):
    """One occurrence of a calendar event."""

    event_id: Annotated[Uuid, doc("The UUID of this instance of the event")]
    start: Annotated[UtcTimestamp, doc("ISO 8601 timestamp when the instance starts")]
    end: Annotated[UtcTimestamp, doc("ISO 8601 timestamp when the instance ends")]
    title: Annotated[str, doc("The title of the event")]
    status: Annotated[
        Literal["confirmed", "cancelled", "tentative"],
        doc("Whether the instance is confirmed, cancelled or tentative"),
    ]
    is_all_day: Annotated[bool, doc("Whether the instance lasts all day")]
    is_exception: Annotated[bool, doc("Whether the instance is an exception to a recurring series")]
    bot_scheduled: Annotated[bool, doc("Whether a bot has been scheduled for this instance")]
    meeting_url: Annotated[str | None, doc("URL of the meeting. Null if the event has none")]
    meeting_platform: Annotated[
        Literal["zoom", "meet", "teams"] | None, doc("The platform of the meeting. Null if it is not known")
    ]


class EventCancelledData(Struct, frozen=True, kw_only=True):
    calendar_id: Annotated[Uuid, doc("The UUID of the calendar connection where the event was cancelled")]
    event_type: Recurrence
    series_id: SeriesId
    cancelled_instances: Annotated[
        list[Instance],
        doc(
            "Array of event instances that were cancelled. For one-off events, this contains a single "
            "instance. For recurring events, this contains all instances that were cancelled"
        ),
    ]


class CalendarEventCancelled(CalendarEnvelope, frozen=True, kw_only=True, tag="calendar.event_cancelled"):
    """Sent when an event of a connected calendar is cancelled"""

    data: EventCancelledData


class EventCreatedData(Struct, frozen=True, kw_only=True):
    calendar_id: Annotated[Uuid, doc("The UUID of the calendar connection where the event was created")]
    event_type: Recurrence
    series_id: SeriesId
    series_bot_scheduled: SeriesBotScheduled
    instances: Annotated[
        list[Instance],
        doc(
            "Array of event instances that were created. For one-off events, this contains a single "
            "instance. For recurring events, this contains all instances that were created"
        ),
    ]


class CalendarEventCreated(CalendarEnvelope, frozen=True, kw_only=True, tag="calendar.event_created"):
    """Sent when an event is created in a connected calendar"""

    data: EventCreatedData


class EventUpdatedData(Struct, frozen=True, kw_only=True):
    calendar_id: Annotated[Uuid, doc("The UUID of the calendar connection where the event was updated")]
    event_type: Recurrence
    series_id: SeriesId
    series_bot_scheduled: SeriesBotScheduled
    is_exception: Annotated[
        bool,
        doc(
            "Whether the updated instance is an exception to a recurring series. True if this "
            "instance has been modified differently from the recurring pattern"
        ),
    ]
    affected_instances: Annotated[
        list[Instance],
        doc(
            "Array of event instances that were affected by the update. This includes the instance "
            "that was directly updated and any related instances"
        ),
    ]


class CalendarEventUpdated(CalendarEnvelope, frozen=True, kw_only=True, tag="calendar.event_updated"):
    """Sent when an event of a connected calendar changes"""

    data: EventUpdatedData


class Series(Struct, frozen=True, kw_only=True):
    """An event with its instances, as synced."""

    event_type: Recurrence
    series_id: SeriesId
    series_bot_scheduled: SeriesBotScheduled
    instances: Annotated[list[Instance], doc("Array of event instances of this series")]


class EventsSyncedData(Struct, frozen=True, kw_only=True):
    calendar_id: Annotated[Uuid, doc("The UUID of the calendar connection that was synced")]
    events: Annotated[
        list[Series],
        doc("Array of event series that were synced. Each series contains its event instances"),
    ]


class CalendarEventsSynced(CalendarEnvelope, frozen=True, kw_only=True, tag="calendar.events_synced"):
    """Sent when the events of a connected calendar were synced"""

    data: EventsSyncedData


# --- the catalog

Event = (
    BotCompleted
    | BotFailed
    | BotStatusChange
    | CalendarConnectionCreated
    | CalendarConnectionDeleted
    | CalendarConnectionUpdated
    | CalendarEventCancelled
    | CalendarEventCreated
    | CalendarEventUpdated
    | CalendarEventsSynced
)
"""Any event, told apart by its `event`: `msgspec.json.decode(body, type=Event)`."""

# The document's index, in its order, each with its title.
_INDEX: Mapping[str, Mapping[type[BotEnvelope | CalendarEnvelope], str]] = {
    "Bot": {
        BotCompleted: "Bot Completed",
        BotFailed: "Bot Failed",
        BotStatusChange: "Bot Status Change",
    },
    "Calendar": {
        CalendarConnectionCreated: "Calendar Connection Created",
        CalendarConnectionDeleted: "Calendar Connection Deleted",
        CalendarConnectionUpdated: "Calendar Connection Updated",
        CalendarEventCancelled: "Calendar Event Cancelled",
        CalendarEventCreated: "Calendar Event Created",
        CalendarEventUpdated: "Calendar Event Updated",
        CalendarEventsSynced: "Calendar Events Synced",
    },
}

_SAMPLES: Mapping[str, JsonObject] = msgspec.json.decode(
    resources.files(__package__).joinpath("meetingbaas_samples.json").read_bytes()
)


_COMPLETED = "bot.completed"
_OF_BOTS = "bot."
_LINKS_LAST = timedelta(hours=4)  # "Valid for 4 hours"


def _event_type(event: type[BotEnvelope | CalendarEnvelope], *, group: str, title: str) -> EventType:
    name = str(event.__struct_config__.tag)
    description, _, note = cleandoc(event.__doc__ or "").partition("\n\n")
    return EventType(
        name=name,
        group=group,
        title=title,
        since=None,
        description=description,
        note=" ".join(note.split()) or None,
        data=get_type_hints(event)["data"],
        event=event,
        sample=_SAMPLES[name],
    )


_EVENT_TYPES = tuple(
    _event_type(event, group=group, title=title)
    for group, events in _INDEX.items()
    for event, title in events.items()
)

# --- what publishing changes in data

_NAMED_FIELDS = ("participants", "speakers")


def with_objects(data: JsonObject) -> JsonObject:
    """Data of bot.completed with an object for each participant and speaker, as clients read it."""
    return data | {field: [*map(_as_object, data[field] or ())] for field in _NAMED_FIELDS}


def with_names(data: JsonObject) -> JsonObject:
    """The same with their names alone: the documented form."""
    return data | {field: [each["name"] for each in data[field]] for field in _NAMED_FIELDS}


def _as_object(named: JsonObject | str) -> JsonObject:
    return {"name": named, "id": None} if isinstance(named, str) else named


# --- the provider


class MeetingBaasOptions(AppOptions, frozen=True, kw_only=True):
    """What differs between apps: whether participants and speakers are objects, or names as documented."""

    participants: Literal["objects", "names"] = "objects"


class MeetingBaas(Provider):
    """Meeting BaaS's contract: CONTRACTS section 2."""

    def prepare(self, name: str, data: JsonObject, *, path: str) -> Prepared:
        faults = check_data(self.event_types[name], data, path=path)
        return Prepared(data if faults or name != _COMPLETED else with_objects(data), faults)

    def carries_extra(self, event_type: str) -> bool:
        return event_type.startswith(_OF_BOTS)

    def subject_of(self, event_type: str, data: JsonObject) -> str | None:
        return data["bot_id"].lower() if event_type.startswith(_OF_BOTS) else None

    def own_form(self, options: AppOptions, event_type: str, data: JsonObject) -> OwnForm | None:
        if event_type != _COMPLETED or not isinstance(options, MeetingBaasOptions):
            return None
        return OwnForm(event_type, with_names(data)) if options.participants == "names" else None

    def links_expire_at(self, event_type: str, data: JsonObject) -> datetime | None:
        return datetime.fromisoformat(data["sent_at"]) + _LINKS_LAST if event_type == _COMPLETED else None

    def head(self, facts: Facts) -> bytes:
        event = wirejson.quoted(facts.event_type)
        if not self.carries_extra(facts.event_type):
            return f'{{"event":{event},"data":'.encode()
        return b'{"event":%b,"extra":%b,"data":' % (event.encode(), facts.extra or b"null")

    def signer(self, app: App, secrets: Sequence[Secret]) -> Signer:
        return StandardSigner(*secrets, prefix=_PREFIX)

    def verifier(self, *secrets: Secret | str) -> Verifier:
        return StandardVerifier(*secrets, prefix=_PREFIX)

    def dedupe_key(self, event: Struct, verified: Verified, body: bytes) -> str:
        """Its svix-id; of a callback, which has none: the bot, the event and the body's hash."""
        if verified.event_id is not None:
            return verified.event_id
        if isinstance(event, BotCompleted | BotFailed):
            return f"{event.data.bot_id}:{event.event}:{body_key(body)}"
        return body_key(body)

    def normalise(self, event: Struct) -> MeetingEnded | CalendarChanged | None:
        match event:
            case BotCompleted():
                return _ended(event)
            case CalendarEventCreated(data=data):
                return _changed(event, "created", data, data.instances, "instances")
            case CalendarEventUpdated(data=data):
                return _changed(event, "updated", data, data.affected_instances, "affected_instances")
            case CalendarEventCancelled(data=data):
                return _changed(event, "deleted", data, data.cancelled_instances, "cancelled_instances")
        return None


_PREFIX = "svix-"

# --- what receiving makes of events


def _ended(event: BotCompleted) -> MeetingEnded:
    data = event.data
    sent_at = read_moment(data.sent_at, path="$.data.sent_at")
    return MeetingEnded(
        provider=PROVIDER.name,
        meeting_id=data.bot_id,
        calendar_event_id=data.event_id,
        started_at=_moment(data.joined_at, path="$.data.joined_at"),
        ended_at=_moment(data.exited_at, path="$.data.exited_at"),
        available_at=sent_at,
        duration=None
        if data.duration_seconds is None
        else read_span(data.duration_seconds, timedelta(seconds=1), path="$.data.duration_seconds"),
        participants=None if data.participants is None else tuple(map(_person, data.participants)),
        recording_url=data.audio if data.video is None else data.video,
        transcript_url=data.transcription,
        expires_at=later(sent_at, _LINKS_LAST, path="$.data.sent_at"),
        raw=event,
    )


def _person(named: Participant | str) -> Person:
    if isinstance(named, str):
        return Person(name=named)
    return Person(name=named.name, id=None if named.id is None else str(named.id))


def _moment(text: str | None, *, path: str) -> datetime | None:
    return None if text is None else read_moment(text, path=path)


def _changed(
    event: Struct,
    change: Literal["created", "updated", "deleted"],
    data: EventCreatedData | EventUpdatedData | EventCancelledData,
    instances: Sequence[Instance],
    field: str,
) -> CalendarChanged:
    return CalendarChanged(
        provider=PROVIDER.name,
        change=change,
        calendar_id=data.calendar_id,
        series_id=data.series_id,
        instances=tuple(
            _instance(each, path=f"$.data.{field}[{index}]") for index, each in enumerate(instances)
        ),
        raw=event,
    )


def _instance(told: Instance, *, path: str) -> CalendarInstance:
    return CalendarInstance(
        id=told.event_id,
        title=told.title,
        starts_at=read_moment(told.start, path=f"{path}.start"),
        ends_at=read_moment(told.end, path=f"{path}.end"),
        is_all_day=told.is_all_day,
        status=told.status,
        meeting_url=told.meeting_url,
    )


PROVIDER = MeetingBaas(
    name="meetingbaas",
    title="Meeting BaaS",
    source="meetingbaas-v2-webhooks.txt",
    signature=(  # CONTRACTS 2, "Account webhooks"
        "svix-signature is v1, and the base64 of the HMAC-SHA256 of svix-id, svix-timestamp and the body, "
        "joined by full stops, keyed with what the base64 after whsec_ stands for. During a rotation there "
        "are several, separated by spaces: any may fit."
    ),
    event_types=MappingProxyType({event_type.name: event_type for event_type in _EVENT_TYPES}),
    policy=Policy(  # CONTRACTS 2, "Account webhooks"
        retry_delays=(
            timedelta(seconds=5),
            timedelta(seconds=10),
            timedelta(minutes=5),
            timedelta(minutes=15),
            timedelta(minutes=30),
            timedelta(hours=2),
        ),
        timeout=timedelta(seconds=30),
        earlier=0.2,
        later=0.2,
        after_pressure=timedelta(seconds=60),
    ),
    options=MeetingBaasOptions,
    callbacks=Callbacks(
        event_types=frozenset({_COMPLETED, "bot.failed"}),
        policy=Policy(  # CONTRACTS 2, "Callbacks"
            retry_delays=(timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=15)),
            timeout=timedelta(seconds=30),
            later=0.0,
            only_broken=True,
            gone_switches_off=False,
        ),
        secret_header="x-mb-secret",  # noqa: S106 - a header's name
    ),
)
