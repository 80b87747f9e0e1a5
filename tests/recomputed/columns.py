"""What the columns of tables of records have to show that people join on, of the records that plain boto3 lists."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from recomputed.figures import Figures, recomputes
from recomputed.listed import Record
from recomputed.network import listed
from recomputed.world import World

Column = str | Callable[[Record], Any]
"""Where a record has the column: names from the outside in, with dots between, or what works it out."""


def at(path: str) -> Callable[[Record], Any]:
    """The value at a path; None where the record has not so much."""

    def value(record: Record) -> Any:
        found: Any = record
        for name in path.split("."):
            found = (found or {}).get(name)
        return found

    return value


def each(path: str, name: str = "") -> Callable[[Record], list[Any]]:
    """A member of every element of a list; the elements themselves where no name is given."""
    return lambda record: [one.get(name) if name else one for one in at(path)(record) or []]


def unless(path: str, nothing: Any) -> Callable[[Record], Any]:
    """The value at a path; None where it is what AWS writes for nothing."""
    return lambda record: None if at(path)(record) == nothing else at(path)(record)


def _is_imdsv1_allowed(record: Record) -> bool | None:
    options = record["MetadataOptions"]
    if options["State"] != "applied":
        return None
    return bool(options["HttpTokens"] == "optional" and options["HttpEndpoint"] == "enabled")


def _devices(record: Record) -> list[dict[str, Any]]:
    return [
        {
            "device": one["DeviceName"],
            "volume_id": one["Ebs"]["VolumeId"],
            "state": one["Ebs"]["Status"],
            "attached_at": one["Ebs"]["AttachTime"],
            "is_deleted_on_termination": one["Ebs"]["DeleteOnTermination"],
        }
        for one in record["BlockDeviceMappings"]
    ]


def _managed_by(record: Record) -> str | None:
    operator = record.get("Operator") or {}
    return operator.get("Principal") if operator.get("Managed") else None


def _pending(record: Record) -> str | None:
    waiting = {name: value for name, value in (record.get("PendingModifiedValues") or {}).items()}
    # Which password it shall be is nobody's business.
    waiting.pop("MasterUserPassword", None)
    return json.dumps(waiting, separators=(",", ":")) if waiting else None


def _waits_for_a_reboot(record: Record) -> bool | None:
    states = [one["ParameterApplyStatus"] for one in record["DBParameterGroups"]]
    return "pending-reboot" in states if states else None


def _processor(feature: str) -> Callable[[Record], int | None]:
    return lambda record: next(
        (int(one["Value"]) for one in record.get("ProcessorFeatures", []) if one["Name"] == feature), None
    )


def _capacity(name: str) -> Callable[[Record], Decimal | None]:
    def value(record: Record) -> Decimal | None:
        found = at(f"ServerlessV2ScalingConfiguration.{name}")(record)
        return None if found is None else Decimal(str(found))

    return value


INSTANCE: Mapping[str, Column] = {
    "instance_id": "InstanceId",
    "key_name": "KeyName",
    "metadata_http_tokens": "MetadataOptions.HttpTokens",
    "metadata_http_endpoint": "MetadataOptions.HttpEndpoint",
    "metadata_hop_limit": "MetadataOptions.HttpPutResponseHopLimit",
    "metadata_http_ipv6": "MetadataOptions.HttpProtocolIpv6",
    "metadata_instance_tags": "MetadataOptions.InstanceMetadataTags",
    "is_imdsv1_allowed": _is_imdsv1_allowed,
    "monitoring_state": "Monitoring.State",
    "usage_operation": "UsageOperation",
    "product_codes": each("ProductCodes", "ProductCodeId"),
    "license_configuration_arns": each("Licenses", "LicenseConfigurationArn"),
    "virtualization_type": "VirtualizationType",
    "boot_mode": "BootMode",
    "current_boot_mode": "CurrentInstanceBootMode",
    "cpu_core_count": "CpuOptions.CoreCount",
    "threads_per_core": "CpuOptions.ThreadsPerCore",
    "is_ebs_optimized": "EbsOptimized",
    "has_ena": "EnaSupport",
    "has_hibernation": "HibernationOptions.Configured",
    "has_enclave": "EnclaveOptions.Enabled",
    "auto_recovery": "MaintenanceOptions.AutoRecovery",
    "tenancy": "Placement.Tenancy",
    "host_id": "Placement.HostId",
    "placement_group_id": "Placement.GroupId",
    "placement_group_name": unless("Placement.GroupName", ""),
    "partition_number": "Placement.PartitionNumber",
    "capacity_reservation_id": "CapacityReservationId",
    "capacity_reservation_preference": "CapacityReservationSpecification.CapacityReservationPreference",
    "capacity_block_id": "CapacityBlockId",
    "spot_instance_request_id": "SpotInstanceRequestId",
    "outpost_arn": "OutpostArn",
    "managed_by": _managed_by,
    "root_device_name": "RootDeviceName",
    "root_device_type": "RootDeviceType",
    "block_device_mappings": _devices,
    "private_dns_name": unless("PrivateDnsName", ""),
    "public_dns_name": unless("PublicDnsName", ""),
    "ipv6_addresses": lambda record: [
        held["Ipv6Address"] for one in record["NetworkInterfaces"] for held in one["Ipv6Addresses"]
    ],
    "is_source_dest_check": "SourceDestCheck",
}

VOLUME: Mapping[str, Column] = {
    "volume_id": "VolumeId",
    "encryption_type": "SseType",
    "source_volume_id": "SourceVolumeId",
    "initialization_rate_mibps": "VolumeInitializationRate",
    "is_fast_restored": "FastRestored",
    "outpost_arn": "OutpostArn",
    "managed_by": _managed_by,
}

SNAPSHOT: Mapping[str, Column] = {
    "snapshot_id": "SnapshotId",
    "encryption_type": "SseType",
    "data_encryption_key_id": "DataEncryptionKeyId",
    "transfer_type": "TransferType",
    "outpost_arn": "OutpostArn",
}

IMAGE: Mapping[str, Column] = {
    "image_id": "ImageId",
    "is_allowed": "ImageAllowed",
    "image_type": "ImageType",
    "location": "ImageLocation",
    "usage_operation": "UsageOperation",
    "product_codes": each("ProductCodes", "ProductCodeId"),
    "virtualization_type": "VirtualizationType",
    "boot_mode": "BootMode",
    "imds_support": "ImdsSupport",
    "tpm_support": "TpmSupport",
    "has_ena": "EnaSupport",
    "deregistration_protection": "DeregistrationProtection",
    "source_image_region": "SourceImageRegion",
    "block_device_mappings": lambda record: [
        {
            "device": one["DeviceName"],
            "snapshot_id": at("Ebs.SnapshotId")(one),
            "size_gb": at("Ebs.VolumeSize")(one),
            "volume_type": at("Ebs.VolumeType")(one),
            "is_encrypted": at("Ebs.Encrypted")(one),
            "is_deleted_on_termination": at("Ebs.DeleteOnTermination")(one),
        }
        for one in record["BlockDeviceMappings"]
    ],
}

DATABASE: Mapping[str, Column] = {
    "master_username": "MasterUsername",
    "master_user_secret_arn": "MasterUserSecret.SecretArn",
    "has_iam_authentication": "IAMDatabaseAuthenticationEnabled",
    "role_arns": each("AssociatedRoles", "RoleArn"),
    "iops": "Iops",
    "storage_throughput_mibps": unless("StorageThroughput", 0),
    "backup_window": "PreferredBackupWindow",
    "latest_restorable_at": "LatestRestorableTime",
    "has_tags_on_snapshots": "CopyTagsToSnapshot",
    "maintenance_window": "PreferredMaintenanceWindow",
    "has_auto_minor_version_upgrade": "AutoMinorVersionUpgrade",
    "pending_changes": _pending,
    "log_exports": each("EnabledCloudwatchLogsExports"),
    "has_performance_insights": "PerformanceInsightsEnabled",
    "performance_insights_retention_days": "PerformanceInsightsRetentionPeriod",
    "performance_insights_kms_key_id": "PerformanceInsightsKMSKeyId",
    "database_insights_mode": "DatabaseInsightsMode",
    "monitoring_interval_seconds": "MonitoringInterval",
    "monitoring_role_arn": "MonitoringRoleArn",
    "activity_stream_status": "ActivityStreamStatus",
    "network_type": "NetworkType",
    "encryption_type": "StorageEncryptionType",
    "domain_ids": each("DomainMemberships", "Domain"),
    "engine_lifecycle_support": "EngineLifecycleSupport",
}
"""What DB instances and clusters have alike."""

DB_INSTANCE: Mapping[str, Column] = {
    "arn": "DBInstanceArn",
    **DATABASE,
    "database_name": "DBName",
    "character_set": "CharacterSetName",
    "timezone": "Timezone",
    "db_capacity_reservation_id": "DBCapacityReservationIdentifier",
    "max_allocated_storage_gb": "MaxAllocatedStorage",
    "license_model": "LicenseModel",
    "cpu_core_count": _processor("coreCount"),
    "threads_per_core": _processor("threadsPerCore"),
    "secondary_availability_zone": "SecondaryAvailabilityZone",
    "is_reboot_pending": _waits_for_a_reboot,
    "parameter_group_names": each("DBParameterGroups", "DBParameterGroupName"),
    "option_group_names": each("OptionGroupMemberships", "OptionGroupName"),
    "promotion_tier": "PromotionTier",
    "replica_names": lambda record: [
        *record["ReadReplicaDBInstanceIdentifiers"],
        *record.get("ReadReplicaDBClusterIdentifiers", []),
    ],
}

DB_CLUSTER: Mapping[str, Column] = {
    "arn": "DBClusterArn",
    **DATABASE,
    "database_name": "DatabaseName",
    "serverless_min_capacity": _capacity("MinCapacity"),
    "serverless_max_capacity": _capacity("MaxCapacity"),
    "has_http_endpoint": "HttpEndpointEnabled",
    "is_publicly_accessible": "PubliclyAccessible",
    "earliest_restorable_at": "EarliestRestorableTime",
    "backtrack_window_seconds": "BacktrackWindow",
    "parameter_group_name": "DBClusterParameterGroup",
    "option_group_names": each("DBClusterOptionGroupMemberships", "DBClusterOptionGroupName"),
    "ca_certificate": "CertificateDetails.CAIdentifier",
    "certificate_valid_until": "CertificateDetails.ValidTill",
    "clone_group_id": "CloneGroupId",
    "global_cluster_id": "GlobalClusterIdentifier",
    "replication_source": "ReplicationSourceIdentifier",
    "replica_names": each("ReadReplicaIdentifiers"),
    "custom_endpoint_addresses": each("CustomEndpoints"),
}

FUNCTION: Mapping[str, Column] = {
    "arn": "FunctionArn",
    "ephemeral_storage_mb": "EphemeralStorage.Size",
    "kms_key_arn": "KMSKeyArn",
    "dead_letter_arn": "DeadLetterConfig.TargetArn",
    "tracing_mode": "TracingConfig.Mode",
    "snap_start": "SnapStart.ApplyOn",
    "log_format": "LoggingConfig.LogFormat",
    "application_log_level": "LoggingConfig.ApplicationLogLevel",
    "system_log_level": "LoggingConfig.SystemLogLevel",
    "log_group": "LoggingConfig.LogGroup",
    "file_system_arns": each("FileSystemConfigs", "Arn"),
    "signing_profile_version_arn": "SigningProfileVersionArn",
    "edge_master_arn": "MasterArn",
    "tenant_isolation_mode": "TenancyConfig.TenantIsolationMode",
}


def figures(world: World, listing: str, columns: Mapping[str, Column]) -> Figures:
    """A row of each record, by the first of the columns."""
    read = {name: at(column) if isinstance(column, str) else column for name, column in columns.items()}
    rows = [{name: value(record) for name, value in read.items()} for _, _, record in listed(world, listing)]
    return Figures((next(iter(columns)),), rows)


for _listing, _columns in {
    "ec2_instance": INSTANCE,
    "ec2_volume": VOLUME,
    "ec2_snapshot": SNAPSHOT,
    "ec2_image": IMAGE,
    "rds_db_instance": DB_INSTANCE,
    "rds_db_cluster": DB_CLUSTER,
    "lambda_function": FUNCTION,
}.items():
    recomputes(f"aws.{_listing}")(partial(figures, listing=_listing, columns=_columns))
