"""Secrets at rest: sealed by the newest key, opened by any, and a key file that only its owner reads."""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from adjourn.config import Secret
from adjourn.errors import ConfigError
from adjourn.vault import Vault, digest_key


def key() -> Secret:
    return Secret(Fernet.generate_key().decode())


@pytest.mark.parametrize("plain", [b"", b"whsec_\x00\xff", b"x" * 10_000])
def test_what_is_sealed_opens_again(plain: bytes) -> None:
    vault = Vault([key()])
    sealed = vault.seal(plain)
    assert vault.open(sealed) == plain
    assert plain == b"" or plain not in sealed


def test_sealing_twice_looks_different() -> None:
    vault = Vault([key()])
    assert vault.seal(b"a") != vault.seal(b"a")


def test_any_key_opens_and_the_first_seals() -> None:
    old, new = key(), key()
    rotated = Vault([new, old])
    assert rotated.open(Vault([old]).seal(b"a")) == b"a"
    assert Vault([new]).open(rotated.seal(b"b")) == b"b"
    with pytest.raises(ConfigError):
        Vault([old]).open(rotated.seal(b"b"))


def test_it_knows_what_its_first_key_sealed() -> None:
    old, new = key(), key()
    sealed = Vault([old]).seal(b"a")
    assert Vault([old]).is_newest(sealed)
    assert not Vault([new, old]).is_newest(sealed)
    assert Vault([new, old]).is_newest(Vault([new]).seal(b"a"))
    assert not Vault([old]).is_newest(b"damaged")


def test_another_key_opens_nothing_and_says_which_setting() -> None:
    with pytest.raises(ConfigError, match="ADJOURN_SECRET_KEY"):
        Vault([key()]).open(Vault([key()]).seal(b"a"))


@pytest.mark.parametrize(
    "damage", [lambda sealed: sealed[:-1], lambda sealed: b"", lambda sealed: b"\xff" * 99]
)
def test_a_damaged_seal_is_a_config_error(damage: object) -> None:
    assert callable(damage)
    vault = Vault([key()])
    with pytest.raises(ConfigError):
        vault.open(damage(vault.seal(b"a")))


@pytest.mark.parametrize("bad", ["", "short", "ü" * 44, "A" * 44 + "="])
def test_a_key_of_another_form_is_refused_without_being_shown(bad: str) -> None:
    with pytest.raises(ConfigError, match="ADJOURN_SECRET_KEY") as caught:
        Vault([Secret(bad)])
    assert bad == "" or bad not in str(caught.value)


def test_no_keys_are_refused() -> None:
    with pytest.raises(ConfigError):
        Vault([])


# the key beside the database


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("no_umask")
def test_the_key_file_is_its_owners_alone(tmp_path: Path) -> None:
    Vault.beside(tmp_path / "adjourn.db")
    assert stat.S_IMODE((tmp_path / "adjourn.db.key").stat().st_mode) == 0o600


def test_the_key_file_is_made_once(tmp_path: Path) -> None:
    sealed = Vault.beside(tmp_path / "adjourn.db").seal(b"a")
    assert Vault.beside(tmp_path / "adjourn.db").open(sealed) == b"a"
    assert Vault([Secret((tmp_path / "adjourn.db.key").read_text())]).open(sealed) == b"a"


def test_each_database_has_a_key_of_its_own(tmp_path: Path) -> None:
    sealed = Vault.beside(tmp_path / "one.db").seal(b"a")
    with pytest.raises(ConfigError):
        Vault.beside(tmp_path / "two.db").open(sealed)


def test_a_line_end_behind_the_key_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "adjourn.db.key").write_text(f" {key().reveal()}\n")
    assert Vault.beside(tmp_path / "adjourn.db").seal(b"a")


def test_a_spoiled_key_file_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "adjourn.db.key").write_text("spoiled")
    with pytest.raises(ConfigError):
        Vault.beside(tmp_path / "adjourn.db")


def test_a_key_file_that_cannot_be_made_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="key file"):
        Vault.beside(tmp_path / "file" / "adjourn.db")


def test_a_digest_is_sha256_and_differs_for_each_key() -> None:
    assert digest_key(b"a") == hashlib.sha256(b"a").digest()
    assert digest_key(b"a") != digest_key(b"b")


def test_a_database_whose_key_file_is_gone_gets_no_new_one(tmp_path: Path) -> None:
    (tmp_path / "adjourn.db").write_bytes(b"some tables")
    with pytest.raises(ConfigError, match="is missing: restore it"):
        Vault.beside(tmp_path / "adjourn.db")
    assert not (tmp_path / "adjourn.db.key").exists()
