"""Certificates that tests make as they need them, by the openssl of the place that trusts them."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from gkelab.tools.kubectl import Object
from tests.support.places import Place
from tests.support.timeouts import TIMEOUTS

_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----\n", re.DOTALL)


@dataclass(frozen=True)
class Certificate:
    """A certificate that signs itself, and its key, as PEM. Whoever trusts it trusts it alone."""

    certificate: str
    key: str

    def secret(self, name: str, namespace: str) -> Object:
        """A Secret of type kubernetes.io/tls."""
        parts = {"tls.crt": self.certificate, "tls.key": self.key}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": name, "namespace": namespace},
            "data": {key: base64.b64encode(text.encode()).decode() for key, text in parts.items()},
        }


def self_signed(place: Place, host: str) -> Certificate:
    """A new certificate for that name. Raises AssertionError when openssl makes none there."""
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    argv += ["-nodes", "-days", "2", "-subj", "/CN=gkelab", "-addext", f"subjectAltName=DNS:{host}"]
    argv += ["-keyout", "/dev/stdout", "-out", "/dev/stdout"]
    done = place.exec(argv, timeout=TIMEOUTS.exec_grace)
    found = {match[1]: match[0] for match in _PEM.finditer(done.stdout)}
    assert {"CERTIFICATE", "PRIVATE KEY"} <= set(found), f"no certificate: {done.stderr}"
    return Certificate(found["CERTIFICATE"], found["PRIVATE KEY"])
