"""Signatures against those of others: what they sign we accept, what we sign they accept."""

import json
import os
import shutil
import subprocess
import sys
import time
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from adjourn.errors import VerificationError
from adjourn.signing import (
    ContioSigner,
    StandardSigner,
    StandardVerifier,
    new_secret,
    new_signing_key,
    public_key,
)

FOLDER = Path(__file__).parent / "node"
NODE = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None and "CI" not in os.environ, reason="Node.js is not installed")

BODY = '{"title":"Überblick: 日本語 😀\\u0000","n":0.95}'
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def run_node(*arguments: str | Path, given: Any) -> Any:
    assert NODE is not None
    done = subprocess.run(
        [NODE, *arguments], input=json.dumps(given), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def accepts(headers: dict[str, str], body: str, *secrets: str, prefix: str = "webhook-") -> bool:
    now = datetime.fromtimestamp(int(headers[f"{prefix}timestamp"]), UTC)
    try:
        StandardVerifier(*secrets, prefix=prefix).verify(headers, body.encode(), now=now)
    except VerificationError as exc:
        if exc.code != "signature_mismatch":
            raise
        return False
    return True


# --- Python


ids = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(ids, texts, st.integers(0, 99_999_999_999), st.binary(min_size=24, max_size=64))
def test_signs_as_the_python_library_does(event_id: str, body: str, timestamp: int, key: bytes) -> None:
    secret = new_secret(lambda count: key).reveal()
    ours = StandardSigner(secret).sign(body.encode(), event_id=event_id, timestamp=timestamp)
    at = datetime.fromtimestamp(timestamp, UTC)
    theirs = Webhook(secret).sign(event_id, at, body)
    assert ours["webhook-signature"] == theirs
    headers = {**ours, "webhook-signature": f"v2,x {theirs}"}
    assert accepts(headers, body, new_secret().reveal(), secret)
    assert not accepts(headers, body + " ", secret)


@pytest.mark.parametrize("make", [StandardSigner, ContioSigner])
def test_the_python_library_accepts_what_we_send(make: Any) -> None:
    other = new_secret().reveal()
    now = int(time.time())  # its own clock judges
    headers = make(other, SECRET).sign(BODY.encode(), event_id="evt-1", timestamp=now)
    for secret in (SECRET, other):
        assert Webhook(secret).verify(BODY.encode(), headers, json_parse=False) is None
    for secret, body in ((new_secret().reveal(), BODY), (SECRET, BODY + " ")):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, headers)


def test_the_python_library_passes_over_our_other_signatures() -> None:
    now = int(time.time())
    headers = StandardSigner(new_signing_key(), SECRET).sign(BODY.encode(), event_id="evt-1", timestamp=now)
    assert Webhook(SECRET).verify(BODY, headers, json_parse=False) is None


# --- Node: Ed25519 as its own crypto module has it

ED25519 = """
const { createPrivateKey, createPublicKey, sign, verify } = require("crypto");
const given = JSON.parse(require("fs").readFileSync(0, "utf-8"));
const bytes = (hex, encoding = "hex") => Buffer.from(hex, encoding);
const seed = bytes(`302e020100300506032b657004220420${given.seed}`);  // RFC 8410
const key = createPrivateKey({ key: seed, format: "der", type: "pkcs8" });
const raw = bytes(`302a300506032b6570032100${given.public}`);
const pub = createPublicKey({ key: raw, format: "der", type: "spki" });
const found = given.webhooks.map(({ signed, signature }) => ({
  signature: sign(null, bytes(signed, "utf-8"), key).toString("base64"),
  fits: verify(null, bytes(signed, "utf-8"), pub, bytes(signature, "base64")),
}));
console.log(JSON.stringify(found));
"""


@needs_node
def test_node_and_we_make_the_same_of_a_key_pair() -> None:
    key = new_signing_key()
    public = public_key(key)
    signer = StandardSigner(key)
    bodies = ["", "{}", BODY, '{"a":"' + "é" * 10_000 + '"}']
    ours = [signer.sign(body.encode(), event_id="evt-1", timestamp=1736937000) for body in bodies]

    def ask_node(after: str = "") -> Any:
        """What it signs and whether ours fits, each body with that after it."""
        webhooks = [
            {
                "signed": f"evt-1.1736937000.{body}{after}",
                "signature": signed["webhook-signature"].removeprefix("v1a,"),
            }
            for body, signed in zip(bodies, ours, strict=True)
        ]
        raw = {"seed": raw_of(key.reveal())[:32].hex(), "public": raw_of(public).hex()}
        return run_node("-e", ED25519, given={**raw, "webhooks": webhooks})

    for body, signed, theirs in zip(bodies, ours, ask_node(), strict=True):
        assert theirs["fits"]
        headers = {**signed, "webhook-signature": f"v1a,{theirs['signature']}"}
        assert accepts(headers, body, public)
        assert not accepts(headers, body + " ", public)
    assert not any(each["fits"] for each in ask_node(after=" "))


def raw_of(key: str) -> bytes:
    return b64decode(key.partition("_")[2])


# --- Node: the libraries of Standard Webhooks and of Svix


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script that asks them."""
    folder = tmp_path_factory.mktemp("node")
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    npm = NODE and shutil.which("npm", path=str(Path(NODE).parent))
    if npm is None:
        pytest.skip("npm is not installed")
    environ = {**os.environ, "PATH": f"{Path(npm).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([npm, "ci", "--loglevel=error"], cwd=folder, env=environ, capture_output=True)
    if done.returncode != 0:
        pytest.skip("npm could not install the libraries: no registry?")
    return folder / "check.mjs"


@pytest.mark.soak
@pytest.mark.parametrize(("library", "prefix"), [("standardwebhooks", "webhook-"), ("svix", "svix-")])
def test_libraries_for_node_and_we_accept_each_other(libraries: Path, library: str, prefix: str) -> None:
    now = int(time.time())  # their own clock judges
    signer = StandardSigner(new_signing_key(), new_secret(), SECRET, prefix=prefix)
    signed = signer.sign(BODY.encode(), event_id="evt-1", timestamp=now)
    webhook = {"id": "evt-1", "timestamp": now, "body": BODY, "signature": signed[f"{prefix}signature"]}
    theirs = run_node(libraries, given={"secret": SECRET, **webhook})[library]
    assert theirs["refusal"] is None
    headers = {**signed, f"{prefix}signature": theirs["signature"]}
    assert accepts(headers, BODY, SECRET, prefix=prefix)
    assert not accepts(headers, BODY, new_secret().reveal(), prefix=prefix)
    stranger = run_node(libraries, given={"secret": new_secret().reveal(), **webhook})[library]
    assert stranger["refusal"] == "No matching signature found"
