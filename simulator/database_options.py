"""What else RDS shows of a database or cluster: groups, windows, monitoring, secrets, and what waits to be changed."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from simulator.pages import Output
from simulator.world import digest

if TYPE_CHECKING:
    from simulator.databases import Cluster, Database

LICENCES = {
    "postgres": "postgresql-license",
    "aurora-postgresql": "postgresql-license",
    "mysql": "general-public-license",
    "mariadb": "general-public-license",
    "sqlserver-se": "license-included",
    "neptune": "amazon-license",
}
LOGS = {"postgres": ["postgresql", "upgrade"], "mysql": ["error"], "neptune": ["audit"]}
DEFAULT_GROUPS = {
    "sqlserver-se": ("default.sqlserver-se-14.0", "default:sqlserver-se-14-00"),
    "neptune": ("default.neptune1.3", "default:neptune-1"),
}
"""Names of AWS's own parameter and option groups, where they are not of the usual form."""

IOPS = {"gp3": 3000, "io1": 20_000}
RESTORABLE_AT = dt.time(23, 55, tzinfo=dt.UTC)


def groups_of(engine: str, version: str) -> tuple[str, str]:
    """The names of the default parameter group and option group of an engine and version."""
    parts = version.split(".")
    major = parts[0] if "postgres" in engine else ".".join(parts[:2])
    return DEFAULT_GROUPS.get(engine, (f"default.{engine}{major}", f"default:{engine}-{major.replace('.', '-')}"))


def pending(database: Database) -> Output:
    """What waits for the maintenance window or a reboot, but for a new password."""
    if database.name == "reporting":
        return {"DBInstanceClass": "db.t3.large", "MultiAZ": True}
    if database.name == "legacy-erp":
        return {"PendingCloudwatchLogsExports": {"LogTypesToEnable": ["error"], "LogTypesToDisable": []}}
    return {}


def secret(item: Database | Cluster, kind: str) -> Output:
    """The secret that RDS keeps the password in: where it stands, never what is in it."""
    place = f"{item.region}:{item.account_id}"
    name = digest("secret", item.arn)
    return {
        "MasterUserSecret": {
            "SecretArn": f"arn:aws:secretsmanager:{place}:secret:rds!{kind}-{name[:8]}-{name[8:14]}",
            "SecretStatus": "active",
            "KmsKeyId": f"arn:aws:kms:{place}:key/{name[:32]}",
        }
    }


def of_instance(database: Database, today: dt.date) -> Output:
    """The fields of a DB instance beside those that the truth names."""
    parameters, options = groups_of(database.engine, database.version)
    is_watched = database.name == "orders"
    role = f"arn:aws:iam::{database.account_id}:role/rds-monitoring"
    key = f"arn:aws:kms:{database.region}:{database.account_id}:key/insights"
    shown: Output = {
        "DBName": database.name.replace("-", "_"),
        "LicenseModel": LICENCES.get(database.engine, "general-public-license"),
        "AutoMinorVersionUpgrade": database.engine != "sqlserver-se",
        "PreferredMaintenanceWindow": "sun:05:00-sun:06:00",
        "PreferredBackupWindow": "03:00-03:30",
        "DBParameterGroups": [
            {
                "DBParameterGroupName": parameters,
                "ParameterApplyStatus": "pending-reboot" if database.name == "reporting" else "in-sync",
            }
        ],
        "OptionGroupMemberships": [{"OptionGroupName": options, "Status": "in-sync"}],
        "IAMDatabaseAuthenticationEnabled": is_watched,
        "CopyTagsToSnapshot": is_watched,
        "MonitoringInterval": 60 if is_watched else 0,
        "DatabaseInsightsMode": "standard",
        "PerformanceInsightsEnabled": is_watched,
        # RDS writes 0 where nothing is provisioned.
        "StorageThroughput": 125 if database.storage_type == "gp3" else 0,
        "StorageEncryptionType": "sse-kms" if database.is_encrypted else "none",
        "NetworkType": "IPV4",
        "ReadReplicaDBInstanceIdentifiers": [],
        "AssociatedRoles": [],
        "DomainMemberships": [],
        "EnabledCloudwatchLogsExports": LOGS.get(database.engine, []),
        "CustomerOwnedIpEnabled": False,
        "ActivityStreamStatus": "stopped",
        "BackupTarget": "region",
        "DedicatedLogVolume": False,
    }
    if is_watched:
        shown |= {
            "MonitoringRoleArn": role,
            "PerformanceInsightsKMSKeyId": key,
            "PerformanceInsightsRetentionPeriod": 7,
            "MaxAllocatedStorage": 1000,
        }
        if not database.has_new_password:
            shown |= secret(database, "db")
    if database.retention_days and not database.cluster:
        shown["LatestRestorableTime"] = dt.datetime.combine(today - dt.timedelta(days=1), RESTORABLE_AT)
    if database.storage_type in IOPS:
        shown["Iops"] = IOPS[database.storage_type]
    if database.is_multi_az:
        shown["SecondaryAvailabilityZone"] = database.region + "b"
    if database.cluster:
        shown["PromotionTier"] = 1
    if database.engine == "sqlserver-se":
        shown |= {"CharacterSetName": "SQL_Latin1_General_CP1_CI_AS", "Timezone": "UTC"}
        shown["ProcessorFeatures"] = [{"Name": "coreCount", "Value": "2"}, {"Name": "threadsPerCore", "Value": "1"}]
    return shown


def of_cluster(cluster: Cluster, today: dt.date) -> Output:
    """The fields of a DB cluster beside those that the truth names."""
    parameters, options = groups_of(cluster.engine, cluster.version)
    shown: Output = {
        "DatabaseName": cluster.name,
        "DBClusterParameterGroup": parameters,
        "DBClusterOptionGroupMemberships": [{"DBClusterOptionGroupName": options, "Status": "in-sync"}],
        "PreferredMaintenanceWindow": "tue:09:00-tue:09:30",
        "PreferredBackupWindow": "02:00-02:30",
        "EarliestRestorableTime": dt.datetime.combine(today - dt.timedelta(days=7), RESTORABLE_AT),
        "LatestRestorableTime": dt.datetime.combine(today - dt.timedelta(days=1), RESTORABLE_AT),
        "IAMDatabaseAuthenticationEnabled": cluster.engine == "neptune",
        "CopyTagsToSnapshot": True,
        "AutoMinorVersionUpgrade": True,
        "HttpEndpointEnabled": cluster.engine != "neptune",
        "CrossAccountClone": False,
        "StorageEncryptionType": "sse-kms",
        "NetworkType": "IPV4",
        "ReadReplicaIdentifiers": [],
        "AssociatedRoles": [],
        "DomainMemberships": [],
        "EnabledCloudwatchLogsExports": LOGS.get(cluster.engine, []),
        "ActivityStreamStatus": "stopped",
        "HostedZoneId": "Z2R2ITUGPM61AM",
    }
    if cluster.engine != "neptune":
        shown |= {
            "ServerlessV2ScalingConfiguration": {"MinCapacity": 0.5, "MaxCapacity": 16.0},
            "DatabaseInsightsMode": "standard",
            "PerformanceInsightsEnabled": False,
            "MonitoringInterval": 0,
            "EngineLifecycleSupport": "open-source-rds-extended-support",
            **secret(cluster, "cluster"),
        }
    return shown
