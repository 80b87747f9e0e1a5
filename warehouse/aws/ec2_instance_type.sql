-- One row per instance type that AWS offers in a region: what an instance of it has. AWS's own, the same for all accounts of a region:
-- the hub requests them, of the regions that it has enabled. For an instance of a region that the hub has not, take any other's row.
-- key: region, instance_type
-- account_id: The AWS account that asked, which is the hub: 12 digits, text because some begin with 0.
-- region: AWS region.
-- instance_type: Type, such as m8g.large.
-- instance_family: What stands before the dot: m8g.
-- is_current_generation: False where AWS calls it a previous generation.
-- vcpu_count: vCPUs that an instance has unless its maker chose fewer.
-- core_count: Cores behind them; NULL where AWS does not say.
-- memory_mib: Memory, MiB.
-- architectures: Instruction sets, sorted: x86_64, arm64, i386 and those of Macs.
-- processor_manufacturer: Who makes the processor, such as AWS, Intel or AMD; NULL where AWS does not say.
-- clock_ghz: Sustained clock speed, GHz; NULL where AWS does not say.
-- hypervisor: nitro or xen; NULL of bare metal.
-- is_bare_metal: True where no hypervisor is between.
-- is_burstable: True where it saves up credits of processor time.
-- has_free_tier: True where new accounts may use it for nothing.
-- gpu_count: Graphics processors; 0 where there is none.
-- gpu_memory_mib: Their memory, MiB; 0 where there is none.
-- instance_storage_gb: Size of its own disks, GB, which lose their data when it stops; 0 where it has none.
-- network_performance: AWS's words, such as Up to 12.5 Gigabit.
-- max_network_interfaces: Interfaces that it may have.
-- ebs_baseline_mbps: Bandwidth to volumes that it always has, Mbit/s; NULL where AWS does not say.
-- usage_classes: How it may be bought, sorted: on-demand, spot, capacity-block.
-- can_hibernate: True where its memory may be kept while it is stopped.
-- boot_modes: Sorted: legacy-bios, uefi.
select
    account_id,
    region,
    item.InstanceType as instance_type,
    split_part(item.InstanceType, '.', 1) as instance_family,
    item.CurrentGeneration as is_current_generation,
    item.VCpuInfo.DefaultVCpus as vcpu_count,
    item.VCpuInfo.DefaultCores as core_count,
    item.MemoryInfo.SizeInMiB as memory_mib,
    list_sort(coalesce(item.ProcessorInfo.SupportedArchitectures, [])) as architectures,
    item.ProcessorInfo.Manufacturer as processor_manufacturer,
    item.ProcessorInfo.SustainedClockSpeedInGhz as clock_ghz,
    nullif(item.Hypervisor, '') as hypervisor,
    item.BareMetal as is_bare_metal,
    item.BurstablePerformanceSupported as is_burstable,
    item.FreeTierEligible as has_free_tier,
    coalesce(
        list_sum(list_transform(coalesce(item.GpuInfo.Gpus, []), lambda gpu: gpu."Count")), 0
    )::bigint as gpu_count,
    coalesce(item.GpuInfo.TotalGpuMemoryInMiB, 0) as gpu_memory_mib,
    coalesce(item.InstanceStorageInfo.TotalSizeInGB, 0) as instance_storage_gb,
    item.NetworkInfo.NetworkPerformance as network_performance,
    item.NetworkInfo.MaximumNetworkInterfaces as max_network_interfaces,
    item.EbsInfo.EbsOptimizedInfo.BaselineBandwidthInMbps as ebs_baseline_mbps,
    list_sort(coalesce(item.SupportedUsageClasses, [])) as usage_classes,
    item.HibernationSupported as can_hibernate,
    list_sort(coalesce(item.SupportedBootModes, [])) as boot_modes,
    cell.*
from landing(
        'ec2_instance_type',
        'STRUCT(
        InstanceType VARCHAR, CurrentGeneration BOOLEAN, FreeTierEligible BOOLEAN, BareMetal BOOLEAN, Hypervisor VARCHAR,
        ProcessorInfo STRUCT(
            SupportedArchitectures VARCHAR[], SustainedClockSpeedInGhz DOUBLE, Manufacturer VARCHAR
        ),
        VCpuInfo STRUCT(DefaultVCpus BIGINT, DefaultCores BIGINT), MemoryInfo STRUCT(SizeInMiB BIGINT),
        InstanceStorageInfo STRUCT(TotalSizeInGB BIGINT),
        EbsInfo STRUCT(EbsOptimizedInfo STRUCT(BaselineBandwidthInMbps BIGINT)),
        NetworkInfo STRUCT(NetworkPerformance VARCHAR, MaximumNetworkInterfaces BIGINT),
        GpuInfo STRUCT(Gpus STRUCT("Count" BIGINT)[], TotalGpuMemoryInMiB BIGINT), HibernationSupported BOOLEAN,
        BurstablePerformanceSupported BOOLEAN, SupportedUsageClasses VARCHAR[], SupportedBootModes VARCHAR[]
    )'
    )
