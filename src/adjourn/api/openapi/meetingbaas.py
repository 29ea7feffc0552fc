"""What Meeting BaaS's own clients call, in their envelope: api/meetingbaas.py."""

from typing import Any

from adjourn.api.openapi.operation import Json

__all__ = ["BOT_PATHS", "BOT_SCHEMAS", "BOT_SECURITY", "BOT_TAG"]

BOT_TAG = "Meeting BaaS: bots"

_TEXT: Json = {"type": "string"}
_ERRORS = {
    400: "The body has faults, each in `details`",
    401: "No key, or a wrong one",
    403: "Not while the app is suspended or inactive",
    404: "No event of this app was about that bot",
    409: "The bot has not ended, its last event went nowhere, or it has no callback",
    413: "Too large",
    415: "Not JSON",
    429: "Asked again within 10 seconds, or too often",
    500: "An error of the server's own",
    503: "Ask again",
}

BOT_SECURITY: Json = {
    "botKey": {
        "type": "apiKey",
        "in": "header",
        "name": "x-meeting-baas-api-key",
        "description": "a partner app's key, as Meeting BaaS's clients send it",
    }
}
BOT_SCHEMAS: Json = {
    "BotAnswer": {
        "type": "object",
        "properties": {
            "success": {"const": True},
            "data": {"type": "object", "properties": {"message": _TEXT}, "required": ["message"]},
        },
        "required": ["success", "data"],
    },
    "BotError": {
        "type": "object",
        "properties": {
            "success": {"const": False},
            "error": _TEXT,
            "code": _TEXT,
            "statusCode": {"type": "integer"},
            "message": _TEXT,
            "details": {
                "anyOf": [
                    {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}},
                    {"type": "null"},
                ]
            },
            "retryAfter": {"type": "integer", "description": "seconds"},
        },
        "required": ["success", "error", "code", "statusCode", "message", "details"],
    },
}


def _answered(description: str, schema: str) -> Json:
    return {
        "description": description,
        "headers": {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}},
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


def _call(name: str, summary: str, refusals: tuple[int, ...], body: Any) -> Json:
    operation: Json = {
        "operationId": name,
        "tags": [BOT_TAG],
        "summary": summary,
        "security": [{"botKey": []}],
        "parameters": [
            {"name": "bot_id", "in": "path", "description": "a bot's id", "required": True, "schema": _TEXT}
        ],
        "responses": {
            "200": _answered("OK", "BotAnswer"),
            **{str(status): _answered(_ERRORS[status], "BotError") for status in refusals},
        },
    }
    if body is not None:
        operation["requestBody"] = {"content": {"application/json": {"schema": body}}}
    return {"post": operation}


_CALLBACK = {"anyOf": [{"$ref": "#/components/schemas/CallbackBody"}, {"type": "null"}]}
_ANY = (401, 403, 404, 409, 413, 415, 429, 500, 503)

BOT_PATHS: Json = {
    "/v2/bots/{bot_id}/resend-webhook": _call(
        "resendBotWebhook", "Send the bot's final webhook once more", _ANY, None
    ),
    "/v2/bots/{bot_id}/retry-callback": _call(
        "retryBotCallback",
        "Send it to the bot's callback once more, or to the one given, which is its own from now on",
        (400, *_ANY),
        _CALLBACK,
    ),
}
