"""What compares the simulator with botocore's shapes notes each kind of mistake, in answers, parameters and outputs."""

from __future__ import annotations

from typing import Any

import pytest
from raw_answers import Answer
from test_simulator_wire import lambda_call, world

from simulator.app import OWN_FAILURE, Simulation
from simulator.asked import Asked
from simulator.shapes import mismatches
from simulator.wire import Call, Response, service_model

ID = "51b00000-0000-4000-8000-000000000001"
HEADERS = {"x-amzn-RequestId": ID}
VOLUME = "<item><size>8</size><createTime>2026-11-02T09:00:00Z</createTime><status>in-use</status></item>"
FUNCTION = '{"Functions": [{"FunctionName": "api", "Timeout": 3}]}'
AGGREGATORS = '{"ConfigurationAggregators": [{"ConfigurationAggregatorName": "all", "CreationTime": 1764032400}]}'
BUCKETS = (
    "<ListAllMyBucketsResult><Buckets><Bucket><Name>one</Name><CreationDate>2026-11-02T09:00:00Z</CreationDate>"
    "</Bucket></Buckets></ListAllMyBucketsResult>"
)


def volumes(record: str = VOLUME, around: str = "volumeSet") -> str:
    return (
        f"<DescribeVolumesResponse><{around}>{record}</{around}><requestId>{ID}</requestId></DescribeVolumesResponse>"
    )


def databases(record: str, entry: str = "DBInstance") -> str:
    result = f"<DBInstances><{entry}>{record}</{entry}></DBInstances>"
    return (
        f"<DescribeDBInstancesResponse><DescribeDBInstancesResult>{result}</DescribeDBInstancesResult>"
        f"<ResponseMetadata><RequestId>{ID}</RequestId></ResponseMetadata></DescribeDBInstancesResponse>"
    )


def found(call: str, body: str, headers: dict[str, str] | None = None, status: int = 200) -> set[str]:
    service, _, operation = call.partition(":")
    sent = {"x-amz-request-id": ID} if service == "s3" else HEADERS
    answer = Answer(service, operation, status, sent if headers is None else headers, body.encode())
    return {f"{one.kind} {one.path}" for one in answer.found}


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("ec2:DescribeVolumes", volumes()),
        ("rds:DescribeDBInstances", databases("<AllocatedStorage>8</AllocatedStorage>")),
        ("lambda:ListFunctions", FUNCTION),
        ("config:DescribeConfigurationAggregators", AGGREGATORS),
        ("s3:ListBuckets", BUCKETS),
    ],
)
def test_what_is_of_its_shape_is_not_noted(call: str, body: str) -> None:
    assert found(call, body) == set()


@pytest.mark.parametrize(
    ("call", "body", "noted"),
    [
        ("ec2:DescribeVolumes", volumes(around="volumes"), "unknown volumes"),
        ("ec2:DescribeVolumes", volumes(VOLUME.replace("size", "sizes")), "unknown sizes"),
        ("ec2:DescribeVolumes", volumes(VOLUME.replace("size", "Size")), "unknown Size"),
        ("ec2:DescribeVolumes", volumes(VOLUME.replace("item", "member")), "unknown Volumes"),
        ("ec2:DescribeVolumes", volumes(VOLUME.replace("8", "8 GiB")), "type Volumes[0].Size"),
        ("ec2:DescribeVolumes", volumes(VOLUME.replace("T09:00:00Z", " 09:00:00")), "type Volumes[0].CreateTime"),
        ("ec2:DescribeVolumes", volumes(VOLUME.replace("in-use", "used")), "enum Volumes[0].State"),
        ("ec2:DescribeVolumes", volumes("<item><encrypted>True</encrypted></item>"), "type Volumes[0].Encrypted"),
        ("ec2:DescribeVolumes", volumes("<item><size>8</size><size>9</size></item>"), "type Size"),
        ("ec2:DescribeVolumes", volumes("<item><status><name>a</name></status></item>"), "type State"),
        ("rds:DescribeDBInstances", databases("<DBName>a</DBName>", entry="member"), "unknown DBInstances"),
        ("rds:DescribeDBInstances", volumes(), "unknown DescribeVolumesResponse"),
        ("lambda:ListFunctions", FUNCTION.replace("3", '"3"'), "type Functions[0].Timeout"),
        ("lambda:ListFunctions", FUNCTION.replace("3", "0"), "number Functions[0].Timeout"),
        ("lambda:ListFunctions", FUNCTION.replace("api", "a/b"), "pattern Functions[0].FunctionName"),
        ("lambda:ListFunctions", FUNCTION.replace("Timeout", "timeout"), "unknown Functions[0].timeout"),
        ("lambda:ListCapacityProviders", "{}", "missing CapacityProviders"),
        (
            "config:DescribeConfigurationAggregators",
            AGGREGATORS.replace("1764032400", '"2026-11-02T09:00:00Z"'),
            "type ConfigurationAggregators[0].CreationTime",
        ),
        (
            "config:DescribeConfigurationAggregators",
            AGGREGATORS.replace("all", "a" * 257),
            "length ConfigurationAggregators[0].ConfigurationAggregatorName",
        ),
        ("s3:ListBuckets", BUCKETS.replace("Bucket>", "member>"), "unknown Buckets"),
    ],
)
def test_each_kind_of_mistake_in_a_body_is_noted(call: str, body: str, noted: str) -> None:
    assert noted in found(call, body)


@pytest.mark.parametrize(
    ("call", "headers", "status", "body", "noted"),
    [
        ("ec2:DescribeVolumes", {**HEADERS, "Server": "amazon.com"}, 200, volumes(), "unknown Server"),
        ("ec2:DescribeVolumes", {"x-amzn-RequestId": f"{ID}, {ID}"}, 200, volumes(), "unknown x-amzn-requestid"),
        ("ec2:DescribeVolumes", {"x-amzn-RequestId": "another"}, 200, volumes(), "unknown x-amzn-requestid"),
        ("ec2:DescribeVolumes", {}, 200, volumes(), "unknown x-amzn-requestid"),
        ("ec2:DescribeVolumes", HEADERS, 400, volumes(), "unknown DescribeVolumesResponse"),
        (
            "ec2:DescribeVolumes",
            HEADERS,
            403,
            f"<Error><Code>a</Code><RequestId>{ID}</RequestId></Error>",
            "unknown Error",
        ),
        ("lambda:ListFunctions", HEADERS, 400, '{"message": "no"}', "missing error"),
        ("ce:GetCostAndUsage", HEADERS, 400, '{"__type": "ValidationException"}', "missing error"),
    ],
)
def test_each_kind_of_mistake_around_a_body_is_noted(
    call: str, headers: dict[str, str], status: int, body: str, noted: str
) -> None:
    assert noted in found(call, body, headers, status)


def test_the_simulator_sends_nothing_that_would_be_left_out_of_an_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    simulation = Simulation(world, {}, 5)
    monkeypatch.setattr(simulation.access, "identify", lambda _: None)
    monkeypatch.setattr(simulation.access, "authorise", lambda _: None)
    mapping: dict[str, Any] = {"UUID": "one", "BatchSize": 10}

    def answered() -> int:
        simulation.apis.handlers["lambda", "ListEventSourceMappings"] = lambda _: {"EventSourceMappings": [mapping]}
        answer = simulation.handle(lambda_call().environ)
        assert isinstance(answer, Response)
        return answer.status

    assert answered() == 200
    for name, value in (("Uuid", "one"), ("BatchSize", "10"), ("LastModified", "2026-11-02")):
        mapping |= {"UUID": "one", "BatchSize": 10, name: value}
        assert answered() == 500
        assert f"EventSourceMappings[0].{name}" in capsys.readouterr().err
        del mapping[name]
    assert [entry["error_code"] for entry in simulation.trail.records()] == [None, *[OWN_FAILURE] * 3]


def test_a_parameter_at_which_no_answer_looked_is_unread() -> None:
    asked = Asked({"Filters": [Asked({"Name": "a", "Values": ["b"]})], "MaxResults": 5})
    assert asked.unread() == "Filters"
    (inner,) = asked.get("Filters", [])
    assert asked.unread() == "MaxResults"
    assert asked["MaxResults"] == 5
    # Nothing was looked for in the filter: there was nothing to let through.
    assert asked.unread() is None
    assert inner.get("Name") == "a"
    assert asked.unread() == "Filters[0].Values"
    assert dict(inner.items()) == {"Name": "a", "Values": ["b"]}
    assert asked.unread() is None


def test_a_shape_that_holds_itself_is_looked_at_to_the_end() -> None:
    shape = service_model("ce").operation_model("GetCostAndUsage").input_shape
    inner = {"Dimensions": {"Key": "SERVICES", "Values": ["a"]}}
    value = {
        "TimePeriod": {"Start": "2026-10-01", "End": "2026-10-02"},
        "Granularity": "DAILY",
        "Metrics": ["BlendedCost"],
        "Filter": {"And": [{"Not": inner}, {"Nor": {}}]},
    }
    assert [(one.kind, one.path) for one in mismatches(shape, value, wire=True)] == [
        ("enum", "Filter.And[0].Not.Dimensions.Key"),
        ("unknown", "Filter.And[1].Nor"),
    ]


def test_a_call_without_parameters_reads_none() -> None:
    assert Call({}, b"").parameters.unread() is None
