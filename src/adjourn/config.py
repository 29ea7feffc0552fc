"""Settings, read from the environment in one place, and the masked Secret."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import msgspec

from adjourn.errors import ConfigError

__all__ = ["Network", "Secret", "Settings", "Smtp", "without_password"]

Network = IPv4Network | IPv6Network

_SQLITE = "sqlite:///"
_POSTGRES = ("postgres://", "postgresql://")
_PREFIX = "ADJOURN_"
_RETENTION = timedelta(days=90)
_LEASE = timedelta(seconds=30)
_LEASES = range(10, 3601)  # seconds
_MOST_WORKERS = 256
_MOST_DAYS = 36_500
_UNREADABLE = "a URL that cannot be read"


class Secret:
    """A string that never shows itself in repr, logs or tracebacks; `reveal` at the place of use."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class Smtp(msgspec.Struct, frozen=True, kw_only=True):
    """The mail server. `security`: none is in the clear; with the others its certificate is checked."""

    host: str
    port: int
    security: Literal["none", "starttls", "tls"]
    user: str | None = None
    password: Secret | None = None


def without_password(url: str) -> str:
    """A database's URL without what may be a password, to be shown."""
    if url.startswith(_SQLITE) or not re.search("@|://", url):
        return url
    try:
        parts = urlsplit(url)
        user, port = parts.username, parts.port
    except ValueError:
        return _UNREADABLE
    if "@" in parts.path:  # a password with a slash in it
        return _UNREADABLE
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    place = f"{user}@{host}" if user else host
    return f"{parts.scheme}://{place}{f':{port}' if port else ''}{parts.path}"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set. Each field is ADJOURN_<NAME> in the environment.

    Raises ConfigError where settings do not go together.
    """

    database_url: str = "sqlite:///adjourn.db"
    workers: int = 1  # processes of this node; more than one needs PostgreSQL
    retention_days: int | None = None  # 0: all is kept; None: the default. PostgreSQL alone
    lease_seconds: int | None = None  # None: the default. PostgreSQL alone
    platform_key: Secret | None = None
    secret_keys: tuple[Secret, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8080
    retry_delays: tuple[timedelta, ...] | None = None  # instead of 1, 5 and 30 minutes
    allow_networks: tuple[Network, ...] = ()
    allow_ports: tuple[range, ...] | None = None  # None: all but those of other protocols
    require_https: bool = False
    trusted_proxies: tuple[Network, ...] = ()  # whose X-Forwarded-For is believed
    require_client_id: bool = False
    partner_rate_limit: int = 600  # requests a minute for each app; 0: no limit
    platform_rate_limit: int = 0  # requests a minute; 0: no limit
    smtp: Smtp | None = None  # from smtp_url; None: mails are logged instead
    mail_from: str | None = None  # None: adjourn@ this machine
    auto_disable: bool = True  # the rollout: False turns it off for every app
    backlog_rate: int = 200  # deliveries a second for each app, while its backlog drains

    def __post_init__(self) -> None:
        if self.is_postgres:
            self._check_postgres()
        else:
            self._check_sqlite()

    @property
    def is_postgres(self) -> bool:
        """Else the database is a SQLite file."""
        return self.database_url.startswith(_POSTGRES)

    @property
    def sqlite_path(self) -> Path:
        """The database file. Raises ConfigError for any other kind of database."""
        path = self.database_url.removeprefix(_SQLITE)
        if path == self.database_url or not path:
            raise ConfigError(
                "ADJOURN_DATABASE_URL must look like sqlite:///adjourn.db (or sqlite:////var/lib/adjourn.db "
                f"for an absolute path) or postgresql://user:password@host/database, got {self.shown_url!r}"
            )
        return Path(path)

    @property
    def shown_url(self) -> str:
        """The database's URL without what may be a password."""
        return without_password(self.database_url)

    @property
    def retention(self) -> timedelta | None:
        """How long what was published is kept; None: for ever, as SQLite does."""
        if self.retention_days is None:
            return _RETENTION if self.is_postgres else None
        return timedelta(days=self.retention_days) or None

    @property
    def lease(self) -> timedelta:
        """How long a worker is believed to live that says nothing. PostgreSQL's: of SQLite there is one."""
        return _LEASE if self.lease_seconds is None else timedelta(seconds=self.lease_seconds)

    def __repr__(self) -> str:
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        values["database_url"] = self.shown_url
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in values.items())})"

    def _check_postgres(self) -> None:
        if self.shown_url == _UNREADABLE:
            raise ConfigError(
                "ADJOURN_DATABASE_URL is no URL; it must look like postgresql://user:password@host/database "
                "(percent-encode a password)"
            )
        if not self.secret_keys:
            raise ConfigError(
                "ADJOURN_SECRET_KEY must be set with PostgreSQL, since every node must have the same: "
                "`adjourn secret-key` makes one"
            )

    def _check_sqlite(self) -> None:
        _ = self.sqlite_path
        alone = {
            "ADJOURN_WORKERS above 1 needs": self.workers > 1,
            "ADJOURN_RETENTION_DAYS needs": self.retention_days is not None,
            "ADJOURN_LEASE needs": self.lease_seconds is not None,
        }
        for what, given in alone.items():
            if given:
                raise ConfigError(f"{what} PostgreSQL: a SQLite file serves one process and keeps everything")

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], **flags: str | None) -> "Settings":
        """Settings from the environment, a flag given winning over its variable.

        Raises ConfigError that names the variable at fault, without any password.
        """
        given = {
            name: value
            for name in _READERS
            if (value := flags.get(name) or environ.get(_PREFIX + name.upper(), "")) != ""
        }
        fields: dict[str, Any] = {}
        for name, text in given.items():
            field, read = _READERS[name]
            try:
                fields[field] = read(text)
            except ValueError as exc:
                raise ConfigError(f"{_PREFIX}{name.upper()}: {exc}") from exc
        return cls(**fields)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise ValueError(f"must be a port from 0 to 65535, got {text!r}")
    return int(text)


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"must be a whole number, got {text!r}")
    return int(text)


def _delays(text: str) -> tuple[timedelta, ...]:
    try:
        delays = tuple(timedelta(seconds=float(part)) for part in text.split(","))
    except (ValueError, OverflowError):
        raise ValueError(f"must be seconds, comma-separated, like 60,300,1800, got {text!r}") from None
    if min(delays) < timedelta(0):
        raise ValueError(f"no delay may be negative, got {text!r}")
    return delays


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def _ports(text: str) -> tuple[range, ...]:
    """Ports and ranges of them, like 443,8000-8999."""
    ports = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        low, high = _port(first), _port(last if dash else first)
        if not 0 < low <= high:
            raise ValueError(f"must be ports from 1 to 65535, like 443,8000-8999, got {text!r}")
        ports.append(range(low, high + 1))
    return tuple(ports)


def _secrets(text: str) -> tuple[Secret, ...]:
    return tuple(Secret(part.strip()) for part in text.split(",") if part.strip())


_ADDRESS = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9][A-Za-z0-9._-]*"
_SENDER = re.compile(rf"{_ADDRESS}|[^\"(),:;<>@\[\]\\]+ <{_ADDRESS}>")  # a name without what needs quoting


def _at_least_one(text: str) -> int:
    if (number := _whole(text)) < 1:
        raise ValueError(f"must be at least 1, got {text!r}")
    return number


def _workers(text: str) -> int:
    if not 1 <= (number := _whole(text)) <= _MOST_WORKERS:
        raise ValueError(f"must be from 1 to {_MOST_WORKERS}, got {text!r}")
    return number


def _days(text: str) -> int:
    if (number := _whole(text)) > _MOST_DAYS:
        raise ValueError(f"must be at most {_MOST_DAYS} days, or 0 to keep everything, got {text!r}")
    return number


def _lease(text: str) -> int:
    if (number := _whole(text)) not in _LEASES:
        raise ValueError(f"must be from {_LEASES[0]} to {_LEASES[-1]} seconds, got {text!r}")
    return number


# the scheme: its security, and its port where none is given
_SMTP: Mapping[str, tuple[Literal["none", "starttls", "tls"], int]] = {
    "smtp": ("none", 25),
    "smtp+starttls": ("starttls", 587),
    "smtps": ("tls", 465),
}


def _smtp(text: str) -> Smtp:
    """smtp://[user:password@]host[:port], smtp+starttls:// or smtps://.

    With credentials smtp:// means smtp+starttls://, unless the server is on this machine: they never go
    over a network in the clear. No error repeats the text, which may hold the password.
    """
    like = "like smtps://user:password@mail.example.com:465, or smtp+starttls:// or smtp://"
    try:
        parts = urlsplit(text)
        given_port = parts.port
    except ValueError:
        raise ValueError(f"is not a URL; it must be {like}") from None
    if parts.scheme not in _SMTP or not parts.hostname or not text.isprintable() or " " in text:
        raise ValueError(f"must be {like}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"must end after host and port (percent-encode a password), {like}")
    if given_port == 0:
        raise ValueError("port 0 cannot be connected to")
    if bool(parts.username) != bool(parts.password):
        raise ValueError("must have both a user and a password, or neither")
    security, port = _SMTP[parts.scheme]
    if parts.username and security == "none" and not _is_loopback(parts.hostname):
        security, port = _SMTP["smtp+starttls"]
    return Smtp(
        host=parts.hostname,
        port=given_port or port,
        security=security,
        user=unquote(parts.username) if parts.username else None,
        password=Secret(unquote(parts.password)) if parts.password else None,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _mail_from(text: str) -> str:
    if not _SENDER.fullmatch(text) or not text.isprintable():
        raise ValueError(f"must be one address, like Webhooks <webhooks@example.com>, got {text!r}")
    return text


def _flag(text: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if text.lower() not in words:
        raise ValueError(f"must be true or false, got {text!r}")
    return words[text.lower()]


# the variable, without its prefix: the field it fills, and how it is read
_READERS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "database_url": ("database_url", str),
    "workers": ("workers", _workers),
    "retention_days": ("retention_days", _days),
    "lease": ("lease_seconds", _lease),
    "platform_key": ("platform_key", Secret),
    "secret_key": ("secret_keys", _secrets),
    "host": ("host", str),
    "port": ("port", _port),
    "retry_delays": ("retry_delays", _delays),
    "allow_networks": ("allow_networks", _networks),
    "allow_ports": ("allow_ports", _ports),
    "require_https": ("require_https", _flag),
    "trusted_proxies": ("trusted_proxies", _networks),
    "require_client_id": ("require_client_id", _flag),
    "partner_rate_limit": ("partner_rate_limit", _whole),
    "platform_rate_limit": ("platform_rate_limit", _whole),
    "smtp_url": ("smtp", _smtp),
    "mail_from": ("mail_from", _mail_from),
    "auto_disable": ("auto_disable", _flag),
    "backlog_rate": ("backlog_rate", _at_least_one),
}
