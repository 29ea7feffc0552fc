"""Sealing anew with the newest key, at start: then the old ones can be dropped from the setting."""

from adjourn.errors import ConfigError
from adjourn.storage.base import Directory
from adjourn.storage.sql.connection import Connection, Database, look_up
from adjourn.vault import Vault

__all__ = ["check_seal", "reseal"]

_SEAL = b"adjourn"  # what the setting `sealed` holds
_AT_ONCE = 500  # values in one commit
_MARK = "SELECT value FROM setting WHERE name = 'sealed'"
_MARK_ANEW = "UPDATE setting SET value = ? WHERE name = 'sealed'"
# Each with its key after the value; the next page begins behind that key.
_CREDENTIALS = "SELECT sealed, id FROM credential WHERE sealed IS NOT NULL AND id > ? ORDER BY id LIMIT ?"
_ANSWERS = """
    SELECT body, scope, key FROM idempotency WHERE sealed AND (scope, key) > (?, ?)
    ORDER BY scope, key LIMIT ?
"""
_SUBJECTS = """
    SELECT callback_secret, app_id, id FROM subject
    WHERE callback_secret IS NOT NULL AND (app_id, id) > (?, ?) ORDER BY app_id, id LIMIT ?
"""
_CREDENTIAL_ANEW = "UPDATE credential SET sealed = ? WHERE id = ?"
_ANSWER_ANEW = "UPDATE idempotency SET body = ? WHERE scope = ? AND key = ?"
_SUBJECT_ANEW = "UPDATE subject SET callback_secret = ? WHERE app_id = ? AND id = ?"
_KINDS: tuple[tuple[str, str, tuple[object, ...]], ...] = (
    (_CREDENTIALS, _CREDENTIAL_ANEW, (0,)),
    (_ANSWERS, _ANSWER_ANEW, ("", "")),
    (_SUBJECTS, _SUBJECT_ANEW, ("", "")),
)


async def check_seal(directory: Directory, vault: Vault) -> None:
    """See that the vault opens what the first start sealed; this may be the first. Raises ConfigError."""
    if not await directory.add_setting("sealed", vault.seal(_SEAL)):
        sealed = await directory.find_setting("sealed")
        if sealed is None or vault.open(sealed) != _SEAL:
            raise ConfigError("the database's seal cannot be read")


async def reseal(database: Database, vault: Vault, *, at_once: int = _AT_ONCE) -> None:
    """Seal every secret and every kept answer with the vault's newest key, where another sealed it.

    The setting `sealed` must be there; it is sealed anew last: after a kill the next start goes on. Other
    nodes may still seal with an old key, until they are started anew, too: so each start looks, while it is
    given old keys, and the last one finds what is left. Raises ConfigError when no key opens a value.
    """
    ((mark,),) = await look_up(database, _MARK)
    if vault.is_newest(mark) and not vault.has_old_keys:
        return
    for page, update, start in _KINDS:
        key: tuple[object, ...] | None = start
        while key is not None:
            key = await _reseal_page(database, vault, (page, update), (*key, at_once))
    if vault.is_newest(mark):
        return
    anew = vault.seal(vault.open(mark))
    await database.write("reseal", lambda connection: connection.execute(_MARK_ANEW, (anew,)))


async def _reseal_page(
    database: Database, vault: Vault, statements: tuple[str, str], after: tuple[object, ...]
) -> tuple[object, ...] | None:
    """The key of the page's last row; None when none follows. Nobody changes a value meanwhile."""
    page, update = statements

    def run(connection: Connection) -> tuple[object, ...] | None:
        rows = connection.hold(page, after).fetchall()
        old = [row for row in rows if not vault.is_newest(row[0])]
        connection.executemany(update, [(vault.seal(vault.open(sealed)), *key) for sealed, *key in old])
        return tuple(rows[-1][1:]) if rows else None

    return await database.write("reseal", run)
