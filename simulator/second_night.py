"""What happens in the organisation between its first night and its second: a plan, as data.

Each entry of `PLAN` says what happens, to what, and what the tables that the next run publishes show of it.
"""

from __future__ import annotations

from simulator.ledger import COMPUTE
from simulator.planning import (
    Entry,
    Shown,
    account,
    both,
    finding,
    here,
    instance,
    item,
    member,
    month,
    one,
    policy,
    restated,
    saving,
    unreached,
    waiting,
)

OWNER = {"Name": "handed over", "bc:business-owner": "mere.walker@example.com", "bc:cost-centre": "003"}
RULE = "arn:aws:ec2:{region}:{account_id}:security-group-rule/{rule_id}"
HERE = {"account_id": "{account_id}", "region": "{region}"}
DAY_OFF = {
    "Version": "2012-10-17",
    "Statement": [{"Sid": "NoNewUsers", "Effect": "Deny", "Action": ["iam:CreateUser"], "Resource": "*"}],
}
"""A policy that denies nothing that a reader of this inventory sends."""


PLAN: tuple[Entry, ...] = (
    # ------------------------------------------------------------------------------------------ created
    Entry(
        "created",
        "Somebody launches an instance.",
        here(0),
        [("add_instance", {**HERE, "tags": {"Name": "release candidate"}, "instance_type": "m5.large"})],
        [item("discovered", arn="arn:aws:ec2:{region}:{account_id}:instance/{instance_id}")],
    ),
    Entry(
        "created",
        "Another one is launched where nobody tags.",
        here(1, 1),
        [("add_instance", {**HERE, "tags": {}, "instance_type": "t3.large"})],
        [item("discovered", arn="arn:aws:ec2:{region}:{account_id}:instance/{instance_id}")],
    ),
    Entry(
        "created",
        "A volume is made, and attached to nothing.",
        here(0, 1),
        [("add_volume", {**HERE, "size_gb": 40, "tags": {"Name": "scratch"}})],
        [item("discovered")],
    ),
    Entry(
        "created",
        "A snapshot is made of a volume.",
        one("volumes", 0, 0, volume_type="st1"),
        [("add_snapshot", {"volume_id": "{volume_id}", "description": "before the move"})],
        [item("discovered", arn="arn:aws:ec2:{region}:{account_id}:snapshot/{snapshot_id}")],
    ),
    Entry(
        "created",
        "An elastic address is allocated and associated with nothing.",
        here(1, 0),
        [("allocate_address", {**HERE, "tags": {"Name": "for later"}})],
        [item("discovered"), finding("unassociated_address", None)],
    ),
    Entry(
        "created",
        "A database is created.",
        here(0, 0),
        [("create_database", {**HERE, "name": "analytics", "tags": {"bc:business-service": "reporting"}})],
        [item("discovered")],
    ),
    Entry(
        "created",
        "A bucket is created.",
        here(1, 1),
        [("create_bucket", {**HERE, "name": "acme-exports-2026", "tags": {"bc:business-service": "exports"}})],
        [item("discovered", arn="arn:aws:s3:::{name}")],
    ),
    Entry(
        "created",
        "A function is deployed for the first time.",
        here(0, 1),
        [("deploy_function", {**HERE, "name": "invoices", "tags": {"bc:business-service": "payments"}})],
        [item("discovered")],
    ),
    Entry(
        "created",
        "An account joins the organisation. No profile reaches it yet.",
        account(0),
        [("add_account", {"name": "data platform", "ou": "Workloads/Data"})],
        [
            member("discovered", account_name="data platform", ou_path="/Workloads/Data"),
            Shown("cost.budget", {"budget_name": "monthly data platform"}),
            Shown("org.organizational_unit_version", {"ou_path": "/Workloads/Data"}, {"change": "discovered"}),
        ],
    ),
    # ------------------------------------------------------------------------------------------ changed
    Entry(
        "changed",
        "A running instance is stopped.",
        instance(2),
        [("stop_instance", {"instance_id": "{instance_id}"})],
        [item("changed", "state")],
    ),
    Entry(
        "changed",
        "A volume grows.",
        one("volumes", 0, 0, volume_type="io2"),
        [("modify_volume", {"volume_id": "{volume_id}", "size_gb": 128})],
        [item("changed", "size_gb")],
    ),
    Entry(
        "changed",
        "An unattached volume is attached.",
        both(one("volumes", 0, 0, state="available", size_gb=200), instance(4)),
        [("attach_volume", {"volume_id": "{volume_id}", "instance_id": "{other[instance_id]}"})],
        [item("changed", "state")],
    ),
    Entry(
        "changed",
        "A volume is detached and left over.",
        one("volumes", 1, 0, state="in-use", volume_type="st1"),
        [("detach_volume", {"volume_id": "{volume_id}"})],
        [item("changed", "state")],
    ),
    Entry(
        "changed",
        "A function gets a newer runtime.",
        one("functions", 0, 1, runtime="nodejs12.x"),
        [("update_function", {"arn": "{arn}", "runtime": "nodejs22.x"})],
        [item("changed", "runtime")],
    ),
    Entry(
        "changed",
        "A function gets more memory.",
        one("functions", 0, 0, name="tenant-0"),
        [("update_function", {"arn": "{arn}", "memory_mb": 512})],
        [item("changed", "memory_mb"), finding("function_without_invocations", "used again")],
    ),
    Entry(
        "changed",
        "A database is stopped.",
        one("db_instances", 0, 0, name="tenant-0"),
        [("stop_database", {"arn": "{arn}"})],
        [
            item("changed", "state"),
            finding("stopped_database", None),
            finding("database_without_connections", "changed"),
        ],
    ),
    Entry(
        "changed",
        "A port is opened to the world.",
        one("security_groups", 1, 0, name="database", is_default=False),
        [("open_port", {"group_id": "{group_id}", "port": 22})],
        [Shown("cmdb.finding_open_rule", {"arn": RULE}, {"from_port": 22, "to_port": 22})],
    ),
    # ------------------------------------------------------------------------------------------ deleted
    Entry(
        "deleted",
        "An instance is terminated, which AWS lists for an hour yet, and its root volume goes with it.",
        instance(1),
        [("terminate_instance", {"instance_id": "{instance_id}"})],
        [item("retired")],
    ),
    Entry(
        "deleted",
        "A volume is deleted.",
        one("volumes", 0, 1, state="available", size_gb=30),
        [("delete_storage", {"resource_id": "{volume_id}"})],
        [item("missing")],
    ),
    Entry(
        "deleted",
        "A NAT gateway is deleted. AWS lists it for an hour yet.",
        one("nat_gateways", 1, 1, state="available"),
        [("delete_nat_gateway", {"nat_gateway_id": "{nat_gateway_id}"})],
        [item("retired")],
    ),
    Entry(
        "deleted",
        "A bucket is deleted.",
        one("buckets", 0, name=lambda name: "-left.over-" in name),
        [("delete_bucket", {"name": "{name}"})],
        [item("missing")],
    ),
    Entry(
        "deleted",
        "A function is deleted.",
        one("functions", 0, 0, name="tenant-1"),
        [("delete_function", {"arn": "{arn}"})],
        [item("missing")],
    ),
    Entry(
        "deleted",
        "A database is deleted with its automated snapshots; the manual one stays and is an orphan.",
        one("db_instances", 0, 0, name="tenant-1"),
        [("delete_database", {"arn": "{arn}"})],
        [
            item("missing"),
            finding(
                "orphan_database_snapshot", None, "arn:aws:rds:{region}:{account_id}:snapshot:{name}-before-upgrade"
            ),
        ],
    ),
    Entry(
        "deleted",
        "An account leaves the organisation.",
        unreached,
        [("remove_account", {"account_id": "{account_id}"})],
        [member("left", state="LEFT"), Shown("cost.budget", {"budget_name": "monthly {name}"}, count=0)],
    ),
    # --------------------------------------------------------------------------- re-created under the same name
    Entry(
        "re-created",
        "A database is deleted, and another one created under its name.",
        one("db_instances", 0, 0, name="tenant-2"),
        [("delete_database", {"arn": "{arn}"}), ("create_database", {**HERE, "name": "{name}"})],
        [item("replaced")],
    ),
    Entry(
        "re-created",
        "A bucket is deleted, and another one created under its name: S3 gives it no id, so only its age has changed.",
        one("buckets", 0, name=lambda name: "-tenant-1-" in name),
        [("delete_bucket", {"name": "{name}"}), ("create_bucket", {**HERE, "name": "{name}"})],
        [item("changed", "created_at", "tags")],
    ),
    # ----------------------------------------------------------------------------------- moved and renamed
    Entry(
        "moved",
        "An account moves to another OU.",
        account(1),
        [("move_account", {"account_id": "{account_id}", "ou": "Workloads/Production"})],
        [member("changed", "ou_id", "ou_path", ou_path="/Workloads/Production")],
    ),
    Entry(
        "moved",
        "An account moves to an OU that was made for it.",
        account(4),
        [("move_account", {"account_id": "{account_id}", "ou": "Workloads/Retiring"})],
        [
            member("changed", "ou_path", ou_path="/Workloads/Retiring"),
            Shown("org.organizational_unit_version", {"ou_path": "/Workloads/Retiring"}, {"change": "discovered"}),
        ],
    ),
    Entry(
        "renamed",
        "An account gets another name.",
        account(0),
        [("rename_account", {"account_id": "{account_id}", "name": "payments, production"})],
        [member("changed", "account_name", account_name="payments, production")],
    ),
    # ------------------------------------------------------------------------------------------ other tags
    Entry(
        "retagged",
        "An instance gets another owner.",
        instance(3, 1),
        [("retag_instance", {"instance_id": "{instance_id}", "tags": OWNER})],
        [item("changed", "tags")],
    ),
    Entry(
        "retagged",
        "An instance loses its tags.",
        instance(4, 1, 1),
        [("retag_instance", {"instance_id": "{instance_id}", "tags": {}})],
        [item("changed", "tags")],
    ),
    Entry(
        "retagged",
        "A volume gets another owner.",
        one("volumes", 1, 1, volume_type="st1"),
        [("retag_storage", {"resource_id": "{volume_id}", "tags": OWNER})],
        [item("changed", "tags")],
    ),
    Entry(
        "retagged",
        "A snapshot gets another owner.",
        one("snapshots", 1, 1, description="data, 10 days ago"),
        [("retag_storage", {"resource_id": "{snapshot_id}", "tags": OWNER})],
        [item("changed", "tags")],
    ),
    Entry(
        "retagged",
        "An elastic address gets another owner.",
        one("addresses", 1, 1, association_id=bool),
        [("retag_addressing", {"resource_id": "{allocation_id}", "tags": OWNER})],
        [item("changed", "tags")],
    ),
    Entry(
        "retagged",
        "A bucket gets another owner.",
        one("buckets", 1, name=lambda name: "-data-" in name),
        [("retag_bucket", {"name": "{name}", "tags": OWNER})],
        [item("changed", "tags")],
    ),
    Entry(
        "retagged",
        "A function gets another owner.",
        one("functions", 1, 0, name="api"),
        [("update_function", {"arn": "{arn}", "tags": OWNER})],
        [item("changed", "tags")],
    ),
    Entry(
        "retagged",
        "A database gets another owner.",
        one("db_instances", 1, 0, name="orders"),
        [("retag_database", {"arn": "{arn}", "tags": OWNER})],
        [item("changed", "tags")],
    ),
    Entry(
        "retagged",
        "An account gets another owner.",
        account(3),
        [("retag_account", {"account_id": "{account_id}", "tags": OWNER})],
        [member("changed", "tags")],
    ),
    # ------------------------------------------------------------------------------------------ governed
    Entry(
        "governed",
        "A policy is attached to an account.",
        policy("Draft"),
        [("attach_policy", {"policy_id": "{policy_id}", "target_id": "{account_id}"})],
        [
            Shown(
                "org.account_policy_version",
                {"account_id": "{account_id}", "policy_id": "{policy_id}"},
                {"change": "discovered"},
            )
        ],
    ),
    Entry(
        "governed",
        "A policy says something else.",
        policy("🔒 sandbox"),
        [("edit_policy", {"policy_id": "{policy_id}", "content": DAY_OFF})],
        [Shown("org.policy", {"policy_id": "{policy_id}"}, has={"content": ["NoNewUsers"]})],
    ),
    Entry(
        "governed",
        "A service gets trusted access.",
        account(0),
        [("enable_service", {"service_principal": "backup.amazonaws.com"})],
        [Shown("org.enabled_service", {"service_principal": "backup.amazonaws.com"})],
    ),
    Entry(
        "governed",
        "A service loses trusted access.",
        account(0),
        [("disable_service", {"service_principal": "fms.amazonaws.com"})],
        [Shown("org.enabled_service", {"service_principal": "fms.amazonaws.com"}, count=0)],
    ),
    Entry(
        "governed",
        "An account administers another service.",
        account(1),
        [
            (
                "register_delegated_administrator",
                {"account_id": "{account_id}", "service_principal": "backup.amazonaws.com"},
            )
        ],
        [
            Shown(
                "org.delegated_administrator",
                {"account_id": "{account_id}", "service_principal": "backup.amazonaws.com"},
            )
        ],
    ),
    # ------------------------------------------------------------------------------------------ money
    Entry(
        "restated",
        "AWS adds to a day of the month before, after it was published.",
        month(0, closed=False),
        [("restate", {"usage_date": "{day}", "account_id": "{account_id}", "service": COMPUTE, "amount": "41.5"})],
        [restated(COMPUTE, "41.5")],
    ),
    Entry(
        "restated",
        "AWS takes back a part of a day of a month that was closed.",
        month(1, closed=True),
        [
            (
                "restate",
                {
                    "usage_date": "{day}",
                    "account_id": "{account_id}",
                    "service": "AmazonCloudWatch",
                    "amount": "-3.25",
                    "record_type": "Credit",
                },
            )
        ],
        [restated("AmazonCloudWatch", "-3.25")],
    ),
    Entry(
        "budgeted",
        "The budget of an account is raised.",
        account(0),
        [("set_budget", {"name": "monthly {name}", "limit": "4200"})],
        [Shown("cost.budget", {"budget_name": "{name}"}, {"limit_amount": "4200"})],
    ),
    Entry(
        "budgeted",
        "The budget of the organisation is raised.",
        account(0),
        [("set_budget", {"name": "organisation", "limit": "120000"})],
        [Shown("cost.budget", {"budget_name": "{name}"}, {"limit_amount": "120000"})],
    ),
    # ------------------------------------------------------------------------------------------ remedied
    Entry(
        "remedied",
        "A volume of the type gp2 becomes gp3.",
        one("volumes", 1, 0, volume_type="gp2", state="in-use"),
        [("modify_volume", {"volume_id": "{volume_id}", "volume_type": "gp3"})],
        [item("changed", "volume_type"), finding("gp2_volume", "changed"), saving("gp2_volume")],
    ),
    Entry(
        "remedied",
        "A volume of the type gp2 that is attached to nothing becomes gp3.",
        one("volumes", 0, 1, volume_type="gp2", state="available"),
        [("modify_volume", {"volume_id": "{volume_id}", "volume_type": "gp3"})],
        [item("changed", "volume_type"), finding("gp2_volume", "changed"), saving("gp2_volume")],
    ),
    Entry(
        "remedied",
        "An elastic address that was associated with nothing gets an instance.",
        both(one("addresses", 0, 1, association_id=None), instance(2, 0, 1)),
        [("associate_address", {"allocation_id": "{allocation_id}", "instance_id": "{other[instance_id]}"})],
        [item("changed", "association_id"), finding("unassociated_address", "used again")],
    ),
    Entry(
        "remedied",
        "An elastic address that was associated with nothing is released. It is gone when a second response lacks it.",
        one("addresses", 0, 0, association_id=None),
        [("release_address", {"allocation_id": "{allocation_id}"})],
        [item("missing"), waiting("unassociated_address")],
    ),
    Entry(
        "remedied",
        "An old snapshot is deleted. It is gone when a second response lacks it.",
        one("snapshots", 0, 0, description="data, 400 days ago"),
        [("delete_storage", {"resource_id": "{snapshot_id}"})],
        [item("missing"), waiting("old_snapshot")],
    ),
    Entry(
        "remedied",
        "A snapshot of a database that is gone is deleted. It is gone when a second response lacks it.",
        one("db_snapshots", 0, 1, name="old-crm-final"),
        [("delete_database_snapshot", {"arn": "{arn}"})],
        [item("missing"), waiting("orphan_database_snapshot")],
    ),
    Entry(
        "remedied",
        "A stopped instance is terminated.",
        instance(5, 1),
        [("terminate_instance", {"instance_id": "{instance_id}"})],
        [item("retired"), finding("stopped_instance", "gone")],
    ),
    Entry(
        "remedied",
        "A stopped instance is started again.",
        instance(5),
        [("start_instance", {"instance_id": "{instance_id}"})],
        [item("changed", "state"), finding("stopped_instance", "used again")],
    ),
    Entry(
        "remedied",
        "A port that was open to the world is closed.",
        one("security_group_rules", 0, 1, from_port=22, is_open_to_world=True),
        [("revoke_rule", {"rule_id": "{rule_id}"})],
        [Shown("cmdb.finding_open_rule", {"arn": RULE}, count=0)],
    ),
    # ------------------------------------------------------------------------------------------ denied
    Entry(
        "denied",
        "The role of an account may list functions in one region no more: they stay as they were, marked stale.",
        here(2),
        [("refuse_role", {**HERE, "actions": ["lambda:List*"]})],
        [
            Shown(
                "audit.coverage",
                {"account_id": "{account_id}", "region": "{region}", "listing": "lambda_function"},
                {"outcome": "denied", "is_trusted": False},
            ),
            Shown(
                "cmdb.resource",
                {"account_id": "{account_id}", "region": "{region}", "resource_type": "AWS::Lambda::Function"},
                {"status": "active", "is_stale": True},
            ),
        ],
    ),
)
