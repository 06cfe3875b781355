"""What is refused, and how: HTTP code, Compute's reason, a sentence that names the field. Nothing
of what is refused is there afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import compute_v1

from tests.unit.cloud import made
from tests.unit.cloud.made import PLACES
from tests.unit.cloud.refusals import REFUSED
from tests.unit.cloud.servers import PROJECT, Google, Http

NIC = "networkInterfaces__0__"
CODES = {"notFound": 404, "alreadyExists": 409, "IP_IN_USE_BY_ANOTHER_RESOURCE": 409}
CASES = [
    pytest.param(collection, *case, id=f"{collection} {case[0]}"[:80])
    for collection, cases in REFUSED.items()
    for case in cases
]


def surroundings(http: Http) -> None:
    """What the refused are refused beside."""
    made.base(http)
    made.make(http, "networks", name="other")
    http(
        "POST",
        "regions/europe-west1/subnetworks",
        made.body("subnetworks", name="eu", ipCidrRange="10.200.0.0/20", secondaryIpRanges=[]),
    )
    made.make(http, "firewalls", name="old")
    aliases = [
        {"ipCidrRange": "10.4.0.64/26", "subnetworkRangeName": "pods"},
        {"ipCidrRange": "10.128.0.240/28"},
    ]
    made.make(http, "instances", name="old", **{NIC + "aliasIpRanges": aliases})
    made.make(http, "addresses", name="old", address="10.128.0.77")


@pytest.mark.parametrize(("collection", "changes", "reason", "says"), CASES)
def test_a_refused_insert(
    http: Http, collection: str, changes: dict[str, Any], reason: str, says: str
) -> None:
    surroundings(http)
    before = http.state().json()
    usual: dict[str, Any] = {}
    if collection in ("networks", "subnetworks"):
        usual = {"name": "wanted"}
    if collection == "subnetworks":
        usual |= {"ipCidrRange": "10.9.0.0/24", "secondaryIpRanges": []}
    wanted = made.body(collection, **{**usual, **changes})
    answer = http.send("POST", PLACES[collection], wanted)
    error = answer.json()["error"]
    code = CODES.get(reason, 400)
    assert (answer.status_code, error["code"]) == (code, code)
    assert error["errors"] == [{"message": error["message"], "domain": "global", "reason": reason}]
    assert says in error["message"]
    assert http.state().json() == before


PATHS = [
    (
        "GET global/networks/gone",
        "404 notFound",
        "The resource 'projects/test-project/global/networks/gone' was not found",
    ),
    ("DELETE global/networks/gone", "404 notFound", "was not found"),
    ("PATCH global/firewalls/gone", "404 notFound", "was not found"),
    (
        "GET global/networks/Not_A_Name",
        "400 invalidParameter",
        "Values must match the following regular expression",
    ),
    (
        "GET regions/moon/subnetworks",
        "400 invalid",
        "Invalid value for field 'region': 'moon'. Unknown region.",
    ),
    (
        "GET zones/us-central1-x/instances",
        "400 invalid",
        "Invalid value for field 'zone': 'us-central1-x'. Unknown zone.",
    ),
    ("GET regions/moon", "404 notFound", "regions/moon' was not found"),
    (
        "POST global/networks/net/addPeering",
        "501 notImplemented",
        "does not serve networks.addPeering",
    ),
    ("POST regions/us-central1/routers", "501 notImplemented", "does not serve routers"),
    ("GET zones/us-central1-a/networks", "501 notImplemented", "does not serve networks"),
    ("PUT global/networks/net", "501 notImplemented", "networks.update"),
    ("PATCH global/routes/way", "501 notImplemented", "routes.patch"),
    ("POST regions", "501 notImplemented", "POST of regions"),
    ("GET aggregated/networks", "501 notImplemented", "networks.aggregatedList"),
    ("GET global/operations/gone", "404 notFound", "global/operations/gone' was not found"),
]


@pytest.mark.parametrize(("request_", "refusal", "says"), PATHS)
def test_a_refused_path(http: Http, request_: str, refusal: str, says: str) -> None:
    made.base(http, "routes")
    method, path = request_.split()
    answer = http.send(method, path, {} if method in ("PATCH", "PUT", "POST") else None)
    error = answer.json()["error"]
    assert f"{answer.status_code} {error['errors'][0]['reason']}" == refusal
    assert says in error["message"]


def test_a_parameter_that_is_not_known(http: Http) -> None:
    made.base(http)
    error = http("POST", PLACES["instances"], made.VM, sourceDisk="x")["error"]
    assert 'Unknown name "sourceDisk"' in error["message"]
    error = http("POST", PLACES["instances"], made.VM, sourceInstanceTemplate="x")["error"]
    assert error["message"].startswith("Invalid value for field 'sourceInstanceTemplate': 'x'.")
    assert http("GET", PLACES["instances"], alt="json", prettyPrint="false", **{"$alt": "json"})
    assert "items" not in http("GET", PLACES["instances"])


def test_another_project(http: Http) -> None:
    answer = http.session.get(f"{http.endpoint}/compute/v1/projects/other/global/networks")
    assert answer.json()["error"]["message"] == "The resource 'projects/other' was not found"
    assert http.session.get(f"{http.endpoint}/elsewhere").status_code == 404


def test_a_body_that_is_no_json(http: Http) -> None:
    url = f"{http.endpoint}/compute/v1/projects/{PROJECT}/global/networks"
    for sent in ("{", "[" * 100_000):
        answer = http.session.post(url, data=sent)
        assert answer.json()["error"]["errors"][0]["reason"] == "parseError"
    assert http.session.post(url, data=" " * (1 << 21)).status_code == 413
    for sent_as_json in ([1], "text", 3):
        assert http.send("POST", "global/networks", sent_as_json).status_code == 400
    assert http("POST", "global/networks")["error"]["errors"][0]["reason"] == "required"


def test_what_the_client_makes_of_errors(google: Google) -> None:
    networks = google.networks
    with pytest.raises(exceptions.NotFound) as missing:
        networks.get(project=PROJECT, network="gone")
    assert missing.value.errors[0]["reason"] == "notFound"
    wanted = compute_v1.Network(name="net", auto_create_subnetworks=False)
    networks.insert(project=PROJECT, network_resource=wanted)
    with pytest.raises(exceptions.Conflict) as twice:
        networks.insert(project=PROJECT, network_resource=wanted)
    assert twice.value.errors[0]["reason"] == "alreadyExists"
    with pytest.raises(exceptions.BadRequest) as wrong:
        networks.insert(project=PROJECT, network_resource=compute_v1.Network(name="A"))
    assert wrong.value.errors[0]["reason"] == "invalid"
