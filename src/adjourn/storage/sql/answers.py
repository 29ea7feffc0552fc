"""Answers kept for idempotency keys, each in the commit of the work that it tells of."""

from adjourn.storage.base import AnswerExists, KeptAnswer
from adjourn.storage.sql.connection import Connection
from adjourn.storage.sql.rows import to_ms

__all__ = ["insert_answer"]

_INSERT = """
    INSERT INTO idempotency (scope, key, body_hash, status, body, sealed, at) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING
"""


def insert_answer(connection: Connection, answer: KeptAnswer) -> None:
    """Keep the first answer with the work it tells of. Raises AnswerExists.

    The primary key guards it: of two at once the second waits for the end of the first, then is refused.
    """
    values = (
        answer.scope,
        answer.key,
        answer.body_hash,
        answer.status,
        answer.body,
        answer.sealed,
        to_ms(answer.at),
    )
    if not connection.execute(_INSERT, values).rowcount:
        raise AnswerExists(answer.key)
