"""What no listing shows becomes an item where AWS Config, the tagging API or a resource group knows of it."""

from __future__ import annotations

from typing import Any

from given import FIRST_NIGHT, MANAGEMENT, WORKLOAD, Given, House, hours, member

from pipelines.models.model import read_models

REGION = "ap-southeast-2"
CAPTURED = "2026-11-20T03:00:00Z"
REPORTED = "2026-11-24T01:00:00Z"

Record = dict[str, Any]


def arn(service: str, rest: str, account: str = WORKLOAD, region: str = REGION) -> str:
    return f"arn:aws:{service}:{region}:{account}:{rest}"


TABLE = arn("dynamodb", "table/orders")
BALANCER = arn("elasticloadbalancing", "loadbalancer/app/web/50dc6c495c0c9188")
QUEUE = arn("sqs", "jobs", MANAGEMENT)
MSK = "DO NOT DELETE - Amazon MSK network interface for cluster "
TAGS = {"bc:business-service": "payments", "bc:business-owner": "ana"}


def recorded(name: str, kind: str, **other: Any) -> Record:
    """One item as Config records it."""
    return {
        "arn": name,
        "accountId": name.split(":")[4],
        "awsRegion": name.split(":")[3] or "global",
        "resourceType": kind,
        "resourceId": name.rpartition("/")[2],
        "availabilityZone": "Regional",
        "configurationItemCaptureTime": CAPTURED,
        "configurationItemStatus": "ResourceDiscovered",
        "tags": [{"key": key, "value": value} for key, value in TAGS.items()],
        **other,
    }


def config(*records: Record, **cell: Any) -> Given:
    return Given("config_resource:organisation", records, account_id=MANAGEMENT, **cell)


def explorer(*records: Record, **cell: Any) -> Given:
    return Given("explorer_resource", records, account_id=MANAGEMENT, **cell)


def indexed(name: str, kind: str | None = None, *, tags: bool = True, **other: Any) -> Record:
    """One resource as Resource Explorer shows it."""
    data = [{"Key": key, "Value": value} for key, value in TAGS.items()]
    return {
        "Arn": name,
        "OwningAccountId": name.split(":")[4],
        "Region": name.split(":")[3] or "global",
        "Service": name.split(":")[2],
        "ResourceType": f"{name.split(':')[2]}:thing",
        **({"CfnResourceType": kind} if kind else {}),
        "LastReportedAt": REPORTED,
        "Properties": [{"Name": "tags", "LastReportedAt": REPORTED, "Data": data}] if tags else [],
        **other,
    }


def tagging(*names: str, **cell: Any) -> Given:
    tags = [{"Key": key, "Value": value} for key, value in TAGS.items()]
    return Given(
        "tagged_resource", [{"ResourceARN": name, "Tags": tags} for name in names], account_id=MANAGEMENT, **cell
    )


def group(*members: tuple[str, str], **cell: Any) -> Given:
    records = [{"ResourceArn": name, "ResourceType": kind} for name, kind in members]
    return Given("resource_group_member:all", records, account_id=MANAGEMENT, **cell)


def night(home: House, number: float, *cells: Given, accounts: tuple[str, ...] = (WORKLOAD, MANAGEMENT)) -> None:
    listed = Given("organizations_account", [member(account) for account in accounts])
    home.night(f"night-{number}", [listed, *cells], FIRST_NIGHT + hours(24 * number))
    home.build("cmdb.resource")


def items(home: House, *columns: str) -> dict[str, tuple[Any, ...]]:
    found = home.rows(f"select arn, {', '.join(columns)} from cmdb.resource")
    return {row["arn"]: tuple(row[name] for name in columns) for row in found}


def test_an_item_is_whoever_knows_it_first_and_has_its_type_owner_and_application(home: House) -> None:
    night(
        home,
        0,
        config(
            recorded(TABLE, "AWS::DynamoDB::Table"), recorded(BALANCER, "AWS::ElasticLoadBalancingV2::LoadBalancer")
        ),
        tagging(TABLE, QUEUE, arn("glue", "crawler/nightly", MANAGEMENT), arn("apigateway", "/restapis/a1", "")),
        group((QUEUE, "AWS::SQS::Queue"), (arn("ecs", "cluster/web", MANAGEMENT), "AWS::ECS::Cluster")),
    )
    assert items(home, "discovered_by", "resource_type", "resource_id", "account_id", "region") == {
        TABLE: ("config", "AWS::DynamoDB::Table", "orders", WORKLOAD, REGION),
        BALANCER: (
            *("config", "AWS::ElasticLoadBalancingV2::LoadBalancer", "50dc6c495c0c9188", WORKLOAD),
            REGION,
        ),
        QUEUE: ("tagging", "AWS::SQS::Queue", "jobs", MANAGEMENT, REGION),
        arn("glue", "crawler/nightly", MANAGEMENT): ("tagging", "glue:crawler", "nightly", MANAGEMENT, REGION),
        arn("apigateway", "/restapis/a1", ""): ("tagging", "AWS::ApiGateway::RestApi", "a1", MANAGEMENT, REGION),
        arn("ecs", "cluster/web", MANAGEMENT): ("group", "AWS::ECS::Cluster", "web", MANAGEMENT, REGION),
    }
    owned = items(home, "business_service", "business_owner", "owner_source", "last_seen_at", "status")
    assert owned[TABLE] == ("payments", "ana", "resource tag", CAPTURED, "active")
    assert owned[QUEUE] == ("payments", "ana", "resource tag", "2026-11-24T14:00:00Z", "active")
    assert owned[arn("ecs", "cluster/web", MANAGEMENT)][:3] == (None, None, "none")
    home.build("cmdb.servicenow_ci", "cmdb.application", "cmdb.aggregator_unseen", "cmdb.aggregator_coverage")
    classes = {row["name"]: row["sys_class_name"] for row in home.rows("from cmdb.servicenow_ci")}
    assert classes["orders"] == "cmdb_ci_cloud_database"
    assert classes["50dc6c495c0c9188"] == "cmdb_ci_cloud_load_balancer"
    assert classes["nightly"] == "cmdb_ci_cmp_resource"
    (application,) = home.rows("select business_service, resource_count from cmdb.application")
    assert application == {"business_service": "payments", "resource_count": 5}
    # Nobody listed them, so nobody's listing lacks them, and none counts as collected directly.
    assert home.rows("select * from cmdb.aggregator_unseen") == []
    counted = home.rows("select config_resource_count, resource_count from cmdb.aggregator_coverage where is_covered")
    assert [row for row in counted if row["resource_count"]] == []


def test_what_resource_explorer_shows_is_an_item_of_its_owner_with_the_time_at_which_it_was_looked_at(
    home: House,
) -> None:
    """Config knows more of a resource, and the tagging API its tags; Explorer shows what neither does."""
    role, secret = f"arn:aws:iam::{WORKLOAD}:role/deploy", arn("secretsmanager", "secret:password-Ab1Cd2")
    fleet, pipe = arn("ec2", "fleet/fleet-1"), arn("pipes", "pipe/p")
    night(
        home,
        0,
        explorer(
            indexed(TABLE, "AWS::DynamoDB::Table"),
            indexed(QUEUE, "AWS::SQS::Queue", tags=False),
            indexed(secret, "AWS::SecretsManager::Secret"),
            indexed(role, tags=False, LastReportedAt=None),
            # Of these services the listings say what there is, and of this one nobody knows CloudFormation's name.
            indexed(fleet, "AWS::EC2::EC2Fleet"),
            indexed(pipe, tags=False),
        ),
        config(recorded(TABLE, "AWS::DynamoDB::Table")),
        tagging(QUEUE),
        group((secret, "AWS::SecretsManager::Secret")),
    )
    assert items(home, "discovered_by", "resource_type", "resource_id", "account_id", "region") == {
        TABLE: ("config", "AWS::DynamoDB::Table", "orders", WORKLOAD, REGION),
        QUEUE: ("explorer", "AWS::SQS::Queue", "jobs", MANAGEMENT, REGION),
        secret: ("explorer", "AWS::SecretsManager::Secret", "password-Ab1Cd2", WORKLOAD, REGION),
        role: ("explorer", "AWS::IAM::Role", "deploy", WORKLOAD, "aws-global"),
        pipe: ("explorer", "pipes:pipe", "p", WORKLOAD, REGION),
    }
    names = ("business_service", "owner_source", "last_seen_at", "tags_source")
    assert items(home, *names) == {
        TABLE: ("payments", "resource tag", CAPTURED, "config_resource:organisation"),
        QUEUE: ("payments", "resource tag", REPORTED, "tagged_resource"),
        secret: ("payments", "resource tag", REPORTED, "explorer_resource"),
        role: (None, "none", "2026-11-24T14:00:00Z", None),
        pipe: (None, "none", REPORTED, None),
    }
    home.build("cmdb.servicenow_ci", "cmdb.application")
    classes = {row["correlation_id"]: row["sys_class_name"] for row in home.rows("from cmdb.servicenow_ci")}
    assert {classes[name] for name in (secret, role, pipe)} == {"cmdb_ci_cmp_resource"}
    (application,) = home.rows("select business_service, resource_count from cmdb.application")
    assert application == {"business_service": "payments", "resource_count": 3}


def test_what_resource_explorer_does_not_show_any_more_is_missing_for_thirty_days_first(home: House) -> None:
    kind = "AWS::DynamoDB::Table"
    night(home, 0, explorer(indexed(TABLE, kind), indexed(QUEUE)))
    # No grant, no view and a response that was cut off take nothing away.
    for number, cell in enumerate(
        (
            explorer(outcome="skipped", skip_reason="optional_grant_not_given"),
            explorer(outcome="failed"),
        ),
        1,
    ):
        night(home, number, cell)
        assert set(items(home, "status", "is_stale").values()) == {("active", True)}
    night(home, 3, explorer(indexed(TABLE, kind)))
    assert items(home, "status", "is_stale") == {TABLE: ("active", False), QUEUE: ("missing", False)}
    night(home, 32, explorer(indexed(TABLE, kind)))
    assert items(home, "status")[QUEUE] == ("missing",)
    night(home, 33, explorer(indexed(TABLE, kind)))
    assert items(home, "status", "retired_reason")[QUEUE] == ("retired", "no_longer_shown")


def interface(name: str, description: str, **other: Any) -> Record:
    return {
        "OwnerId": WORKLOAD,
        "NetworkInterfaceId": name,
        "InterfaceType": "interface",
        "Status": "in-use",
        "Description": description,
        **other,
    }


def test_what_aws_made_an_interface_for_is_an_item(home: House) -> None:
    classic, cluster = arn("elasticloadbalancing", "loadbalancer/old-one"), arn("eks", "cluster/shop_1")
    files, network = arn("elasticfilesystem", "file-system/fs-0a1b"), "net/inner/0123456789abcdef"
    brokers = "cluster/orders/6411a16c-75d7-48b0-afdb-8ed466fe2072-2"
    balancer = f"ELB {BALANCER.partition('loadbalancer/')[2]}"
    shown = Given(
        "ec2_network_interface",
        [
            interface("eni-1", balancer),
            interface("eni-2", balancer),
            interface("eni-3", f"ELB {network}", InterfaceType="network_load_balancer"),
            interface("eni-4", "ELB old-one"),
            interface("eni-5", "EFS mount target for fs-0a1b (fsmt-0c2d)"),
            interface("eni-6", "Amazon EKS shop_1"),
            interface("eni-a1", "Route 53 Resolver: rslvr-in-55829d25693e4b729:rni-9494385465134fa5a"),
            interface("eni-a2", "Route 53 Resolver: rslvr-in-55829d25693e4b729:rni-51f53f6ef7b6436f8"),
            interface("eni-a3", "AWS created network interface for directory d-926726c4cd"),
            interface("eni-a4", f"{MSK}arn:aws:kafka:{REGION}:{WORKLOAD}:{brokers}."),
            # Of another account's cluster, and what names nothing.
            interface("eni-a5", f"{MSK}arn:aws:kafka:{REGION}:{MANAGEMENT}:{brokers}."),
            interface("eni-a6", "RedshiftNetworkInterface"),
            interface("eni-a7", "Route 53 Resolver: rslvr-autodefined-rr-1:rni-1"),
            interface("eni-a8", "AWS created network interface for directory x", Attachment={"InstanceId": "i-1"}),
            # Anybody may write so: of an interface of his own, which nothing or an instance has.
            interface("eni-7", "ELB app/forged/0123456789abcdef", Status="available"),
            interface("eni-8", "Amazon EKS forged", Attachment={"InstanceId": "i-1"}),
            *(interface(f"eni-9{number}", text) for number, text in enumerate(("ELB a/b/c", "Amazon EKS a b", "ELB"))),
        ],
    )
    night(home, 0, shown, tagging(classic))
    kinds = {
        BALANCER: ("interface", "AWS::ElasticLoadBalancingV2::LoadBalancer", "web"),
        arn("elasticloadbalancing", f"loadbalancer/{network}"): (
            *("interface", "AWS::ElasticLoadBalancingV2::LoadBalancer"),
            "inner",
        ),
        # The tagging API shows it too, with its tags, and a classic one is not the newer type.
        classic: ("tagging", "AWS::ElasticLoadBalancing::LoadBalancer", None),
        files: ("interface", "AWS::EFS::FileSystem", None),
        cluster: ("interface", "AWS::EKS::Cluster", "shop_1"),
        arn("route53resolver", "resolver-endpoint/rslvr-in-55829d25693e4b729"): (
            *("interface", "AWS::Route53Resolver::ResolverEndpoint"),
            None,
        ),
        arn("ds", "directory/d-926726c4cd"): ("interface", "ds:directory", None),
        arn("kafka", brokers): ("interface", "AWS::MSK::Cluster", "orders"),
    }
    found = items(home, "discovered_by", "resource_type", "name")
    assert {name: row for name, row in found.items() if row[0] != "listing"} == kinds
    owners = items(home, "account_id", "region", "status", "listing", "tags")
    assert owners[cluster] == (WORKLOAD, REGION, "active", "ec2_network_interface", None)
    # A refused listing takes nothing away, and one without them is no proof that they are gone.
    night(home, 1, Given("ec2_network_interface", outcome="denied"))
    assert items(home, "status", "is_stale")[files] == ("active", True)
    night(home, 2, Given("ec2_network_interface", [interface("eni-6", "Amazon EKS shop_1")]))
    states = items(home, "status", "is_stale")
    assert (states[files], states[cluster]) == (("missing", False), ("active", False))


def test_what_is_listed_or_no_resource_is_not_discovered(home: House) -> None:
    instance = arn("ec2", "instance/i-1")
    night(
        home,
        0,
        config(
            recorded(instance, "AWS::EC2::Instance"),
            recorded(arn("config", "x/1"), "AWS::Config::ResourceCompliance"),
            recorded(arn("ssm", "x/2"), "AWS::SSM::ManagedInstanceInventory"),
        ),
        tagging(instance, arn("ec2", "fleet/fleet-1"), arn("rds", "cluster-endpoint:e"), "arn:aws:s3:::b"),
        group((instance, "AWS::EC2::Instance")),
        Given("ec2_instance"),
    )
    assert items(home, "discovered_by") == {}
    night(home, 1, Given("ec2_instance", [{"OwnerId": WORKLOAD, "InstanceId": "i-1", "State": {"Name": "running"}}]))
    assert items(home, "discovered_by") == {instance: ("listing",)}


def test_no_absence_retires_what_is_discovered_but_in_the_long_run(home: House) -> None:
    deleted, kept = arn("dynamodb", "table/deleted"), arn("dynamodb", "table/kept")
    kind = "AWS::DynamoDB::Table"
    elsewhere = arn("eks", "cluster/c", "000000000042")
    known = [recorded(name, kind) for name in (TABLE, deleted, kept, elsewhere)]
    night(home, 0, config(*known), tagging(QUEUE), accounts=(WORKLOAD, MANAGEMENT, "000000000042"))
    # Not trusted, it says nothing; what is listed of other types says nothing either.
    others = [Given("ec2_instance"), Given("rds_db_instance"), Given("s3_bucket")]
    night(home, 1, config(outcome="denied"), tagging(outcome="empty_suspect"), *others)
    assert set(items(home, "status", "is_stale").values()) == {("active", True)}
    gone = recorded(deleted, kind, configurationItemStatus="ResourceDeleted")
    for number in (2, 3, 20):
        night(home, number, config(recorded(kept, kind), gone), Given("tagged_resource", account_id=MANAGEMENT))
        assert items(home, "status", "retired_reason") == {
            TABLE: ("missing", None),
            kept: ("active", None),
            deleted: ("retired", "terminated"),
            QUEUE: ("missing", None),
            elsewhere: ("missing", None),
        }
    night(home, 33, config(recorded(kept, kind)), Given("tagged_resource", account_id=MANAGEMENT))
    found = items(home, "status", "retired_reason")
    assert found[TABLE] == found[QUEUE] == ("retired", "no_longer_shown")
    assert found[kept] == ("active", None)
    night(home, 34, config(recorded(TABLE, kind), recorded(kept, kind)))
    assert items(home, "status", "discovered_by")[TABLE] == ("active", "config")


def test_each_type_that_may_be_discovered_is_one_that_no_listing_shows(home: House) -> None:
    home.build("ref.discovered_type", "ref.resource_class", "ref.service_action", "ref.service_listing")
    both = home.rows("select resource_type from ref.discovered_type semi join ref.resource_class using (resource_type)")
    assert both == []
    told = home.rows("select arn_service, arn_kind from ref.discovered_type where arn_service is not null")
    assert len(told) == len({tuple(row.values()) for row in told}) > 40
    billed = {row["billed_service"] for row in home.rows("from ref.discovered_type")} - {None}
    named = {row["service"] for row in home.rows("from ref.service_action")}
    listed = {row["service"] for row in home.rows("from ref.service_listing")}
    assert billed and billed <= named
    assert billed.isdisjoint(listed)
    assert "stage.discovered_resource" in read_models()["cmdb.resource"].uses
