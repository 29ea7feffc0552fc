"""Contio's catalog: 35 event types, each as a typed struct, and the provider made of them.

Read from both ends of the flow: publishing checks data against the data structs, receiving decodes into the
event structs. They are the one source of code completion, JSON Schema and docs; the samples stand beside
them in contio_samples.json. An event's docstring is its description and, below that, its note.

Descriptions are those of contio-webhook-events-reference.txt, word for word. Which fields may be absent or
null: CONTRACTS 1.2. Absent is `UnsetType`; a field without it is required.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from importlib import resources
from inspect import cleandoc
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from adjourn import wirejson
from adjourn.config import Secret
from adjourn.errors import Fault
from adjourn.models import App, AppOptions, Audience, Policy, SignatureProfile
from adjourn.providers.normalised import CalendarChanged, CalendarInstance, MeetingEnded, read_moment
from adjourn.providers.provider import (
    Count,
    EventType,
    Facts,
    JsonObject,
    NullableStr,
    OptionalStr,
    OwnForm,
    Prepared,
    Provider,
    Timestamp,
    body_key,
    check_data,
    doc,
)
from adjourn.providers.reading import ReceivedEvent, UnknownEvent
from adjourn.signing import ContioSigner, ContioVerifier, Signer, Verified, Verifier

# --- what the structs are made of

Confidence = Annotated[float, Meta(ge=0, le=1)]

ActionItemStatus = Literal["needs_review", "accepted", "in_progress", "completed", "cancelled", "blocked"]
AssignmentStatus = Literal["pending", "processed", "failed"]
Mode = Literal["manual", "autopilot"]
Role = Literal["OWNER", "EDITOR", "VIEWER"]


class ForUser(Struct, frozen=True, kw_only=True):
    """The user that an event is for."""

    id: Annotated[str, doc("User ID")]
    email: Annotated[str, doc("User's email address")]


class Envelope(ReceivedEvent, frozen=True, kw_only=True, tag_field="event_type"):
    """What every event carries around its data."""

    event_id: Annotated[str, doc("Unique event ID for idempotency")]
    timestamp: Annotated[Timestamp, doc("ISO 8601 timestamp of when the event occurred")]
    partner_app_id: Annotated[str, doc("Your partner application ID")]
    for_user: Annotated[ForUser | UnsetType, doc("User context (id and email) for the event")] = UNSET
    actor_user_id: Annotated[str | UnsetType, doc("User whose action caused the event")] = UNSET

    @property
    def event_type(self) -> str:
        """Event type identifier (e.g., automation.assignment.created)"""
        return str(self.__struct_config__.tag)


# --- the types of the reference, in its order


class ActionButtonTriggeredData(Struct, frozen=True, kw_only=True):
    action_button_id: Annotated[str, doc("Unique action button identifier")]
    action_button_name: Annotated[str, doc("Action button name")]
    meeting_id: Annotated[OptionalStr, doc("Meeting the action button was triggered on")] = UNSET
    next_step_id: Annotated[NullableStr, doc("Associated Next Step ID (if triggered from a Next Step)")] = (
        UNSET
    )
    result_id: Annotated[NullableStr, doc("Execution result ID (if Next Step generated a result)")] = UNSET
    triggered_by: Annotated[str, doc("User who triggered the action button")]
    triggered_at: Annotated[Timestamp, doc("ISO 8601 timestamp of trigger")]
    trigger_mode: Annotated[Mode, doc("How the action button was triggered: 'manual' or 'autopilot'")]
    invocation_id: Annotated[NullableStr, doc("Persisted action_button_invocation row ID")] = UNSET
    context_id: Annotated[NullableStr, doc("Object the action button was triggered on")] = UNSET
    context_type: Annotated[
        NullableStr, doc("Kind of object the action button was triggered on (e.g. meeting)")
    ] = UNSET


class ActionButtonTriggered(Envelope, frozen=True, kw_only=True, tag="action_button.triggered"):
    """Sent when a partner's action button is triggered

    For webhook/redirect delivery mechanisms, the action button fires in addition to the primary delivery.
    Use result_id with the Partner User API to fetch generated content.
    """

    data: ActionButtonTriggeredData


class ActionItemCompletedData(Struct, frozen=True, kw_only=True):
    action_item_id: Annotated[str, doc("Unique action item identifier")]
    meeting_id: Annotated[str, doc("Source meeting ID")]
    workspace_id: Annotated[str, doc("Workspace ID")]
    title: Annotated[str, doc("Action item title")]
    completed_at: Annotated[Timestamp, doc("ISO 8601 timestamp of completion")]
    completed_by_user_id: Annotated[str, doc("User who completed the action item")]
    assignee_id: Annotated[NullableStr, doc("User assigned to the action item")] = UNSET


class ActionItemCompleted(Envelope, frozen=True, kw_only=True, tag="action_item.completed"):
    """Sent when an action item is marked as completed"""

    data: ActionItemCompletedData


class ActionItemCreatedData(Struct, frozen=True, kw_only=True):
    action_item_id: Annotated[str, doc("Unique action item identifier")]
    meeting_id: Annotated[str, doc("Source meeting ID")]
    workspace_id: Annotated[str, doc("Workspace ID")]
    title: Annotated[str, doc("Action item title")]
    assignee_id: Annotated[NullableStr, doc("User assigned to the action item")] = UNSET
    created_at: Annotated[Timestamp, doc("ISO 8601 timestamp of creation")]


class ActionItemCreated(Envelope, frozen=True, kw_only=True, tag="action_item.created"):
    """Sent when a new action item is created"""

    data: ActionItemCreatedData


class ActionItemUpdatedData(Struct, frozen=True, kw_only=True):
    action_item_id: Annotated[str, doc("Unique action item identifier")]
    meeting_id: Annotated[str, doc("ID of the meeting this action item belongs to")]
    workspace_id: Annotated[str, doc("Workspace ID")]
    status: Annotated[
        ActionItemStatus, doc("Status: needs_review, accepted, in_progress, completed, cancelled, blocked")
    ]
    is_completed: Annotated[bool, doc("Current completion status")]
    assignee_id: Annotated[NullableStr, doc("User assigned to the action item")] = UNSET
    updated_at: Annotated[Timestamp, doc("ISO 8601 timestamp of the update")]


class ActionItemUpdated(Envelope, frozen=True, kw_only=True, tag="action_item.updated"):
    """Sent when an action item's status or details change

    This payload is intentionally minimal. Use the Partner User API to fetch full action item details.
    """

    data: ActionItemUpdatedData


class AgendaItemCreatedData(Struct, frozen=True, kw_only=True):
    agenda_item_id: Annotated[str, doc("Unique agenda item identifier")]
    meeting_id: Annotated[NullableStr, doc("Meeting ID (null for backlog items)")] = UNSET
    title: Annotated[str, doc("Agenda item title")]
    item_type: Annotated[str, doc("Item type (e.g., DISCUSSION, ACTION_ITEM_RECAP)")]
    created_at: Annotated[Timestamp, doc("Creation timestamp (RFC3339)")]


class AgendaItemCreated(Envelope, frozen=True, kw_only=True, tag="agenda_item.created"):
    """Sent when an agenda item is created

    For items in a meeting, this event is delivered to all meeting participants. For backlog items, it is
    delivered only to the creator.
    """

    data: AgendaItemCreatedData


class AgendaItemDeletedData(Struct, frozen=True, kw_only=True):
    agenda_item_id: Annotated[str, doc("Unique agenda item identifier")]
    meeting_id: Annotated[NullableStr, doc("Meeting ID (null for backlog items)")] = UNSET
    deleted_at: Annotated[Timestamp, doc("Deletion timestamp (RFC3339)")]


class AgendaItemDeleted(Envelope, frozen=True, kw_only=True, tag="agenda_item.deleted"):
    """Sent when an agenda item is deleted

    For items in a meeting, this event is delivered to all meeting participants. For backlog items, it is
    delivered only to the deleter.
    """

    data: AgendaItemDeletedData


class AgendaItemUpdatedData(Struct, frozen=True, kw_only=True):
    agenda_item_id: Annotated[str, doc("Unique agenda item identifier")]
    meeting_id: Annotated[NullableStr, doc("Meeting ID (null for backlog items)")] = UNSET
    title: Annotated[str, doc("Agenda item title")]
    item_type: Annotated[str, doc("Item type (e.g., DISCUSSION, ACTION_ITEM_RECAP)")]
    status: Annotated[str, doc("Agenda item status")]
    updated_at: Annotated[Timestamp, doc("Update timestamp (RFC3339)")]


class AgendaItemUpdated(Envelope, frozen=True, kw_only=True, tag="agenda_item.updated"):
    """Sent when an agenda item is updated

    For items in a meeting, this event is delivered to all meeting participants. For backlog items, it is
    delivered only to the updater.
    """

    data: AgendaItemUpdatedData


class AutomationAssignmentCreatedData(Struct, frozen=True, kw_only=True):
    assignment_id: Annotated[str, doc("Unique assignment identifier")]
    action_item_id: Annotated[str, doc("ID of the assigned action item")]
    meeting_id: Annotated[str, doc("ID of the meeting containing the action item")]
    automation_id: Annotated[str, doc("ID of the automation that matched")]
    automation_name: Annotated[str, doc("Human-readable automation name")]
    confidence_score: Annotated[Confidence | UnsetType, doc("Match confidence score (0-1)")] = UNSET
    automation_data_payload: Annotated[
        dict[str, Any] | UnsetType, doc("Custom data from automation configuration")
    ] = UNSET
    status: Annotated[AssignmentStatus, doc("Assignment status (pending, processed, failed)")]
    created_at: Annotated[Timestamp, doc("ISO 8601 timestamp")]
    workspace_id: Annotated[str, doc("Workspace ID where assignment was created")]


class AutomationAssignmentCreated(Envelope, frozen=True, kw_only=True, tag="automation.assignment.created"):
    """Sent when an action item is assigned to your automation"""

    data: AutomationAssignmentCreatedData


class CalendarEventCreatedData(Struct, frozen=True, kw_only=True):
    calendar_event_id: Annotated[str, doc("Unique calendar event identifier")]
    title: Annotated[str, doc("Calendar event title")]
    start_time: Annotated[Timestamp, doc("Event start time (RFC3339)")]
    end_time: Annotated[Timestamp, doc("Event end time (RFC3339)")]
    is_all_day: Annotated[bool, doc("Whether this is an all-day event")]
    attendee_count: Annotated[Count, doc("Number of attendees for the event")]


class CalendarEventCreated(Envelope, frozen=True, kw_only=True, tag="calendar_event.created"):
    """Sent when a calendar event is synced from an external calendar"""

    data: CalendarEventCreatedData


class CalendarEventDeletedData(Struct, frozen=True, kw_only=True):
    calendar_event_id: Annotated[str, doc("Unique calendar event identifier")]


class CalendarEventDeleted(Envelope, frozen=True, kw_only=True, tag="calendar_event.deleted"):
    """Sent when a calendar event is cancelled/deleted from an external calendar"""

    data: CalendarEventDeletedData


class CalendarEventUpdatedData(Struct, frozen=True, kw_only=True):
    calendar_event_id: Annotated[str, doc("Unique calendar event identifier")]
    title: Annotated[str, doc("Calendar event title")]
    start_time: Annotated[Timestamp, doc("Event start time (RFC3339)")]
    end_time: Annotated[Timestamp, doc("Event end time (RFC3339)")]
    is_all_day: Annotated[bool, doc("Whether this is an all-day event")]
    attendee_count: Annotated[Count, doc("Number of attendees for the event")]


class CalendarEventUpdated(Envelope, frozen=True, kw_only=True, tag="calendar_event.updated"):
    """Sent when a calendar event is updated in an external calendar"""

    data: CalendarEventUpdatedData


class MeetingCompletedData(Struct, frozen=True, kw_only=True):
    meeting_id: Annotated[str, doc("Unique meeting identifier")]
    workspace_id: Annotated[str, doc("Workspace ID")]
    title: Annotated[str, doc("Meeting title")]
    completed_at: Annotated[Timestamp, doc("ISO 8601 timestamp when notes became available")]


class MeetingCompleted(Envelope, frozen=True, kw_only=True, tag="meeting.completed"):
    """Sent when a meeting ends and notes/summary are available"""

    data: MeetingCompletedData


class MeetingContextCreatedData(Struct, frozen=True, kw_only=True):
    context_id: Annotated[str, doc("Unique context document identifier")]
    meeting_id: Annotated[str, doc("Meeting ID")]
    workspace_id: Annotated[str, doc("Workspace ID")]
    title: Annotated[OptionalStr, doc("Document title")] = UNSET
    created_at: Annotated[Timestamp, doc("ISO 8601 timestamp of creation")]


class MeetingContextCreated(Envelope, frozen=True, kw_only=True, tag="meeting.context.created"):
    """Sent when a partner uploads context data to a meeting"""

    data: MeetingContextCreatedData


class MeetingContextDeletedData(Struct, frozen=True, kw_only=True):
    context_id: Annotated[str, doc("Unique context document identifier")]
    meeting_id: Annotated[str, doc("Meeting ID")]
    workspace_id: Annotated[str, doc("Workspace ID")]
    deleted_at: Annotated[Timestamp, doc("ISO 8601 timestamp of deletion")]


class MeetingContextDeleted(Envelope, frozen=True, kw_only=True, tag="meeting.context.deleted"):
    """Sent when context data is removed from a meeting"""

    data: MeetingContextDeletedData


class Redaction(Struct, frozen=True, kw_only=True):
    """How often one kind of sensitive text was redacted."""

    type: Annotated[str, doc("Kind of text that was redacted (e.g., email, credit_card)")]
    count: Annotated[Count, doc("Number of redactions of this kind")]


class SanitizationReport(Struct, frozen=True, kw_only=True):
    """Results of PII/secret scanning: detection flags and redaction counts."""

    pii_detected: Annotated[bool, doc("Whether personal data was detected")]
    secrets_detected: Annotated[bool, doc("Whether secrets were detected")]
    formula_escaped: Annotated[bool, doc("Whether spreadsheet formulas were escaped")]
    redactions: Annotated[list[Redaction] | UnsetType, doc("Redaction counts, one for each kind")] = UNSET


class MeetingContextProcessedData(Struct, frozen=True, kw_only=True):
    context_id: Annotated[str, doc("Unique context document identifier")]
    meeting_id: Annotated[str, doc("Meeting ID")]
    workspace_id: Annotated[str, doc("Workspace ID")]
    sanitization_report: Annotated[SanitizationReport, doc("Results of PII/secret scanning")]
    processed_at: Annotated[Timestamp, doc("ISO 8601 timestamp of processing completion")]


class MeetingContextProcessed(Envelope, frozen=True, kw_only=True, tag="meeting.context.processed"):
    """Sent when uploaded context data has been preprocessed

    The sanitization_report contains detection flags and redaction counts. Use the Partner User API to
    fetch the processed document content.
    """

    data: MeetingContextProcessedData


class MeetingCreatedData(Struct, frozen=True, kw_only=True):
    meeting_id: Annotated[str, doc("Unique meeting identifier")]
    workspace_id: Annotated[str, doc("Workspace ID")]
    title: Annotated[str, doc("Meeting title")]
    created_by_user_id: Annotated[str, doc("User who created the meeting")]
    created_at: Annotated[Timestamp, doc("ISO 8601 timestamp of creation")]


class MeetingCreated(Envelope, frozen=True, kw_only=True, tag="meeting.created"):
    """Sent when a new meeting is created"""

    data: MeetingCreatedData


class MeetingUpdatedData(Struct, frozen=True, kw_only=True):
    meeting_id: Annotated[str, doc("Unique meeting identifier")]
    workspace_id: Annotated[str, doc("Workspace ID")]
    title: Annotated[str, doc("Meeting title (current value after update)")]
    scheduled_start: Annotated[Timestamp | UnsetType | None, doc("Scheduled start time (nil if untimed)")] = (
        UNSET
    )
    updated_at: Annotated[Timestamp, doc("ISO 8601 timestamp of update")]


class MeetingUpdated(Envelope, frozen=True, kw_only=True, tag="meeting.updated"):
    """Sent when a meeting's properties are updated

    The scheduled_start field is only present for timed meetings (not for untimed/all-day meetings).
    """

    data: MeetingUpdatedData


class MeetingTemplateItems(Struct, frozen=True, kw_only=True):
    """Counts of the items that a meeting template applied."""

    agenda_items: Annotated[Count, doc("Number of agenda items applied")]
    participants: Annotated[Count, doc("Number of participants applied")]
    documents: Annotated[Count, doc("Number of documents applied")]


class MeetingTemplateAppliedData(Struct, frozen=True, kw_only=True):
    template_id: Annotated[str, doc("Unique template identifier")]
    template_name: Annotated[str, doc("Template name")]
    meeting_id: Annotated[str, doc("Meeting the template was applied to")]
    applied_by_user_id: Annotated[str, doc("User who applied the template")]
    applied_at: Annotated[Timestamp, doc("ISO 8601 timestamp of application")]
    applied_items: Annotated[MeetingTemplateItems, doc("Counts of applied items")]


class MeetingTemplateApplied(Envelope, frozen=True, kw_only=True, tag="meeting_template.applied"):
    """Sent when a meeting template is applied to a meeting

    This event contains counts of items applied. Use the Partner User API to fetch the complete meeting
    details.
    """

    data: MeetingTemplateAppliedData


class NextStepCompletedData(Struct, frozen=True, kw_only=True):
    next_step_id: Annotated[str, doc("Unique Next Step identifier")]
    next_step_name: Annotated[str, doc("Next Step name")]
    meeting_id: Annotated[OptionalStr, doc("Meeting the Next Step was executed on")] = UNSET
    result_id: Annotated[OptionalStr, doc("Unique execution result ID")] = UNSET
    executed_by: Annotated[str, doc("User who executed the Next Step")]
    executed_at: Annotated[Timestamp, doc("ISO 8601 timestamp of execution")]
    execution_mode: Annotated[Mode, doc("How the Next Step was triggered: 'manual' or 'autopilot'")]
    context_id: Annotated[OptionalStr, doc("Object the Next Step was executed on")] = UNSET
    context_type: Annotated[
        OptionalStr, doc("Kind of object the Next Step was executed on (e.g. meeting)")
    ] = UNSET


class NextStepCompleted(Envelope, frozen=True, kw_only=True, tag="next_step.completed"):
    """Sent when a Next Step execution completes

    For AI Next Steps, the result content is available via the Partner User API. For REDIRECT Next Steps,
    the user was redirected to the configured URL.
    """

    data: NextStepCompletedData


class AddedParticipant(Struct, frozen=True, kw_only=True):
    """One added participant: a registered user or a guest."""

    participant_id: Annotated[str, doc("Unique participant record ID")]
    user_id: Annotated[NullableStr, doc("User ID (if registered user)")] = UNSET
    guest_email: Annotated[NullableStr, doc("Guest email (if guest participant)")] = UNSET
    role: Annotated[Role, doc("Participant role (OWNER, EDITOR, VIEWER)")]


class ParticipantAddedData(Struct, frozen=True, kw_only=True):
    meeting_id: Annotated[str, doc("Meeting ID")]
    workspace_id: Annotated[str, doc("Workspace ID")]
    participants: Annotated[list[AddedParticipant], doc("List of added participants")]
    added_at: Annotated[Timestamp, doc("ISO 8601 timestamp")]


class ParticipantAdded(Envelope, frozen=True, kw_only=True, tag="participant.added"):
    """Sent when one or more participants are added to a meeting

    This event is delivered to all partner apps connected to users who are participants in the meeting.
    """

    data: ParticipantAddedData


class ParticipantRemovedData(Struct, frozen=True, kw_only=True):
    meeting_id: Annotated[str, doc("Meeting ID")]
    workspace_id: Annotated[str, doc("Workspace ID")]
    participant_id: Annotated[str, doc("Removed participant ID")]
    user_id: Annotated[NullableStr, doc("User ID (if registered user)")] = UNSET
    guest_email: Annotated[NullableStr, doc("Guest email (if guest participant)")] = UNSET
    removed_at: Annotated[Timestamp, doc("ISO 8601 timestamp")]


class ParticipantRemoved(Envelope, frozen=True, kw_only=True, tag="participant.removed"):
    """Sent when a participant is removed from a meeting

    This event is delivered to all partner apps connected to users who are participants in the meeting.
    """

    data: ParticipantRemovedData


class SessionExpiredData(Struct, frozen=True, kw_only=True):
    session_id: Annotated[str, doc("Expired session identifier")]
    meeting_id: Annotated[NullableStr, doc("Associated meeting identifier")] = UNSET
    expired_at: Annotated[Timestamp, doc("ISO 8601 timestamp when session expired")]
    turn_count: Annotated[Count, doc("Total turns in session at expiry")]
    last_activity_at: Annotated[Timestamp, doc("Timestamp of last turn in session")]


class SessionExpired(Envelope, frozen=True, kw_only=True, tag="session.expired"):
    """Sent when a chat session expires due to inactivity"""

    data: SessionExpiredData


class SessionTurnCompletedData(Struct, frozen=True, kw_only=True):
    session_id: Annotated[str, doc("Chat session identifier")]
    turn_id: Annotated[str, doc("Assistant turn identifier")]
    sequence_number: Annotated[Count, doc("Turn sequence number within the session")]
    meeting_id: Annotated[NullableStr, doc("Associated meeting identifier")] = UNSET
    completed_at: Annotated[Timestamp, doc("ISO 8601 timestamp when turn completed")]


class SessionTurnCompleted(Envelope, frozen=True, kw_only=True, tag="session.turn.completed"):
    """Sent when the agent finishes processing a turn in a chat session"""

    data: SessionTurnCompletedData


class SessionTurnFailedData(Struct, frozen=True, kw_only=True):
    session_id: Annotated[str, doc("Chat session identifier")]
    turn_id: Annotated[str, doc("Failed turn identifier")]
    sequence_number: Annotated[Count, doc("Turn sequence number within the session")]
    meeting_id: Annotated[NullableStr, doc("Associated meeting identifier")] = UNSET
    failed_at: Annotated[Timestamp, doc("ISO 8601 timestamp when turn failed")]
    error_code: Annotated[str, doc("Machine-readable error classification")]
    error_message: Annotated[str, doc("Human-readable error description")]


class SessionTurnFailed(Envelope, frozen=True, kw_only=True, tag="session.turn.failed"):
    """Sent when the agent fails to process a turn in a chat session"""

    data: SessionTurnFailedData


class UserConnectionRevokedData(Struct, frozen=True, kw_only=True):
    connection_id: Annotated[str, doc("Unique connection identifier")]
    revoked_at: Annotated[Timestamp, doc("ISO 8601 timestamp of revocation")]


class UserConnectionRevoked(Envelope, frozen=True, kw_only=True, tag="user.connection.revoked"):
    """Sent when a user revokes their connection to your partner app

    User identification (user_id, user_email) is provided in the for_user envelope field, not in the data
    payload.
    """

    data: UserConnectionRevokedData


class WorkflowRunCompletedData(Struct, frozen=True, kw_only=True):
    run_id: Annotated[str, doc("Unique workflow run identifier")]
    template_id: Annotated[str, doc("Workflow template the run was instantiated from")]
    workspace_id: Annotated[str, doc("Workspace the run belongs to")]
    final_status: Annotated[Literal["completed"], doc("Terminal status of the run (always 'completed')")]
    total_steps: Annotated[Count, doc("Total number of step executions recorded for the run")]
    duration_ms: Annotated[Count, doc("Wall-clock duration in milliseconds from start to completion")]
    completed_at: Annotated[Timestamp, doc("ISO 8601 timestamp the run transitioned to completed")]


class WorkflowRunCompleted(Envelope, frozen=True, kw_only=True, tag="workflow.run.completed"):
    """Sent when a workflow run completes successfully"""

    data: WorkflowRunCompletedData


class WorkflowRunFailedData(Struct, frozen=True, kw_only=True):
    run_id: Annotated[str, doc("Unique workflow run identifier")]
    template_id: Annotated[str, doc("Workflow template the run was instantiated from")]
    workspace_id: Annotated[str, doc("Workspace the run belongs to")]
    final_status: Annotated[Literal["failed"], doc("Terminal status of the run (always 'failed')")]
    step_id: Annotated[NullableStr, doc("Step associated with the failure, when applicable")] = UNSET
    node_id: Annotated[NullableStr, doc("DAG node associated with the failure, when applicable")] = UNSET
    error_message: Annotated[str, doc("Human-readable reason the run failed")]
    failed_at: Annotated[Timestamp, doc("ISO 8601 timestamp the run transitioned to failed")]


class WorkflowRunFailed(Envelope, frozen=True, kw_only=True, tag="workflow.run.failed"):
    """Sent when a workflow run fails"""

    data: WorkflowRunFailedData


class WorkflowRunStartedData(Struct, frozen=True, kw_only=True):
    run_id: Annotated[str, doc("Unique workflow run identifier")]
    template_id: Annotated[str, doc("Workflow template the run was instantiated from")]
    workspace_id: Annotated[str, doc("Workspace the run belongs to")]
    originating_type: Annotated[str, doc("Kind of object that triggered the run (e.g. meeting, canvas)")]
    originating_id: Annotated[str, doc("Identifier of the originating object")]
    trigger_type: Annotated[Mode, doc("How the run was triggered: 'autopilot' or 'manual'")]
    triggered_by: Annotated[NullableStr, doc("User who manually triggered the run, when applicable")] = UNSET
    started_at: Annotated[Timestamp, doc("ISO 8601 timestamp the run was started")]


class WorkflowRunStarted(Envelope, frozen=True, kw_only=True, tag="workflow.run.started"):
    """Sent when a workflow run starts"""

    data: WorkflowRunStartedData


class WorkflowStepCompletedData(Struct, frozen=True, kw_only=True):
    run_id: Annotated[str, doc("Workflow run the step belongs to")]
    step_id: Annotated[str, doc("Unique step execution identifier")]
    node_id: Annotated[str, doc("DAG node id the step was executed for")]
    node_type: Annotated[str, doc("Kind of executor that ran (e.g. review, next_step, deliver)")]
    status: Annotated[Literal["completed"], doc("Terminal status of the step (always 'completed')")]
    output_summary: Annotated[Any, doc("Compact executor output captured at completion (arbitrary JSON)")] = (
        UNSET
    )
    completed_at: Annotated[Timestamp, doc("ISO 8601 timestamp the step transitioned to completed")]


class WorkflowStepCompleted(Envelope, frozen=True, kw_only=True, tag="workflow.step.completed"):
    """Sent when a workflow step completes"""

    data: WorkflowStepCompletedData


class WorkflowTaskCreatedData(Struct, frozen=True, kw_only=True):
    task_id: Annotated[str, doc("Unique workflow task identifier")]
    run_id: Annotated[str, doc("Workflow run the task belongs to")]
    workspace_id: Annotated[str, doc("Workspace the task belongs to")]
    task_type: Annotated[str, doc("Kind of task (e.g. review, escalation)")]
    assignee_user_id: Annotated[str, doc("User the task was assigned to at creation")]
    title: Annotated[str, doc("Short human-readable title of the task")]
    created_at: Annotated[Timestamp, doc("ISO 8601 timestamp the task was created")]


class WorkflowTaskCreated(Envelope, frozen=True, kw_only=True, tag="workflow.task.created"):
    """Sent when a workflow task is created"""

    data: WorkflowTaskCreatedData


class WorkflowTaskResolvedData(Struct, frozen=True, kw_only=True):
    task_id: Annotated[str, doc("Unique workflow task identifier")]
    run_id: Annotated[str, doc("Workflow run the task belongs to")]
    workspace_id: Annotated[str, doc("Workspace the task belongs to")]
    decision: Annotated[str, doc("Approve/reject decision recorded by the reviewer")]
    reason: Annotated[NullableStr, doc("Free-form rationale supplied on reject decisions")] = UNSET
    resolved_by: Annotated[str, doc("User who recorded the decision")]
    resolved_at: Annotated[Timestamp, doc("ISO 8601 timestamp the decision was recorded")]


class WorkflowTaskResolved(Envelope, frozen=True, kw_only=True, tag="workflow.task.resolved"):
    """Sent when a workflow task is resolved"""

    data: WorkflowTaskResolvedData


# --- newer types, which clients know and the reference does not have yet


class CanvasTemplateItems(Struct, frozen=True, kw_only=True):
    """Counts of the items that a canvas template applied."""

    collaborators: Annotated[Count, doc("Number of collaborators applied")]


class CanvasTemplateAppliedData(Struct, frozen=True, kw_only=True):
    template_id: Annotated[str, doc("Unique template identifier")]
    template_name: Annotated[str, doc("Template name")]
    canvas_id: Annotated[str, doc("Canvas the template was applied to")]
    applied_by_user_id: Annotated[str, doc("User who applied the template")]
    applied_at: Annotated[Timestamp, doc("ISO 8601 timestamp of application")]
    applied_items: Annotated[CanvasTemplateItems, doc("Counts of applied items")]


class CanvasTemplateApplied(Envelope, frozen=True, kw_only=True, tag="canvas_template.applied"):
    """Sent when a canvas template is applied to a canvas

    This event contains counts of items applied.
    """

    data: CanvasTemplateAppliedData


class PartnerIdpDomainVerifiedData(Struct, frozen=True, kw_only=True):
    domain: Annotated[str, doc("Domain of the partner's identity provider")]
    status: Annotated[str, doc("Verification status of the domain")]
    verified_at: Annotated[Timestamp, doc("ISO 8601 timestamp of verification")]


class PartnerIdpDomainVerified(Envelope, frozen=True, kw_only=True, tag="partner.idp.domain_verified"):
    """Sent when a domain of a partner's identity provider is verified"""

    data: PartnerIdpDomainVerifiedData


class PartnerIdpDomainRevokedData(Struct, frozen=True, kw_only=True):
    domain: Annotated[str, doc("Domain of the partner's identity provider")]
    status: Annotated[str, doc("Verification status of the domain")]
    revoked_at: Annotated[Timestamp, doc("ISO 8601 timestamp of revocation")]


class PartnerIdpDomainRevoked(Envelope, frozen=True, kw_only=True, tag="partner.idp.domain_revoked"):
    """Sent when the verification of a domain of a partner's identity provider is revoked"""

    data: PartnerIdpDomainRevokedData


class PartnerIdpDomainVerificationFailedData(Struct, frozen=True, kw_only=True):
    domain: Annotated[str, doc("Domain of the partner's identity provider")]
    status: Annotated[str, doc("Verification status of the domain")]
    reason: Annotated[str, doc("Human-readable reason the verification failed")]
    failed_at: Annotated[Timestamp, doc("ISO 8601 timestamp of failure")]


class PartnerIdpDomainVerificationFailed(
    Envelope, frozen=True, kw_only=True, tag="partner.idp.domain_verification_failed"
):
    """Sent when a domain of a partner's identity provider fails verification"""

    data: PartnerIdpDomainVerificationFailedData


# --- the catalog

Event = (
    ActionButtonTriggered
    | ActionItemCompleted
    | ActionItemCreated
    | ActionItemUpdated
    | AgendaItemCreated
    | AgendaItemDeleted
    | AgendaItemUpdated
    | AutomationAssignmentCreated
    | CalendarEventCreated
    | CalendarEventDeleted
    | CalendarEventUpdated
    | MeetingCompleted
    | MeetingCreated
    | MeetingUpdated
    | MeetingContextCreated
    | MeetingContextDeleted
    | MeetingContextProcessed
    | MeetingTemplateApplied
    | NextStepCompleted
    | ParticipantAdded
    | ParticipantRemoved
    | SessionExpired
    | SessionTurnCompleted
    | SessionTurnFailed
    | UserConnectionRevoked
    | WorkflowRunCompleted
    | WorkflowRunFailed
    | WorkflowRunStarted
    | WorkflowStepCompleted
    | WorkflowTaskCreated
    | WorkflowTaskResolved
    | CanvasTemplateApplied
    | PartnerIdpDomainRevoked
    | PartnerIdpDomainVerificationFailed
    | PartnerIdpDomainVerified
)
"""Any event, told apart by its event_type: `msgspec.json.decode(body, type=Event)`."""

# The reference's quick index, in its order: each heading's events, each with the version that brought it.
_INDEX: Mapping[str, Mapping[type[Envelope], str | None]] = {
    "Action Button": {ActionButtonTriggered: "1.5"},
    "Action Item": {
        ActionItemCompleted: "1.3",
        ActionItemCreated: "1.0",
        ActionItemUpdated: "1.0",
    },
    "Agenda Item": {
        AgendaItemCreated: "1.4",
        AgendaItemDeleted: "1.4",
        AgendaItemUpdated: "1.4",
    },
    "Automation": {AutomationAssignmentCreated: "1.0"},
    "Calendar Event": {
        CalendarEventCreated: "1.4",
        CalendarEventDeleted: "1.4",
        CalendarEventUpdated: "1.4",
    },
    "Meeting": {
        MeetingCompleted: "1.3",
        MeetingCreated: "1.3",
        MeetingUpdated: "1.4",
    },
    "Meeting › Context": {  # noqa: RUF001 -- the reference spells it so
        MeetingContextCreated: "1.4",
        MeetingContextDeleted: "1.4",
        MeetingContextProcessed: "1.4",
    },
    "Meeting Template": {MeetingTemplateApplied: "1.5"},
    "Next Step": {NextStepCompleted: "1.5"},
    "Participant": {
        ParticipantAdded: "1.3",
        ParticipantRemoved: "1.3",
    },
    "Session": {
        SessionExpired: "1.4",
        SessionTurnCompleted: "1.4",
        SessionTurnFailed: "1.4",
    },
    "User": {UserConnectionRevoked: "1.0"},
    "Workflow": {
        WorkflowRunCompleted: "1.6",
        WorkflowRunFailed: "1.6",
        WorkflowRunStarted: "1.6",
        WorkflowStepCompleted: "1.6",
        WorkflowTaskCreated: "1.6",
        WorkflowTaskResolved: "1.6",
    },
    "Canvas Template": {CanvasTemplateApplied: None},
    "Partner": {
        PartnerIdpDomainRevoked: None,
        PartnerIdpDomainVerificationFailed: None,
        PartnerIdpDomainVerified: None,
    },
}

_SAMPLES: Mapping[str, JsonObject] = msgspec.json.decode(
    resources.files(__package__).joinpath("contio_samples.json").read_bytes()
)


def _event_type(event: type[Envelope], *, group: str, since: str | None) -> EventType:
    name = str(event.__struct_config__.tag)
    description, _, note = cleandoc(event.__doc__ or "").partition("\n\n")
    return EventType(
        name=name,
        group=group,
        title=name.replace(".", " ").replace("_", " ").capitalize().replace(" idp ", " IdP "),
        since=since,
        description=description,
        note=" ".join(note.split()) or None,
        data=get_type_hints(event)["data"],
        event=event,
        # Around its data, every sample of the reference carries the same envelope.
        sample={
            "event_type": name,
            "event_id": "evt-550e8400-e29b-41d4-a716-446655440000",
            "timestamp": "2025-01-15T10:30:00Z",
            "partner_app_id": "app-550e8400-e29b-41d4-a716-446655440000",
            "for_user": {"id": "user-550e8400-e29b-41d4-a716-446655440000", "email": "user@example.com"},
            "data": _SAMPLES[name],
        },
    )


_EVENT_TYPES = tuple(
    _event_type(event, group=group, since=since)
    for group, events in _INDEX.items()
    for event, since in events.items()
)

# "Automation" was "workflow" once: an event type and two fields of its data still have old names.
_OLD_NAME = "workflow.assignment.created"
_NEW_NAME = "automation.assignment.created"
_DISCONNECTED = "user.connection.revoked"
_OLD_KEYS = {"workflow_id": "automation_id", "workflow_name": "automation_name"}
_NEW_KEYS = {new: old for old, new in _OLD_KEYS.items()}

# --- what publishing changes in data


def from_old_form(data: JsonObject, *, path: str = "$.data") -> tuple[JsonObject, list[Fault]]:
    """Data published as workflow.assignment.created, with today's keys, and what forbids that.

    A field given under both names is a fault at the old one, and keeps the value of the new one.
    """
    both = [old for old, new in _OLD_KEYS.items() if old in data and new in data]
    faults = [Fault(f"{path}.{old}", f"is the old name of {_OLD_KEYS[old]}, give only one") for old in both]
    return {_OLD_KEYS.get(key, key): value for key, value in data.items() if key not in both}, faults


def to_old_form(data: JsonObject) -> JsonObject:
    """Data of automation.assignment.created for an app that asked for workflow.assignment.created."""
    return {_NEW_KEYS.get(key, key): value for key, value in data.items()}


def complete(event_type: str, data: JsonObject) -> JsonObject:
    """What publishing adds to data; the same object where there is nothing to add.

    Newer clients require the context pair on next_step.completed: it follows from meeting_id (CONTRACTS 1.2).
    """
    if event_type != "next_step.completed" or "context_id" in data or "context_type" in data:
        return data
    if not isinstance(data.get("meeting_id"), str):
        return data
    return {**data, "context_id": data["meeting_id"], "context_type": "meeting"}


# --- the provider


class ContioOptions(AppOptions, frozen=True, kw_only=True):
    """What differs between apps: how X-Contio-Signature is made, and whether events have their old names."""

    signature_profile: SignatureProfile = SignatureProfile.DOCUMENTED
    legacy_event_names: bool = False


class Contio(Provider):
    """Contio's contract: CONTRACTS section 1."""

    def prepare(self, name: str, data: JsonObject, *, path: str) -> Prepared:
        data, faults = from_old_form(data, path=path) if name == _OLD_NAME else (data, [])
        name = self.aliases.get(name, name)
        faults += check_data(self.event_types[name], data, path=path)
        return Prepared(data if faults else complete(name, data), faults)

    def check_audience(
        self, event_type: str, data: JsonObject, audience: Audience, actor_user_id: str | None
    ) -> list[str]:
        if event_type == _DISCONNECTED and audience.user_ids is None:
            return ["must be user_ids: user.connection.revoked always says for which user"]
        if not event_type.startswith("agenda_item.") or data.get("meeting_id") is not None:
            return []
        # CONTRACTS 1.3: a backlog item is its creator's, updater's or deleter's alone
        if actor_user_id is None:
            return ["a backlog agenda item (no meeting_id) needs actor_user_id, and reaches that user alone"]
        if audience.user_ids != (actor_user_id,):
            return [f"a backlog agenda item (no meeting_id) reaches its actor alone: [{actor_user_id!r}]"]
        return []

    def disconnected(self, connection_id: str, *, at: str) -> tuple[str, JsonObject]:
        return _DISCONNECTED, {"connection_id": connection_id, "revoked_at": at}

    def own_form(self, options: AppOptions, event_type: str, data: JsonObject) -> OwnForm | None:
        if event_type != _NEW_NAME or not _of_contio(options).legacy_event_names:
            return None
        return OwnForm(_OLD_NAME, to_old_form(data))

    def head(self, facts: Facts) -> bytes:
        text = wirejson.quoted
        head = (
            f'{{"event_type":{text(facts.event_type)},"event_id":{text(facts.event_id)},'
            f'"timestamp":{text(facts.timestamp)},"partner_app_id":{text(facts.app_id)}'
        )
        if facts.user is not None:
            head += f',"for_user":{{"id":{text(facts.user[0])},"email":{text(facts.user[1])}}}'
        if facts.actor_user_id is not None:
            head += f',"actor_user_id":{text(facts.actor_user_id)}'
        return f'{head},"data":'.encode()

    def automation_of(self, event_type: str, data: JsonObject) -> str | None:
        return data["automation_id"] if event_type == _NEW_NAME else None

    def signer(self, app: App, secrets: Sequence[Secret]) -> Signer:
        return ContioSigner(*secrets, profile=_of_contio(app.options).signature_profile)

    def verifier(self, *secrets: Secret | str, strict: bool = False) -> Verifier:
        """`strict`: only the documented profile, which signs the time of each attempt, too."""
        return ContioVerifier(*secrets, strict=strict)

    def mend(self, name: str, event: JsonObject) -> JsonObject:
        data = event.get("data")
        if name != _OLD_NAME or not isinstance(data, dict):
            return event
        return event | {"data": from_old_form(data)[0]}

    def dedupe_key(self, event: Struct, verified: Verified, body: bytes) -> str:
        """The event_id in the body: X-Contio-Signature covers no header but the timestamp."""
        if isinstance(event, Envelope):
            return event.event_id
        found = event.raw.get("event_id") if isinstance(event, UnknownEvent) else None
        return found if isinstance(found, str) and found else body_key(body)

    def normalise(self, event: Struct) -> MeetingEnded | CalendarChanged | None:
        match event:
            case MeetingCompleted(data=data):
                return MeetingEnded(
                    provider=self.name,
                    meeting_id=data.meeting_id,
                    title=data.title,
                    available_at=read_moment(data.completed_at, path="$.data.completed_at"),
                    raw=event,
                )
            case CalendarEventCreated(data=data):
                return CalendarChanged(
                    provider=self.name, change="created", instances=(_instance(data),), raw=event
                )
            case CalendarEventUpdated(data=data):
                return CalendarChanged(
                    provider=self.name, change="updated", instances=(_instance(data),), raw=event
                )
            case CalendarEventDeleted(data=data):
                gone = CalendarInstance(id=data.calendar_event_id)
                return CalendarChanged(provider=self.name, change="deleted", instances=(gone,), raw=event)
        return None


def _instance(data: CalendarEventCreatedData | CalendarEventUpdatedData) -> CalendarInstance:
    return CalendarInstance(
        id=data.calendar_event_id,
        title=data.title,
        starts_at=read_moment(data.start_time, path="$.data.start_time"),
        ends_at=read_moment(data.end_time, path="$.data.end_time"),
        is_all_day=data.is_all_day,
        attendee_count=data.attendee_count,
    )


def _of_contio(options: AppOptions) -> ContioOptions:
    return options if isinstance(options, ContioOptions) else ContioOptions()


PROVIDER = Contio(
    name="contio",
    title="Contio",
    source="contio-webhook-events-reference.txt",
    signature=(  # CONTRACTS 1.4
        "X-Contio-Signature is the HMAC-SHA256 of X-Contio-Timestamp, a full stop and the body, in lowercase "
        "hexadecimal, keyed with the webhook secret as it is written. For apps set to the sdk profile it is "
        "sha256= and the HMAC of the body alone. The webhook-* headers prove the same after Standard "
        "Webhooks 1.0, keyed with what the secret's base64 stands for."
    ),
    event_types=MappingProxyType({event_type.name: event_type for event_type in _EVENT_TYPES}),
    policy=Policy(  # contio-webhook-events-overview, "Delivery & Retries"
        retry_delays=(timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30)),
        timeout=timedelta(seconds=30),
        old_secret_again=True,  # X-Contio-Signature holds one signature only
    ),
    aliases=MappingProxyType({_OLD_NAME: _NEW_NAME}),
    always_delivered=frozenset({_DISCONNECTED}),
    options=ContioOptions,
)
