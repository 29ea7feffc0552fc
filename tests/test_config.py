"""Settings: read from the environment in one place; whatever is wrong names its variable."""

import traceback
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from adjourn.config import Secret, Settings, Smtp
from adjourn.errors import ConfigError


def seconds(*numbers: float) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=each) for each in numbers)


def test_nothing_given_is_the_defaults() -> None:
    assert Settings.from_environ({}) == Settings()
    assert Settings().database_url == "sqlite:///adjourn.db"
    assert (Settings().host, Settings().port) == ("127.0.0.1", 8080)


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("DATABASE_URL", "sqlite:////var/lib/a.db", "database_url", "sqlite:////var/lib/a.db"),
        ("PLATFORM_KEY", "pk", "platform_key", Secret("pk")),
        ("SECRET_KEY", "new, old,", "secret_keys", (Secret("new"), Secret("old"))),
        ("HOST", "0.0.0.0", "host", "0.0.0.0"),
        ("PORT", "0", "port", 0),
        ("PORT", "65535", "port", 65535),
        ("RETRY_DELAYS", "60,300,1800", "retry_delays", seconds(60, 300, 1800)),
        ("RETRY_DELAYS", "0.2, 1", "retry_delays", seconds(0.2, 1)),
        (
            "ALLOW_NETWORKS",
            "10.0.0.0/8, ::1/128",
            "allow_networks",
            (ip_network("10.0.0.0/8"), ip_network("::1/128")),
        ),
        ("ALLOW_PORTS", "443, 8000-8999", "allow_ports", (range(443, 444), range(8000, 9000))),
        ("ALLOW_PORTS", "1-65535", "allow_ports", (range(1, 65536),)),
        ("REQUIRE_HTTPS", "true", "require_https", True),
        ("REQUIRE_HTTPS", "no", "require_https", False),
        ("TRUSTED_PROXIES", "10.0.0.1", "trusted_proxies", (ip_network("10.0.0.1/32"),)),
        ("REQUIRE_CLIENT_ID", "true", "require_client_id", True),
        ("REQUIRE_CLIENT_ID", "YES", "require_client_id", True),
        ("REQUIRE_CLIENT_ID", "0", "require_client_id", False),
        ("PARTNER_RATE_LIMIT", "0", "partner_rate_limit", 0),
        ("AUTO_DISABLE", "false", "auto_disable", False),
        ("BACKLOG_RATE", "1", "backlog_rate", 1),
        ("PLATFORM_RATE_LIMIT", "6000", "platform_rate_limit", 6000),
    ],
)
def test_each_variable_fills_its_field(variable: str, text: str, field: str, value: object) -> None:
    settings = Settings.from_environ({f"ADJOURN_{variable}": text, "OTHER": "x"})
    assert getattr(settings, field) == value
    given: dict[str, Any] = {field: value}
    assert settings == Settings(**given)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("PORT", "http"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("PORT", "٨٠"),
        ("PORT", "9" * 5000),
        ("RETRY_DELAYS", "60,soon"),
        ("RETRY_DELAYS", "60,-1"),
        ("RETRY_DELAYS", "nan"),
        ("RETRY_DELAYS", "inf"),
        ("RETRY_DELAYS", ","),
        ("ALLOW_NETWORKS", "localhost"),
        ("ALLOW_NETWORKS", "10.0.0.1/8"),
        ("ALLOW_PORTS", "0"),
        ("ALLOW_PORTS", "https"),
        ("ALLOW_PORTS", "443,"),
        ("ALLOW_PORTS", ","),
        ("ALLOW_PORTS", "65536"),
        ("ALLOW_PORTS", "443-80"),
        ("ALLOW_PORTS", "-80"),
        ("ALLOW_PORTS", "80-"),
        ("ALLOW_PORTS", "0-80"),
        ("ALLOW_PORTS", "1-2-3"),
        ("ALLOW_PORTS", "٨٠"),
        ("REQUIRE_HTTPS", "always"),
        ("REQUIRE_CLIENT_ID", "maybe"),
        ("PARTNER_RATE_LIMIT", "-5"),
        ("PARTNER_RATE_LIMIT", "1.5"),
        ("AUTO_DISABLE", "off"),
        ("BACKLOG_RATE", "0"),
        ("BACKLOG_RATE", "fast"),
        ("WORKERS", "0"),
        ("WORKERS", "many"),
        ("WORKERS", "1000"),
        ("RETENTION_DAYS", "-1"),
        ("RETENTION_DAYS", "99999999"),
        ("LEASE", "9"),
        ("LEASE", "3601"),
        ("LEASE", "1.5"),
    ],
)
def test_a_wrong_value_is_a_config_error_that_names_its_variable(variable: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"ADJOURN_{variable}"):
        Settings.from_environ({f"ADJOURN_{variable}": text})


def test_a_flag_wins_over_its_variable() -> None:
    environ = {"ADJOURN_PORT": "1", "ADJOURN_HOST": "::1"}
    settings = Settings.from_environ(environ, port="2", host=None)
    assert (settings.port, settings.host) == (2, "::1")


def test_a_wrong_variable_does_no_harm_under_a_flag() -> None:
    assert Settings.from_environ({"ADJOURN_PORT": "x"}, port="2").port == 2


@pytest.mark.parametrize("field", ["port", "host", "retry_delays", "secret_key", "platform_key"])
def test_an_empty_variable_is_none(field: str) -> None:
    assert Settings.from_environ({f"ADJOURN_{field.upper()}": ""}, **{field: ""}) == Settings()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///adjourn.db", Path("adjourn.db")),
        ("sqlite:////var/lib/adjourn.db", Path("/var/lib/adjourn.db")),
        ("sqlite:///a folder/ü.db", Path("a folder/ü.db")),
    ],
)
def test_the_path_of_the_database(url: str, path: Path) -> None:
    assert Settings(database_url=url).sqlite_path == path


@pytest.mark.parametrize(
    "url", ["", "adjourn.db", "sqlite:///", "sqlite://adjourn.db", "mysql://localhost/a"]
)
def test_another_kind_of_database_is_a_config_error(url: str) -> None:
    with pytest.raises(ConfigError, match="ADJOURN_DATABASE_URL"):
        _ = Settings(database_url=url).sqlite_path


def postgres(url: str = "postgresql://localhost/a", **variables: str) -> Settings:
    return Settings.from_environ({"ADJOURN_DATABASE_URL": url, "ADJOURN_SECRET_KEY": "k", **variables})


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_postgresql_needs_a_secret_key_that_all_nodes_share(scheme: str) -> None:
    url = f"{scheme}://localhost/a"
    assert postgres(url).is_postgres
    with pytest.raises(ConfigError, match="ADJOURN_SECRET_KEY must be set with PostgreSQL"):
        Settings.from_environ({"ADJOURN_DATABASE_URL": url})
    with pytest.raises(ConfigError, match="ADJOURN_DATABASE_URL"):
        _ = postgres(url).sqlite_path


def test_what_postgresql_keeps_and_how_long_it_believes_in_a_worker() -> None:
    assert (postgres().retention, postgres().lease) == (timedelta(days=90), timedelta(seconds=30))
    assert postgres(ADJOURN_RETENTION_DAYS="7").retention == timedelta(days=7)
    assert postgres(ADJOURN_RETENTION_DAYS="0").retention is None
    assert postgres(ADJOURN_LEASE="10").lease == timedelta(seconds=10)
    assert postgres(ADJOURN_WORKERS="4").workers == 4
    assert Settings().retention is None


@pytest.mark.parametrize(("variable", "text"), [("WORKERS", "2"), ("RETENTION_DAYS", "0"), ("LEASE", "30")])
def test_what_only_postgresql_can_do_is_refused_with_sqlite(variable: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"ADJOURN_{variable} .*needs PostgreSQL"):
        Settings.from_environ({f"ADJOURN_{variable}": text})
    assert Settings.from_environ({"ADJOURN_WORKERS": "1"}) == Settings()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:hidden@db:5432/a?password=hidden", "postgresql://me@db:5432/a"),
        ("postgres://me:hidden@[::1]/a#hidden", "postgres://me@[::1]/a"),
        ("postgresql:///a?host=/run/postgresql&user=me", "postgresql:///a"),
        ("sqlite:///a@b.db", "sqlite:///a@b.db"),
    ],
)
def test_the_database_is_shown_without_a_password(url: str, shown: str) -> None:
    settings = postgres(url)
    assert settings.shown_url == shown
    assert "hidden" not in f"{settings!r} {settings}"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hidden/hidden@db/a",
        "postgresql://me:1/hidden@db/a",
        "postgresql://me:hidden@db:hidden/a",
        "postgresql://me:hidden@[db/a",
        "mysql://me:hidden@db/a",
        "me:hidden@db/a",
    ],
)
def test_a_wrong_database_is_told_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match="ADJOURN_DATABASE_URL") as caught:
        postgres(url)
    assert "hidden" not in "".join(traceback.format_exception(caught.value))


def test_secrets_do_not_show() -> None:
    environ = {"ADJOURN_PLATFORM_KEY": "hidden1", "ADJOURN_SECRET_KEY": "hidden2,hidden3"}
    settings = Settings.from_environ(environ)
    assert "hidden" not in f"{settings!r} {settings}"
    assert settings.platform_key is not None
    assert settings.platform_key.reveal() == "hidden1"


def test_secrets_compare_by_value() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def smtp(url: str) -> Smtp:
    found = Settings.from_environ({"ADJOURN_SMTP_URL": url}).smtp
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("url", "host", "port", "security"),
    [
        ("smtp://mail.example.com", "mail.example.com", 25, "none"),
        ("smtp://mail.example.com:2525/", "mail.example.com", 2525, "none"),
        ("smtp+starttls://mail.example.com", "mail.example.com", 587, "starttls"),
        ("smtps://mail.example.com", "mail.example.com", 465, "tls"),
        ("smtps://[2001:db8::1]:466", "2001:db8::1", 466, "tls"),
    ],
)
def test_a_mail_server_without_credentials(url: str, host: str, port: int, security: str) -> None:
    found = smtp(url)
    assert (found.host, found.port, found.security) == (host, port, security)
    assert (found.user, found.password) == (None, None)


@pytest.mark.parametrize(
    ("url", "port", "security"),
    [
        ("smtp://u:p@mail.example.com", 587, "starttls"),
        ("smtp://u:p@mail.example.com:25", 25, "starttls"),
        ("smtp://u:p@10.0.0.1", 587, "starttls"),
        ("smtp://u:p@localhost", 25, "none"),
        ("smtp://u:p@127.0.0.1:1025", 1025, "none"),
        ("smtp://u:p@[::1]", 25, "none"),
        ("smtps://u:p@mail.example.com", 465, "tls"),
        ("smtps://u:p@localhost", 465, "tls"),
    ],
)
def test_credentials_never_cross_a_network_in_the_clear(url: str, port: int, security: str) -> None:
    found = smtp(url)
    assert (found.port, found.security) == (port, security)
    assert (found.user, found.password) == ("u", Secret("p"))


def test_credentials_may_be_percent_encoded() -> None:
    found = smtp("smtps://me%40example.com:a%2Fb%3A%C3%BC@mail.example.com")
    assert (found.user, found.password) == ("me@example.com", Secret("a/b:ü"))
    assert smtp("smtps://me@example.com:p@mail.example.com").user == "me@example.com"


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.com",
        "mail.example.com:25",
        "http://u:hidden@mail.example.com",
        "smtp://",
        "smtp://:25",
        "smtp://u:hidden@",
        "smtp://u@mail.example.com",
        "smtp://:hidden@mail.example.com",
        "smtp://u:hidden@mail.example.com:0",
        "smtp://u:hidden@mail.example.com:70000",
        "smtp://u:hid/den@mail.example.com",
        "smtp://u:hidden@mail.example.com/path",
        "smtp://u:hidden@mail.example.com?tls=yes",
        "smtp://u:hidden@mail.example.com#x",
        "smtp://u:hidden@mail example.com",
        "smtp://u:hidden@[mail.example.com",
    ],
)
def test_a_wrong_mail_server_is_told_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match="ADJOURN_SMTP_URL") as caught:
        smtp(url)
    assert "hid" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "text",
    ["a@localhost", "web-hooks+x@mail.example.com", "Webhooks <a@b.example>", "Müller & Co. <a@b.example>"],
)
def test_mail_comes_from_one_address_with_or_without_a_name(text: str) -> None:
    assert Settings.from_environ({"ADJOURN_MAIL_FROM": text}).mail_from == text


@pytest.mark.parametrize(
    "text",
    [
        "nobody",
        "a@",
        "@b",
        "a@b, c@d",
        "Acme, Inc <a@b>",
        "a@b\nBcc: c@d",
        "A\nB <a@b>",
        "<a@b>",
        "a b@c",
        "é@b",
        "A <a@b",
        "a..b@c",
    ],
)
def test_a_wrong_sender_is_a_config_error(text: str) -> None:
    with pytest.raises(ConfigError, match="ADJOURN_MAIL_FROM"):
        Settings.from_environ({"ADJOURN_MAIL_FROM": text})
