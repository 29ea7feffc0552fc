"""docs/signatures.md: its code runs, and does what it says."""

import re
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import adjourn.signing
from adjourn import wirejson
from adjourn.signing import ContioSigner, StandardSigner, StandardVerifier, new_signing_key, public_key

PAGE = (Path(__file__).parents[2] / "docs" / "signatures.md").read_text("utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"title":"Überblick"}'.encode()
NODE = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")


def block(language: str, part: str) -> str:
    (found,) = [text for kind, text in BLOCKS if kind == language and part in text]
    return found


def run(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(text, names)
    return names


@pytest.mark.parametrize("text", [text for kind, text in BLOCKS if kind == "python"])
def test_python_runs(text: str) -> None:
    assert run(text)


def test_the_receiver_answers_as_it_says() -> None:
    receive = run(block("python", "def receive"))["receive"]
    headers = StandardSigner(SECRET).sign(BODY, event_id="evt-1", timestamp=int(time.time()))
    assert receive(headers, BODY) == 200
    assert receive(headers, BODY + b" ") == 401
    assert receive({}, BODY) == 401


@pytest.mark.parametrize(
    ("part", "signer"),
    [
        ('removeprefix("whsec_")', StandardSigner(new_signing_key(), SECRET)),
        ('"X-Contio-Timestamp"', ContioSigner(SECRET)),
    ],
)
def test_what_is_done_by_hand_in_python_is_right(part: str, signer: Any) -> None:
    is_genuine = run(block("python", part))["is_genuine"]
    now = int(time.time())
    headers = signer.sign(BODY, event_id="evt-1", timestamp=now)
    assert is_genuine(headers, BODY, SECRET)
    assert not is_genuine(headers, BODY + b" ", SECRET)
    assert not is_genuine(headers, BODY, SECRET.replace("Mf", "Nf"))
    assert not is_genuine(signer.sign(BODY, event_id="evt-1", timestamp=now - 400), BODY, SECRET)


ASK = """
const given = JSON.parse(require("fs").readFileSync(0, "utf-8"));
console.log(isGenuine(given.headers, Buffer.from(given.body), given.key));
"""
PRIVATE = new_signing_key(lambda count: b"k" * count)  # its public key names a test


@pytest.mark.skipif(NODE is None, reason="Node.js is not installed")
@pytest.mark.parametrize(("part", "key"), [("createHmac", SECRET), ("createPublicKey", public_key(PRIVATE))])
@pytest.mark.parametrize("after", ["", " "])
def test_what_is_done_by_hand_in_node_is_right(part: str, key: str, after: str) -> None:
    signed = StandardSigner(PRIVATE, SECRET).sign(BODY, event_id="evt-1", timestamp=int(time.time()))
    given = wirejson.dumps({"headers": signed, "body": BODY.decode() + after, "key": key})
    program = block("js", part) + ASK
    assert NODE is not None
    done = subprocess.run([NODE, "-e", program], input=given, capture_output=True, check=True)
    assert done.stdout.decode().strip() == ("true" if not after else "false")


def test_the_vectors_are_those_of_the_contracts() -> None:
    (public,) = set(re.findall(r"whpk_[\w+/]{40,}=*", PAGE))
    signatures = re.findall(r"`(v1a?,[\w+/]{40,}=*)`", PAGE)
    assert [each.partition(",")[0] for each in signatures] == ["v1", "v1a"]
    for key, signature in zip((SECRET, public), signatures, strict=True):
        headers = {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": signature,
        }
        now = datetime.fromtimestamp(1614265330, UTC)
        StandardVerifier(key).verify(headers, b'{"test": 2432232314}', now=now)


def test_every_verifier_and_signer_is_named() -> None:
    for name in adjourn.signing.__all__:
        if name.endswith(("Verifier", "Signer")) and name not in ("Signer", "Verifier"):
            assert f"{name}(" in PAGE


def test_its_links_lead_somewhere() -> None:
    pages = {"": PAGE, "partners.md": (Path(__file__).parents[2] / "docs" / "partners.md").read_text("utf-8")}
    for page, anchor in re.findall(r"\]\((?!http)([\w.]*)#([\w-]+)\)", PAGE):
        titles = re.findall(r"^#+ (.*)$", pages[page], re.MULTILINE)
        assert anchor in [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
