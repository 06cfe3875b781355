"""What curl's ends mean, each beside the neighbour that means something else."""

import pytest

from tests.support.outcomes import Answer, Outcome, classify_curl, report

REFUSED = """\
*   Trying 10.0.0.1:80...
* connect to 10.0.0.1 port 80 failed: Connection refused
* Failed to connect to 10.0.0.1 port 80 after 0 ms: Couldn't connect to server
curl: (7) Failed to connect to 10.0.0.1 port 80 after 0 ms: Couldn't connect to server
"""
UNREACHABLE = REFUSED.replace("Connection refused", "No route to host")
NO_REASON = REFUSED.splitlines()[-1]


@pytest.mark.parametrize(
    ("code", "status", "stderr", "outcome"),
    [
        (0, 200, "", Outcome.OK),
        (0, 301, "", Outcome.OK),
        (0, 399, "", Outcome.OK),
        (0, 400, "", Outcome.HTTP_ERROR),
        (0, 503, "", Outcome.HTTP_ERROR),
        (22, 404, "", Outcome.HTTP_ERROR),
        (0, 0, "", Outcome.PROBE_BROKEN),
        (7, 0, REFUSED, Outcome.REFUSED),
        (7, 0, UNREACHABLE, Outcome.UNREACHABLE),
        (7, 0, "* Immediate connect fail for ::1: Network is unreachable", Outcome.UNREACHABLE),
        (7, 0, "* connect to x failed: Operation not permitted", Outcome.UNREACHABLE),
        (7, 0, UNREACHABLE + REFUSED, Outcome.REFUSED),
        (7, 0, REFUSED + UNREACHABLE, Outcome.UNREACHABLE),
        (7, 0, NO_REASON, Outcome.PROBE_BROKEN),
        (28, 0, "curl: (28) Connection timed out after 3000 milliseconds", Outcome.TIMEOUT),
        (28, 200, "curl: (28) Operation timed out", Outcome.TIMEOUT),
        (6, 0, "curl: (6) Could not resolve host: x", Outcome.DNS_ERROR),
        (52, 0, "curl: (52) Empty reply from server", Outcome.RESET),
        (56, 0, "curl: (56) Recv failure: Connection reset by peer", Outcome.RESET),
        (56, 0, "curl: (56) Recv failure: Connection timed out", Outcome.TIMEOUT),
        (
            56,
            0,
            "curl: (56) OpenSSL SSL_read: tlsv13 alert certificate required",
            Outcome.TLS_ERROR,
        ),
        (55, 0, "curl: (55) Send failure: Broken pipe", Outcome.RESET),
        (35, 0, "curl: (35) Recv failure: Connection reset by peer", Outcome.RESET),
        (35, 0, "curl: (35) OpenSSL SSL_connect: SSL_ERROR_SYSCALL", Outcome.RESET),
        (35, 0, "", Outcome.RESET),
        (35, 0, "curl: (35) error:0A00010B:SSL routines::wrong version number", Outcome.TLS_ERROR),
        (60, 0, "curl: (60) SSL certificate problem: self-signed", Outcome.TLS_ERROR),
        (77, 0, "curl: (77) error setting certificate file", Outcome.PROBE_BROKEN),
        (2, 0, "curl: option --nope: is unknown", Outcome.PROBE_BROKEN),
        (126, 0, "", Outcome.PROBE_BROKEN),
        (127, 0, "sh: curl: not found", Outcome.PROBE_BROKEN),
        (137, 0, "", Outcome.PROBE_BROKEN),
    ],
)
def test_curl(code: int, status: int, stderr: str, outcome: Outcome) -> None:
    assert classify_curl(code, status, "", stderr).outcome is outcome


def test_tls_words_count_in_the_error_alone() -> None:
    # --verbose tells of certificates in every TLS connection.
    chatter = "* TLSv1.3 (IN), TLS handshake, Certificate (11):\n"
    assert classify_curl(35, 0, "", chatter + "curl: (35) Recv failure").outcome is Outcome.RESET
    assert classify_curl(35, 0, "", chatter + "curl: (35) sslv3 alert").outcome is Outcome.TLS_ERROR


def test_the_detail_is_the_reason_and_never_the_headers() -> None:
    stderr = "> Authorization: Bearer secret\n" + REFUSED
    answer = classify_curl(7, 0, "", stderr)
    assert answer.detail == "connect to 10.0.0.1 port 80 failed: Connection refused"
    assert "exited with 127" in classify_curl(127, 0, "", "").detail


def test_who_and_what_it_saw() -> None:
    answer = classify_curl(0, 200, '{"pod": "web-1", "source": "10.0.0.9"}', "")
    assert (answer.who, answer.saw) == ("web-1", "10.0.0.9")
    for text in ("<html>", "[1]", '{"pod": "", "source": 3}', ""):
        answer = classify_curl(0, 200, text, "")
        assert (answer.who, answer.saw) == (None, None)
        assert answer.text == text


def test_report_is_an_object_or_nothing() -> None:
    assert report('{"a": 1}') == {"a": 1}
    assert report("[]") is None
    assert report("nope") is None


def test_answers_can_be_in_sets() -> None:
    one = Answer(Outcome.OK, body={"pod": "a"}, headers={"x": ("y",)})
    assert len({one, Answer(Outcome.OK, body={"pod": "a"}, headers={"x": ("y",)})}) == 1
    assert one != Answer(Outcome.OK, body={"pod": "b"}, headers={"x": ("y",)})
