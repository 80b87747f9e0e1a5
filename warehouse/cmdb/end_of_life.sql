-- One row per item and thing of it that somebody stops to support some day: the engine and the certificate of
-- a database, the runtime of a function, the generation of an instance's type, the machine image of an
-- instance where its owner has set or made an end. state is unknown where no date is known, and after
-- standard support where that of extended support is not: nobody says then that it is supported, or that it
-- has ended. AWS publishes no end of old generations of instances. What extended support costs is in
-- cost.extended_support, and what it will cost in cost.extended_support_forecast.
-- materialized: view
-- rests_on: without=rds_certificate, rds_db_major_engine_version, ec2_instance_image, lambda_function_tag because a date that is not known is NULL and the state unknown, and tags say nothing of support
-- key: arn, kind
-- arn: The item.
-- kind: engine, certificate, runtime, generation or image.
-- account_id: The AWS account that owns it, 12 digits.
-- region: AWS region.
-- resource_type: AWS's name of its type.
-- name: Its name; NULL where it has none.
-- product: Engine, such as postgres; lambda for a runtime, rds for a certificate, the family of an instance type, such as m4, the name
--    of an image, or its id where the name is not known.
-- version: Version that it runs, such as 15.4; runtime, certificate authority, instance type or id of the image.
-- major_version: The version that the dates are of, such as 15; NULL where no date is known, and for what has none.
-- state: supported, ends soon (in 180 days or fewer), extended support, ended, old generation or unknown. A deregistered image has ended.
-- standard_support_until: Last day of standard support, the date of a runtime's or an image's deprecation, the last day of the authority of
--    a certificate, or of the certificate where that is before and RDS does not renew it by itself, as it does for authorities whose
--    names end in -g1; NULL where it is not known.
-- extended_support_until: Last day of extended support; NULL where there is none or it is not known.
-- days_left: Days from as_of_date to standard_support_until, negative after it; NULL where that is not known.
-- has_extended_support: True where RDS goes over to extended support, and charges for it, by itself, of a member where it does of its cluster; NULL
--    where it does not report that.
-- successor: Family of instances that takes its place; NULL but for a generation.
-- as_of_date: Day, UTC, on which the item was collected, and for which the state is.
-- source: Where the dates come from.
-- is_stale: True where the newest response about the item is not trusted.
with reported as (
    select
        engine as product,
        major_engine_version as version,
        max_by((standard_support_until at time zone 'UTC')::date, collected_at) as standard_support_until,
        max_by((extended_support_until at time zone 'UTC')::date, collected_at) as extended_support_until
    from aws.rds_db_major_engine_version
    group by all
),

documented as (
    select *
    from ref.end_of_life
    where kind = 'engine'
),

-- What RDS reports goes before what its documentation said; where RDS reports no date, the documentation's stands.
supported as (
    select
        'engine' as kind,
        coalesce(reported.product, seed.product) as product,
        coalesce(reported.version, seed.version) as version,
        coalesce(reported.standard_support_until, seed.standard_support_until) as standard_support_until,
        case
            when reported.standard_support_until is null
                then seed.extended_support_until
            else reported.extended_support_until
        end as extended_support_until,
        coalesce(seed.has_extended_support, false) as is_extendable,
        case
            when reported.standard_support_until is null
                then seed.source
            else 'rds:DescribeDBMajorEngineVersions'
        end as source
    from reported
    full outer join documented as seed on reported.product = seed.product and reported.version = seed.version
    union all
    select
        kind,
        product,
        version,
        standard_support_until,
        extended_support_until,
        false as is_extendable,
        source
    from ref.end_of_life
    where kind = 'runtime'
),

item as (
    select
        'engine' as kind,
        'AWS::RDS::DBInstance' as resource_type,
        database.engine as product,
        database.engine_version as version,
        -- Of a member the setting of its cluster counts.
        coalesce(cluster.engine_lifecycle_support, database.engine_lifecycle_support)
        = 'open-source-rds-extended-support' as has_extended_support,
        database.arn,
        database.account_id,
        database.region,
        database.name,
        database.collected_at,
        database.is_stale
    from aws.rds_db_instance as database
    left join aws.rds_db_cluster as cluster
        on
            database.account_id = cluster.account_id
            and database.region = cluster.region
            and database.cluster_name = cluster.name
    union all by name
    select
        'engine' as kind,
        'AWS::RDS::DBCluster' as resource_type,
        engine as product,
        engine_version as version,
        engine_lifecycle_support = 'open-source-rds-extended-support' as has_extended_support,
        arn,
        account_id,
        region,
        name,
        collected_at,
        is_stale
    from aws.rds_db_cluster
    union all by name
    select
        'runtime' as kind,
        'AWS::Lambda::Function' as resource_type,
        'lambda' as product,
        runtime as version,
        arn,
        account_id,
        region,
        name,
        collected_at,
        is_stale
    from aws.lambda_function
    where runtime is not null
),

-- The longest version that fits: 10.11 of MariaDB is none of 10.1.
dated as (
    select
        item.arn,
        item.kind,
        max_by(supported, length(supported.version)) as dates
    from item
    inner join supported
        on
            item.kind = supported.kind
            and item.product = supported.product
            and (item.version = supported.version or starts_with(item.version, supported.version || '.'))
    group by item.arn, item.kind
),

-- RDS renews certificates of an authority such as rds-ca-rsa2048-g1 before they end, so that only the authority's end counts.
certified as (
    select
        database.*,
        (authority.valid_until at time zone 'UTC')::date as authority_until,
        case
            when not regexp_matches(database.ca_certificate, '-g[0-9]+$')
                then (database.certificate_valid_until at time zone 'UTC')::date
        end as own_until
    from aws.rds_db_instance as database
    left join aws.rds_certificate as authority
        on
            database.account_id = authority.account_id
            and database.region = authority.region
            and database.ca_certificate = authority.certificate_name
    where database.ca_certificate is not null
),

judged as (
    select
        item.*,
        dated.dates.version as major_version,
        dated.dates.standard_support_until as standard_support_until,
        dated.dates.extended_support_until as extended_support_until,
        dated.dates.is_extendable as is_extendable,
        dated.dates.source as source
    from item
    left join dated using (arn, kind)
    union all by name
    select
        'certificate' as kind,
        'AWS::RDS::DBInstance' as resource_type,
        'rds' as product,
        ca_certificate as version,
        arn,
        account_id,
        region,
        name,
        collected_at,
        is_stale,
        least(authority_until, own_until) as standard_support_until,
        case
            when own_until <= coalesce(authority_until, own_until) then 'rds:DescribeDBInstances'
            when authority_until is not null then 'rds:DescribeCertificates'
        end as source
    from certified
),

launched as (
    select
        'image' as kind,
        'AWS::EC2::Instance' as resource_type,
        coalesce(image.name, instance.image_id) as product,
        instance.image_id as version,
        instance.arn,
        instance.account_id,
        instance.region,
        instance.name,
        instance.collected_at,
        instance.is_stale,
        (image.deprecated_at at time zone 'UTC')::date as standard_support_until,
        coalesce(image.is_deregistered, false) as is_gone,
        case when image.image_id is not null then 'ec2:DescribeInstanceImageMetadata' end as source
    from aws.ec2_instance as instance
    left join stage.image_in_use as image on instance.image_id = image.image_id
    where
        instance.state <> 'terminated'
        and instance.image_id is not null
        -- Without an end nobody stops to support it.
        and (image.image_id is null or image.deprecated_at is not null or image.is_deregistered)
),

old as (
    select
        'AWS::EC2::Instance' as resource_type,
        family.family as product,
        instance.instance_type as version,
        family.successor,
        family.source,
        instance.arn,
        instance.account_id,
        instance.region,
        instance.name,
        instance.collected_at,
        instance.is_stale
    from aws.ec2_instance as instance
    inner join ref.instance_family as family
        on family.service = 'ec2' and split_part(instance.instance_type, '.', 1) = family.family
    where instance.state <> 'terminated'
    union all by name
    select
        'AWS::RDS::DBInstance' as resource_type,
        family.family as product,
        database.instance_class as version,
        family.successor,
        family.source,
        database.arn,
        database.account_id,
        database.region,
        database.name,
        database.collected_at,
        database.is_stale
    from aws.rds_db_instance as database
    inner join ref.instance_family as family
        on
            starts_with(database.instance_class, family.family || '.')
            and family.service
            = case
                when
                    regexp_matches(database.engine, '^(custom-)?(sqlserver|oracle|db2)-')
                    then 'rds_x86'
                else 'rds'
            end
)

select
    arn,
    kind,
    account_id,
    region,
    resource_type,
    name,
    product,
    version,
    major_version,
    case
        when is_gone then 'ended'
        when standard_support_until is null then 'unknown'
        when as_of_date <= standard_support_until - 181 then 'supported'
        when as_of_date <= standard_support_until then 'ends soon'
        when as_of_date <= extended_support_until then 'extended support'
        when is_extendable and extended_support_until is null then 'unknown'
        else 'ended'
    end as state,
    standard_support_until,
    extended_support_until,
    standard_support_until - as_of_date as days_left,
    has_extended_support,
    null::varchar as successor,
    as_of_date,
    source,
    is_stale
from (
    select
        *,
        (collected_at at time zone 'UTC')::date as as_of_date
    from (
        select * from judged
        union all by name
        select * from launched
    ) as dated_thing
) as known
union all
select
    arn,
    'generation' as kind,
    account_id,
    region,
    resource_type,
    name,
    product,
    version,
    null::varchar as major_version,
    'old generation' as state,
    null::date as standard_support_until,
    null::date as extended_support_until,
    null::bigint as days_left,
    null::boolean as has_extended_support,
    successor,
    (collected_at at time zone 'UTC')::date as as_of_date,
    source,
    is_stale
from old
