"""Made from the catalogs, never by hand: JSON Schema, AsyncAPI, the reference, sample events. Pure."""

from adjourn.documents.schema import event_schema, json_schema, sent_schema

__all__ = ["event_schema", "json_schema", "sent_schema"]
