"""TLS at the shared gateway: ended there with a certificate of a Secret, or passed on by SNI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.certificates import Certificate, self_signed
from tests.support.eventually import eventually
from tests.support.ingress import NAMESPACE, Ingress
from tests.support.istio import gateway as gateway_of
from tests.support.istio import passing, plain, routes, rule, terminating, tls_routes, to
from tests.support.outcomes import Answer, Outcome
from tests.support.say import expect

OUTER, INNER = "outer", "inner"  # TLS ends at the gateway, and at the server


@pytest.fixture(scope="module")
def certificate(ingress: Ingress) -> Certificate:
    """What the gateway shows for the outer host."""
    return self_signed(ingress.client, ingress.host(OUTER))


@pytest.fixture(scope="module")
def server_certificate(ingress: Ingress) -> str:
    """What the server itself shows, as it lies in its pod."""
    shown = ingress.namespace.place("server").exec(["cat", "/tmp/workload.crt"])
    assert shown.stdout.startswith("-----BEGIN CERTIFICATE-----"), shown.stderr
    return shown.stdout


@pytest.fixture(scope="module")
def secret(ingress: Ingress, certificate: Certificate) -> Iterator[str]:
    """The Secret, beside the gateway's pods as Istio wants it, under a name of this run's own. It
    is there before the Gateway that names it, and after."""
    name = f"{ingress.namespace.name}-outer"
    with ingress.namespace.having([certificate.secret(name, NAMESPACE)]):
        yield name


@pytest.fixture(scope="module", autouse=True)
def declared(ingress: Ingress, secret: str) -> Iterator[None]:
    """One host that ends at the gateway, one that is passed through, both on port 443."""
    outer, inner = ingress.host(OUTER), ingress.host(INNER)
    made = [
        gateway_of("edge", terminating(secret, outer), passing(inner)),
        routes("outer", "edge", [outer], rule(to("server", 80))),
        tls_routes("inner", "edge", inner, to("server", 443)),
    ]
    with ingress.namespace.having(made):
        yield


def reach(ingress: Ingress, label: str, trusted: str, **options: Any) -> Answer:
    """Wait until the server answers over TLS, and sees the gateway itself."""
    return eventually(
        lambda: ingress.get_tls(label, cacert=trusted, **options),
        what=f"the server answers https://{label}",
        who="server",
        saw=ingress.gateway.pod,
    )


def test_it_ends_at_the_gateway(
    ingress: Ingress, certificate: Certificate, server_certificate: str, outside: str
) -> None:
    """The client trusts the gateway's certificate and no other; the server gets plain HTTP, and is
    told of the client."""
    said = reach(ingress, OUTER, certificate.certificate).body or {}
    assert (said["tls"], said["destination_port"]) == ("", 8080)
    assert said["headers"]["x-forwarded-proto"] == "https"
    assert said["headers"]["x-forwarded-for"] == outside
    other = ingress.get_tls(OUTER, cacert=server_certificate)
    expect(other, outcome=Outcome.TLS_ERROR, to="the gateway, trusting another certificate")


def test_it_passes_through(
    ingress: Ingress, certificate: Certificate, server_certificate: str
) -> None:
    """By SNI alone: the certificate is the server's own, and the gateway cannot tell it of the
    client, since it reads nothing."""
    said = reach(ingress, INNER, server_certificate).body or {}
    assert (said["tls"], said["sni"]) == ("TLSv1.3", ingress.host(INNER))
    assert "x-forwarded-for" not in said["headers"]
    other = ingress.get_tls(INNER, cacert=certificate.certificate)
    expect(other, outcome=Outcome.TLS_ERROR, to="the server, trusting the gateway's certificate")


def test_another_name_is_cut_off(ingress: Ingress, certificate: Certificate) -> None:
    """A name that no Gateway has gets no certificate at all: the connection ends."""
    reach(ingress, OUTER, certificate.certificate)
    stranger = ingress.get_tls("stranger", cacert=certificate.certificate)
    expect(stranger, outcome=Outcome.RESET, to="a name that is not declared")


def test_a_new_certificate_takes_over(
    ingress: Ingress, certificate: Certificate, secret: str
) -> None:
    """A Secret that changes is what the gateway shows next, without a restart: who trusts the old
    one is refused; and back."""
    fresh = self_signed(ingress.client, ingress.host(OUTER))
    reach(ingress, OUTER, certificate.certificate)
    try:
        ingress.namespace.apply([fresh.secret(secret, NAMESPACE)])
        reach(ingress, OUTER, fresh.certificate)
        old = ingress.get_tls(OUTER, cacert=certificate.certificate)
        expect(old, outcome=Outcome.TLS_ERROR, to="the gateway, trusting its old certificate")
    finally:
        ingress.namespace.apply([certificate.secret(secret, NAMESPACE)])
    reach(ingress, OUTER, certificate.certificate)


@pytest.mark.parametrize(("option", "version"), [("--http2", "2"), ("--http1.1", "1.1")])
def test_alpn(ingress: Ingress, certificate: Certificate, option: str, version: str) -> None:
    """A client that offers HTTP/2 in the handshake gets it, one that does not gets HTTP/1.1; to
    the server it is HTTP/1.1 either way."""
    answer = reach(ingress, OUTER, certificate.certificate, extra=[option])
    assert answer.http_version == version
    assert (answer.body or {})["protocol"] == "HTTP/1.1"


def test_plain_http_is_sent_to_https(
    ingress: Ingress, certificate: Certificate, secret: str
) -> None:
    """With httpsRedirect the gateway answers 301 to the same path; without, the server answers."""
    outer, path = ingress.host(OUTER), "/a/b?c=d"
    behind = routes("plain", "plain", [outer], rule(to("server", 80)))
    with ingress.namespace.having([gateway_of("plain", plain(outer)), behind]):
        eventually(
            lambda: ingress.get(OUTER, path),
            what="the server answers plain HTTP",
            who="server",
            status=200,
        )
        ingress.namespace.apply([gateway_of("plain", plain(outer, redirect=True))])
        moved = eventually(
            lambda: ingress.get(OUTER, path), what="plain HTTP is sent elsewhere", status=301
        )
        assert moved.who is None
        assert moved.headers["location"] == (f"https://{outer}{path}",)
    followed = ingress.get_tls(OUTER, path, cacert=certificate.certificate)
    expect(followed, who="server")
