"""The Python of docs/partners.md leaves an app that may write again."""

import re
from pathlib import Path

_PAGE = (Path(__file__).parents[2] / "docs" / "partners.md").read_text("utf-8")


def test_what_the_examples_switch_off_they_switch_on_again() -> None:
    statuses = re.findall(r'app/status -d \'{"status": "(\w+)"}\'|update_app_status\("(\w+)"\)', _PAGE)
    assert statuses == [("inactive", ""), ("active", ""), ("", "inactive"), ("", "active")]
