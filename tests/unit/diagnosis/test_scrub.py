"""No secret gets through the scrubber, in whatever text it stands; what is none stays."""

from __future__ import annotations

import base64
import json
import time
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gkelab.diagnosis.scrub import MARK, scrub, scrub_junit, without_env_values

# Made up for these tests: no key of anything.
BODY = "\n".join(["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ" + "abcd" * 3] * 4)
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{BODY}\n-----END RSA PRIVATE KEY-----"
CERTIFICATE = f"-----BEGIN CERTIFICATE-----\n{BODY}\n-----END CERTIFICATE-----"
JWT = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=")
    for part in (b'{"alg":"RS256","kid":"abc"}', b'{"sub":"system:serviceaccount:a:b"}', b"s" * 40)
)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# The text, and what must not be in it any more.
SECRETS = {
    "a PEM key": (PEM, BODY),
    "a PEM key of another kind": (PEM.replace("RSA ", ""), BODY),
    "a PEM key in JSON": (json.dumps({"x": PEM}), BODY.splitlines()[0]),
    "a PEM key in YAML": (yaml.safe_dump({"x": PEM}), BODY.splitlines()[0]),
    "a PEM key without its end": (PEM[:150], BODY[:60]),
    "a PEM key without its beginning": (PEM[60:], BODY[-40:]),
    "half a PEM key behind times": (
        "\n".join(f"2026-11-22T01:00:00Z {line}" for line in PEM[:150].splitlines()),
        BODY[:60],
    ),
    "the other half behind times": (
        "\n".join(f"2026-11-22T01:00:00Z {line}" for line in PEM[60:].splitlines()),
        BODY[-40:],
    ),
    "half a PEM key in JSON": (json.dumps({"x": PEM})[:150], BODY[:40]),
    "an encoded PEM key": (f"  tls.key: {encoded(PEM)}", encoded(PEM)[60:90]),
    "an encoded PEM key cut off": (f"  tls.key: {encoded(PEM)[:99]}", encoded(PEM)[40:80]),
    "a kubeconfig's key": ("    client-key-data: bm90IFBFTSBhdCBhbGw=", "bm90IFBFTSBhdCBhbGw="),
    "a kubeconfig's token": ("    token: abcdef0123456789", "abcdef0123456789"),
    "a service account's token": (f"mounted {JWT} there", JWT[-20:]),
    "a detached signature": (f"jws-kubeconfig: {JWT.split('.')[0]}..{'s' * 30}", "s" * 30),
    "a Secret's token": (f"  x: {encoded(JWT)}", encoded(JWT)[30:60]),
    "a bearer token": ("> Authorization: Bearer opaque-0123456789", "opaque-0123456789"),
    "a bearer token in a log": ('sent "Bearer opaque-0123456789" to x', "opaque-0123456789"),
    "a password and user": ("GET https://me:hunter22@proxy:3128/x", "hunter22"),
    "a bootstrap token": ("kubeadm join --token abcdef.0123456789abcdef", "0123456789abcdef"),
    "a word of a command": ("serve --db-password hunter22 --port 80", "hunter22"),
    "a word with =": ("serve --api-key=hunter22 --port 80", "hunter22"),
    "a variable": ("DB_PASSWORD=hunter22", "hunter22"),
    "a password with blanks": ("password: correct horse battery", "battery"),
    "a quoted password": ('  - clientSecret: "a \\"b\\" zebra"', "zebra"),
    "another quoted password": ("  password: 'a, zebra'", "zebra"),
    "JSON": ('{"a":1,"secretKey":"x\\"hunter22","b":2}', "hunter22"),
    "JSON in JSON": (json.dumps(json.dumps({"password": "hunter, 22"})), "hunter"),
    "JSON in an annotation": ('  last: \'{"password":"hunter22"}\'', "hunter22"),
    "an unquoted value of JSON": ("{password:hunter22}", "hunter22"),
    "a block scalar": ("a:\n  token: |\n    hunter22\n\n    hunter23\n  b: 1\n", "hunter2"),
    "an environment in YAML": ("- name: DB_PASSWORD\n  value: hunter 22\n", "hunter"),
    "an environment in JSON": (
        json.dumps([{"name": "DB_PASSWORD", "value": 'hun"ter, 22'}]),
        "ter",
    ),
    "an environment in an annotation": (
        json.dumps(json.dumps([{"name": "API_TOKEN", "value": "hunter, 22"}])),
        "hunter",
    ),
    "kubectl describe": ("      DB_PASSWORD:     hunter22", "hunter22"),
    "a kernel's key": ("net.ipv4.tcp_fastopen_key = 0a1b2c3d-0a1b", "0a1b2c3d"),
    "an address's secret": ("net.ipv6.conf.eth0.stable_secret = 2001:db8::1", "2001:db8::1"),
}
PUBLIC = {
    "a certificate": CERTIFICATE,
    "an encoded certificate": f"caBundle: {encoded(CERTIFICATE)}",
    "names of Secrets": "  secretName: cilium-ca\n  secretRef:\n    name: x\n",
    "a mount": "  secret:\n    defaultMode: 420\n",
    "a setting": "  automountServiceAccountToken: true\n",
    "an empty one": '  token: ""\n  password:\n',
    "JSON": '{"automountServiceAccountToken": false}',
    "a flow": "t-x/client (10.0.0.70:41234) -> t-x/server DROPPED POLICY_DENIED TCP SYN",
    "a digest": "image: x@sha256:" + "ab" * 32,
    "a mac": "link/ether 02:42:0a:80:00:03 brd ff:ff:ff:ff:ff:ff",
    "a URL": "http://user.example:8080/x@y",
    "an event": 'Warning FailedMount MountVolume.SetUp failed: secret "x" not found',
    "a service account's volume": "- serviceAccountToken:\n    path: token\n",
}


@pytest.mark.parametrize(("text", "secret"), SECRETS.values(), ids=SECRETS)
def test_a_secret_does_not_get_through(text: str, secret: str) -> None:
    assert secret in text, "the case has no secret"
    said = scrub(text)
    assert secret not in said
    assert MARK in said


@pytest.mark.parametrize("text", PUBLIC.values(), ids=PUBLIC)
def test_what_is_no_secret_stays(text: str) -> None:
    assert scrub(text) == text


def test_what_stands_around_a_secret_stays() -> None:
    said = scrub(f"before\nk: {PEM}\nafter\n- name: B_TOKEN\n  value: x\n- name: C\n  value: y\n")
    assert said == (
        f"before\nk: {MARK}\nafter\n- name: B_TOKEN\n  value: {MARK}\n- name: C\n  value: y\n"
    )


def test_json_and_yaml_stay_what_they_are() -> None:
    data: dict[str, Any] = {
        "a": [{"name": "X_TOKEN", "value": 'a"b'}],
        "password": "p, q",
        "key": PEM,
        "b": {"token": "t" * 30, "n": 1},
    }
    clean = {
        "a": [{"name": "X_TOKEN", "value": MARK}],
        "password": MARK,
        "key": MARK,
        "b": {"token": MARK, "n": 1},
    }
    for text in (json.dumps(data), json.dumps(data, indent=1)):
        assert json.loads(scrub(text)) == clean
    assert yaml.safe_load(scrub(yaml.safe_dump(data)))["b"] == clean["b"]


@pytest.mark.parametrize(("text", "_"), SECRETS.values(), ids=SECRETS)
def test_twice_is_as_once(text: str, _: str) -> None:
    once = scrub(text)
    assert scrub(once) == once


@given(st.text(alphabet='ab"\\\n:=-{} ,|', max_size=60), st.text("xyz0", min_size=8))
def test_no_text_around_it_hides_a_token(around: str, word: str) -> None:
    assert word not in scrub(f"{around}\ntoken: {word}\n{around}")


def cost(text: str) -> float:
    """The processor's seconds for it, of which others on the machine take none."""
    taken = []
    for _ in range(3):
        before = time.thread_time()
        scrub(text)
        taken.append(time.thread_time() - before)
    return min(taken)


@pytest.mark.parametrize(
    ("word", "times"), [("A", 300_000), ("ab=", 100_000), ("token ", 50_000), ("- ", 150_000)]
)
def test_a_long_text_takes_longer_by_its_length_and_not_by_its_square(
    word: str, times: int
) -> None:
    assert cost(word * times) < 64 * cost(word * (times // 16))


def test_a_containers_environment_keeps_its_names() -> None:
    raw = {"Id": "a", "Config": {"Image": "x", "Env": ["HTTP_PROXY=http://me:pw@p", "EMPTY"]}}
    clean = without_env_values(raw)
    names = [f"HTTP_PROXY={MARK}", f"EMPTY={MARK}"]
    assert clean == {"Id": "a", "Config": {"Image": "x", "Env": names}}
    assert without_env_values({"Id": "a"}) == {"Id": "a", "Config": {"Env": []}}


JUNIT = """<testsuites><testsuite name="pytest"><testcase classname="tests.unit.test_x"
 name="test_y[password=x]"><properties><property name="token" value="token: hunter2"/></properties>
<failure message="{&quot;password&quot;: &quot;hunter2&quot;}">it says
password: hunter2</failure><system-out>Authorization: Bearer hunter2hunter2
</system-out></testcase></testsuite></testsuites>"""


def test_a_junit_report_stays_one_and_keeps_its_names() -> None:
    """As text its end would be part of the password's line."""
    found = scrub_junit(JUNIT)
    assert "hunter2" not in found
    (case,) = ElementTree.fromstring(found).iter("testcase")
    assert case.get("name") == "test_y[password=x]"
    assert [child.tag for child in case] == ["properties", "failure", "system-out"]
    assert case.findtext("failure") == f"it says\npassword: {MARK}"
    failure = case.find("failure")
    assert failure is not None
    assert json.loads(failure.get("message", "")) == {"password": MARK}
    assert "</failure>" not in scrub(JUNIT)


def test_a_junit_report_without_secrets_stays_as_it_is() -> None:
    text = '<a name="b"><c message="d &amp; e">f &lt; g</c></a>'
    assert scrub_junit(text) == text


def test_a_junit_report_that_is_cut_off_is_none() -> None:
    with pytest.raises(ElementTree.ParseError):
        scrub_junit(JUNIT[:200])
