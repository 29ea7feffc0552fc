"""Certificates for the tests of TLS: good ones, and each kind of bad one."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["Authority"]

_DAY = timedelta(days=1)


class Authority:
    """Signs for servers. `client` trusts it, and nobody else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("Adjourn's tests")
        self._count = 0
        root = self._signed(self._name, self._key, valid=(-_DAY, _DAY), is_ca=True)
        self.client = ssl.create_default_context(
            cadata=root.public_bytes(serialization.Encoding.PEM).decode()
        )

    def server(
        self, *hosts: str, valid: tuple[timedelta, timedelta] = (-_DAY, _DAY), self_signed: bool = False
    ) -> ssl.SSLContext:
        """For a server with such a certificate; `valid`: from and to, as seen from now."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.pem(*hosts, valid=valid, self_signed=self_signed))
        return context

    def pem(
        self, *hosts: str, valid: tuple[timedelta, timedelta] = (-_DAY, _DAY), self_signed: bool = False
    ) -> Path:
        """The certificate with its key, in a file."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _named(hosts[0])
        issuer, signing = (name, key) if self_signed else (self._name, self._key)
        signed = self._signed(name, key, *hosts, valid=valid, issuer=issuer, signing=signing)
        self._count += 1
        path = self._folder / f"{self._count}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
        return path

    def _signed(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *hosts: str,
        valid: tuple[timedelta, timedelta],
        issuer: x509.Name | None = None,
        signing: ec.EllipticCurvePrivateKey | None = None,
        is_ca: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer or name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + valid[0])
            .not_valid_after(now + valid[1])
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if hosts:
            names = x509.SubjectAlternativeName([_alternative(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(signing or key, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternative(host: str) -> x509.GeneralName:
    try:
        address = ip_address(host)
    except ValueError:
        return x509.DNSName(host)
    assert isinstance(address, IPv4Address)
    return x509.IPAddress(address)
