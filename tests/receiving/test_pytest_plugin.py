"""The pytest plugin as users have it: found by pytest itself, in a run of their own."""

import re
import subprocess
import sys
from pathlib import Path

import flask  # noqa: F401 - loaded once, not in each run
import pytest

from adjourn.rehearsal import Webhooks

pytest_plugins = ["pytester"]

_APP = """
from adjourn import Inbox, contio

inbox = Inbox("sqlite:///own.db")
titles = []

@inbox.on(contio.MeetingCompleted)
def save(event):
    if event.data.title == "Bad":
        raise ValueError("no such meeting")
    titles.append(event.data.title)
"""
_STRICT = ("-W", "error", "-p", "no:cacheprovider")


@pytest.fixture(autouse=True)
def app(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(myapp=_APP)


def test_three_lines_test_a_handler(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from adjourn import contio
        from myapp import inbox, titles

        def test_saves_the_title(webhooks):
            webhooks.deliver(inbox, contio, "meeting.completed", title="Retro")
            assert titles == ["Retro"]
        """
    )
    pytester.runpytest(*_STRICT).assert_outcomes(passed=1)
    assert not (pytester.path / "own.db").exists()


def test_each_test_begins_with_an_empty_inbox(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from adjourn import contio
        from myapp import inbox

        @pytest.mark.parametrize("n", [1, 2])
        def test_new(webhooks, tmp_path, n):
            assert webhooks.deliver(inbox, contio, "meeting.completed").duplicates == 0
            assert not [*tmp_path.iterdir()]
        """
    )
    pytester.runpytest(*_STRICT).assert_outcomes(passed=2)


def test_a_failure_shows_the_handler_and_nothing_of_ours(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from adjourn import contio
        from myapp import inbox

        def test_bad(webhooks):
            webhooks.deliver(inbox, contio, "meeting.completed", title="Bad")
        """
    )
    ran = pytester.runpytest(*_STRICT, "--show-capture=no")
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(
        ['*title="Bad"*', "*raise ValueError*", "E * ValueError: no such meeting", "myapp.py:*: ValueError"]
    )
    ran.stdout.no_fnmatch_line("*rehearsal*.py:*")
    ran.stdout.no_fnmatch_line("*asyncio*")


def test_the_secret_is_a_fixture_that_users_define(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from adjourn import Receiver, contio

        @pytest.fixture
        def webhooks_secret():
            return "our own secret"

        def test_signed_with_it(webhooks):
            assert webhooks.secret == "our own secret"
            Receiver(contio, "our own secret").receive(*webhooks.request(contio, "meeting.completed"))
        """
    )
    pytester.runpytest(*_STRICT).assert_outcomes(passed=1)


def test_a_fixture_of_the_same_name_is_the_users_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def webhooks():
            return "mine"

        def test_mine(webhooks):
            assert webhooks == "mine"
        """
    )
    pytester.runpytest(*_STRICT).assert_outcomes(passed=1)


def test_async_tests(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from adjourn import contio
        from myapp import inbox, titles

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_saves_the_title(webhooks):
            await webhooks.adeliver(inbox, contio, "meeting.completed", title="Retro")
            assert titles == ["Retro"]
        """
    )
    pytester.runpytest(*_STRICT).assert_outcomes(passed=1)


def test_its_fixtures_are_explained(pytester: pytest.Pytester) -> None:
    ran = pytester.runpytest("--fixtures", "-p", "no:cacheprovider")
    ran.stdout.fnmatch_lines(["webhooks -- *", "    Delivers a vendor's events to the handlers of an inbox*"])


def test_it_costs_nothing_where_nothing_asks_for_it() -> None:
    program = (
        "import pytest, sys; before = {*sys.modules}; import adjourn.pytest_plugin; "
        "print(*sorted({*sys.modules} - before))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["adjourn", "adjourn.pytest_plugin"]


_PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text("utf-8")
_BLOCKS: list[str] = re.findall(r"^```python\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)
_AGAIN = """
def pytest_generate_tests(metafunc):
    metafunc.fixturenames.append("turn")
    metafunc.parametrize("turn", [1, 2])
"""


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)], ids=str)
@pytest.mark.parametrize("together", [True, False], ids=["one file", "a file each"])
def test_the_code_of_the_documentation_passes_in_any_order_and_twice(
    pytester: pytest.Pytester, order: tuple[int, ...], together: bool
) -> None:
    (written_app,) = [each for each in _BLOCKS if "# myapp.py" in each]
    (conftest,) = [each for each in _BLOCKS if "def webhooks_secret" in each]
    tests = [each for each in _BLOCKS if "def test_" in each]
    assert len(tests) == len(order)
    pytester.makepyfile(myapp=written_app)
    pytester.makeconftest(conftest + _AGAIN)
    chosen = [tests[number] for number in order]
    texts = ["\n\n".join(chosen)] if together else chosen
    names = [f"test_{number}" for number, _ in enumerate(texts)]
    pytester.makepyfile(**dict(zip(names, texts, strict=True)))
    ran = pytester.runpytest(*_STRICT, *(f"{name}.py" for name in names))
    ran.assert_outcomes(passed=2 * len(tests))


def test_the_documentation_names_what_there_is() -> None:
    named = set(re.findall(r"(?:webhooks\.|, `)([a-z]+)\(", _PAGE.partition("## Once")[0]))
    offered = {name for name in vars(Webhooks) if not name.startswith("_")}
    assert named == offered
