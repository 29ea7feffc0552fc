"""Ed25519: keys in each form, `v1a` signatures, and both kinds side by side."""

import subprocess
import sys
from base64 import b64decode, b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjourn.config import Secret
from adjourn.errors import ConfigError, VerificationError
from adjourn.signing import (
    BodyHmacSigner,
    BodyHmacVerifier,
    ContioSigner,
    ContioVerifier,
    StandardSigner,
    StandardVerifier,
    Verified,
    find_public_key,
    new_signing_key,
    public_key,
)

# CONTRACTS 4
RAW = b64decode("6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==")
PRIVATE = "whsk_" + b64encode(RAW).decode()
SEED = "whsk_" + b64encode(RAW[:32]).decode()
PUBLIC = "whpk_" + b64encode(RAW[32:]).decode()
V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
SHARED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
V1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
BODY = b'{"test": 2432232314}'
SIGNED = {"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330"}
NOW = datetime.fromtimestamp(1614265330, UTC)

OTHER = new_signing_key(lambda count: b"o" * count)


def sign(*secrets: Secret | str) -> list[str]:
    headers = StandardSigner(*secrets).sign(BODY, event_id=SIGNED["webhook-id"], timestamp=1614265330)
    return headers["webhook-signature"].split(" ")


def code_of(signature: str, *secrets: Secret | str, body: bytes = BODY) -> str | None:
    try:
        StandardVerifier(*secrets).verify({**SIGNED, "webhook-signature": signature}, body, now=NOW)
    except VerificationError as exc:
        return exc.code
    return None


# --- the keys


@pytest.mark.parametrize("private", [PRIVATE, SEED, Secret(PRIVATE)])
def test_signs_the_vector_with_either_form_of_the_key(private: Secret | str) -> None:
    assert sign(private) == [V1A]
    assert public_key(private) == PUBLIC


@pytest.mark.parametrize(
    ("seed", "public"),
    [  # RFC 8032, section 7.1, tests 1 and 2
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        ),
    ],
)
def test_a_new_key_is_a_seed_and_its_public_key(seed: str, public: str) -> None:
    made = new_signing_key(lambda count: bytes.fromhex(seed)[:count])
    assert b64decode(made.reveal().removeprefix("whsk_")).hex() == seed + public
    assert b64decode(public_key(made).removeprefix("whpk_")).hex() == public


def test_no_two_new_keys_are_the_same() -> None:
    assert new_signing_key() != new_signing_key()
    assert public_key(new_signing_key()).startswith("whpk_")


@pytest.mark.parametrize(
    "secret", [SHARED, PUBLIC, "plain", "whsk_", "whsk_AAAA", "whsk_é", "WHSK_" + SEED[5:]]
)
def test_only_a_private_key_has_a_public_one(secret: str) -> None:
    assert find_public_key(Secret(secret)) is None
    with pytest.raises(ConfigError):
        public_key(secret)


def test_finds_the_public_key_of_a_private_one() -> None:
    assert find_public_key(Secret(SEED)) == PUBLIC


MALFORMED = [
    *("whsk_", "whsk_not*base64", "whsk_é", "whsk_\ud800", SEED + "=", "whsk_ " + SEED[5:]),
    *("whsk_" + b64encode(b"k" * length).decode() for length in (1, 31, 33, 63, 65, 96)),
    "whsk_" + b64encode(RAW[:32] + b"k" * 32).decode(),  # the public key is another's
]


@pytest.mark.parametrize("secret", MALFORMED)
def test_a_private_key_of_another_form_is_refused_at_once(secret: str) -> None:
    for make in (StandardSigner, StandardVerifier):
        with pytest.raises(ConfigError, match="whsk_") as caught:
            make(SHARED, secret)
        assert len(secret) < 8 or secret[5:] not in str(caught.value)
        assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "secret",
    ["whpk_", "whpk_not*base64", "whpk_é", *("whpk_" + b64encode(b"k" * n).decode() for n in (31, 33, 64))],
)
def test_a_public_key_of_another_form_is_refused_at_once(secret: str) -> None:
    with pytest.raises(ConfigError, match="must be whpk_ and the base64 of 32 bytes"):
        StandardVerifier(SHARED, secret)


def test_a_public_key_cannot_sign() -> None:
    with pytest.raises(ConfigError, match="a whpk_ key only verifies: to sign, give the whsk_ key"):
        StandardSigner(SHARED, PUBLIC)


@pytest.mark.parametrize("secret", [PRIVATE, PUBLIC, Secret(SEED), "whsk_", "whpk_x"])
def test_where_only_a_shared_secret_will_do_a_key_pair_is_refused(secret: Secret | str) -> None:
    for make in (
        ContioSigner,
        ContioVerifier,
        lambda *secrets: BodyHmacSigner(*secrets, header="X-Signature"),
        lambda *secrets: BodyHmacVerifier(*secrets, header="X-Signature"),
    ):
        with pytest.raises(
            ConfigError, match=r"needs a secret that both sides share: no wh[sp]k_ key will do"
        ):
            make(SHARED, secret)


def test_a_prefix_says_what_a_key_is_where_bare_ones_are_text() -> None:
    assert (
        StandardSigner(PRIVATE, bare="utf-8").sign(BODY, event_id="a", timestamp=1)["webhook-signature"][:4]
        == "v1a,"
    )
    with pytest.raises(ConfigError):
        StandardSigner("whsk_plain", bare="utf-8")


# --- signatures


@pytest.mark.parametrize("key", [PUBLIC, PRIVATE, SEED, Secret(PUBLIC)])
def test_verifies_the_vector_with_the_public_key_or_its_private_one(key: Secret | str) -> None:
    verified = StandardVerifier(key).verify({**SIGNED, "webhook-signature": V1A}, BODY, now=NOW)
    assert verified == Verified(
        scheme="standard", profile="v1a", event_id=SIGNED["webhook-id"], timestamp=NOW
    )


def test_one_signature_for_each_secret_in_their_order() -> None:
    assert sign(SHARED, PRIVATE) == [V1, V1A]
    assert sign(PRIVATE, SHARED) == [V1A, V1]
    other = sign(OTHER)[0]
    assert sign(OTHER, PRIVATE) == [other, V1A]


def test_both_keys_work_while_one_is_rotated() -> None:
    both = " ".join(sign(OTHER, PRIVATE))
    for key in (PUBLIC, public_key(OTHER)):
        assert code_of(both, key) is None
    assert code_of(V1A, public_key(OTHER), PUBLIC) is None
    assert code_of(V1A, public_key(OTHER)) == "signature_mismatch"


@pytest.mark.parametrize(
    ("signature", "keys", "code"),
    [
        (f"{V1} {V1A}", (SHARED,), None),
        (f"{V1} {V1A}", (PUBLIC,), None),
        (f"{V1} {V1A}", (SHARED, PUBLIC), None),
        (f"v1,AAAA {V1A}", (SHARED, PUBLIC), None),
        (f"{V1} v1a,AAAA", (SHARED, PUBLIC), None),
        (f"v1a,AAAA {V1A} v2,x junk", (PUBLIC,), None),
        (V1, (PUBLIC,), "unknown_scheme"),
        (V1A, (SHARED,), "unknown_scheme"),
        ("v2,AAAA", (SHARED, PUBLIC), "unknown_scheme"),
        # each under the other's name
        ("v1a," + V1[3:], (SHARED, PUBLIC), "signature_mismatch"),
        ("v1," + V1A[4:], (SHARED, PUBLIC), "signature_mismatch"),
        # not the base64 of 64 bytes
        ("v1a,AAAA", (PUBLIC,), "signature_mismatch"),
        ("v1a,*", (PUBLIC,), "signature_mismatch"),
        (V1A[:-1], (PUBLIC,), "signature_mismatch"),
        (V1A[:-2], (PUBLIC,), "signature_mismatch"),
        ("v1a," + b64encode(b64decode(V1A[4:]) + b"\0").decode(), (PUBLIC,), "signature_mismatch"),
        ("v1a," + b64encode(bytes(64)).decode(), (PUBLIC,), "signature_mismatch"),
        ("v1a,", (PUBLIC,), "malformed_header"),
        ("V1A," + V1A[4:], (PUBLIC,), "malformed_header"),
    ],
)
def test_each_version_is_compared_with_keys_of_its_own(
    signature: str, keys: tuple[str, ...], code: str | None
) -> None:
    assert code_of(signature, *keys) == code


def test_the_profile_says_which_kind_fitted() -> None:
    headers = {**SIGNED, "webhook-signature": f"{V1A} {V1}"}
    for keys, profile in (((SHARED,), "v1"), ((PUBLIC,), "v1a")):
        assert StandardVerifier(*keys).verify(headers, BODY, now=NOW).profile == profile


@pytest.mark.parametrize(
    ("changed", "body"),
    [
        ({}, BODY + b" "),
        ({"webhook-id": "msg_other"}, BODY),
        ({"webhook-timestamp": "1614265331"}, BODY),
        ({"webhook-timestamp": "01614265330"}, BODY),
    ],
)
def test_refuses_what_was_changed(changed: dict[str, str], body: bytes) -> None:
    headers = {**SIGNED, "webhook-signature": V1A, **changed}
    with pytest.raises(VerificationError) as caught:
        StandardVerifier(PUBLIC).verify(headers, body, now=NOW)
    assert caught.value.code == "signature_mismatch"


def test_what_is_missing_is_named_by_version() -> None:
    for keys, versions in (((SHARED,), "v1"), ((PUBLIC,), "v1a"), ((PUBLIC, SHARED), "v1 or v1a")):
        with pytest.raises(VerificationError, match=f"has no {versions} signature, only v2"):
            StandardVerifier(*keys).verify({**SIGNED, "webhook-signature": "v2,x"}, BODY, now=NOW)
        with pytest.raises(VerificationError, match=f"no {versions} signature in webhook-signature fits"):
            StandardVerifier(*keys).verify({**SIGNED, "webhook-signature": "v1,x v1a,x"}, BODY, now=NOW)


def test_of_a_flood_of_signatures_only_the_first_are_tried() -> None:
    """Each costs a hundred times what comparing one of a shared secret does, and anyone may send them."""
    wrong = ["v1a," + b64encode(bytes([count]) * 64).decode() for count in range(40)]
    assert code_of(" ".join([*wrong[:31], V1A]), PUBLIC) is None
    assert code_of(" ".join([*wrong, V1A]), PUBLIC) == "signature_mismatch"
    assert code_of(" ".join([*wrong[:1] * 1000, V1A]), PUBLIC) is None  # the same again costs nothing
    short = [each[:-4] for each in wrong]
    assert code_of(" ".join([*short, V1A]), PUBLIC) is None  # nor does what is none


keys = st.sampled_from([PRIVATE, SEED, PUBLIC, SHARED, "whsk_", "whpk_", "whsec_"]) | st.text(max_size=9)
loose = st.tuples(keys, st.text(max_size=4) | st.just("")).map("".join) | st.binary(max_size=70).flatmap(
    lambda raw: st.sampled_from(["whsk_", "whpk_", "whsec_", ""]).map(
        lambda mark: mark + b64encode(raw).decode()
    )
)


@given(st.lists(loose, max_size=3))
def test_any_text_is_a_key_or_ends_in_a_config_error(secrets: list[str]) -> None:
    for make in (StandardSigner, StandardVerifier):
        try:
            made = make(*secrets)
        except ConfigError as exc:
            str(exc).encode("utf-8")  # fit for an answer
        else:
            if isinstance(made, StandardSigner):
                made.lines(BODY, event_id="evt-1", timestamp=1)  # once made, it signs


entries = st.lists(
    st.tuples(
        st.sampled_from(["v1,", "v1a,", "v2,", ""]), st.sampled_from([V1[3:], V1A[4:]]) | st.text(max_size=9)
    ).map("".join)
)


@given(entries, st.just(BODY) | st.binary(max_size=9))
def test_any_signature_is_verified_or_ends_in_the_one_error(given: list[str], body: bytes) -> None:
    headers = {**SIGNED, "webhook-signature": " ".join(given)}
    try:
        verified = StandardVerifier(PUBLIC, SHARED).verify(headers, body, now=NOW)
    except VerificationError:
        return
    assert body == BODY
    assert {"v1": V1, "v1a": V1A}[verified.profile] in given


# --- without the package cryptography

WITHOUT = """
import sys
sys.modules["cryptography"] = None  # as where it is not installed
from adjourn.errors import ConfigError
from adjourn.signing import StandardSigner, StandardVerifier, new_signing_key
StandardVerifier({shared!r})
for make in (lambda: StandardSigner({private!r}), lambda: StandardVerifier({public!r}), new_signing_key):
    try:
        make()
    except ConfigError as exc:
        print(exc)
"""


def test_a_key_pair_without_the_package_it_needs_says_what_to_install() -> None:
    program = WITHOUT.format(shared=SHARED, private=PRIVATE, public=PUBLIC)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all("pip install 'adjourn[ed25519]'" in line for line in lines)
