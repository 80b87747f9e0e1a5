-- What VPC Block Public Access does to each way in of stage.internet_candidate: the options of the account that owns its network,
-- and the exclusions of its subnet and VPC. A VPC's exclusion is its subnets' too. Only allow-bidirectional lets the internet in. Not
-- part of the public interface; read cmdb.exposure.
-- materialized: full
-- key: arn, entry, subnet_id
-- arn: ARN of the interface, the database or the Elastic IP address.
-- entry: The public address; of a database the host name of its endpoint.
-- subnet_id: Subnet; empty where it is not known.
-- effect: off, blocked, admitted by an exclusion, or unknown.
-- shown: The same in words, with the account, the mode and the exclusions; NULL where it is off, or the account is not known.
-- is_vpc_open: True where something else in the VPC may be admitted, such as a middlebox that hands on what comes in to it.
-- is_held_open: True where nothing of the newest records, trusted or not, keeps the internet out.
-- is_stale: True where one of these records is of a response that is not trusted any more.
-- gap_listing: Listing that is not known, or says that it is being changed; NULL where it is known.
-- gap_reason: What it says, in one word; NULL where the cell says why it is not known.
with cell as (
    select
        account_id,
        region,
        bool_or(is_judged) as is_judged
    from audit.expected_cell
    where listing_name = 'ec2_vpc_block_public_access_exclusion'
    group by all
),

without_options as (
    select distinct
        account_id,
        region
    from audit.coverage
    where
        listing = 'ec2_vpc_block_public_access_option'
        and outcome = 'skipped'
        and skip_reason = 'not_offered'
        -- Options of its last response stand, stale.
        and coalesce(previous_record_count, 0) = 0
),

exclusion as (
    select
        excluded.account_id,
        excluded.region,
        excluded.exclusion_id,
        excluded.subnet_id,
        -- A subnet that is not listed may be of any VPC.
        coalesce(excluded.vpc_id, subnet.vpc_id) as vpc_id,
        excluded.is_stale,
        case
            when excluded.state in ('create-failed', 'delete-complete', 'disable-complete') then 'none'
            -- What it was before, or is, nobody knows.
            when excluded.state in ('update-in-progress', 'update-failed') then 'changing'
            when excluded.exclusion_mode = 'allow-egress' then 'none'
            when
                excluded.state in ('create-complete', 'update-complete')
                and excluded.exclusion_mode = 'allow-bidirectional'
                then 'admits'
            else 'changing'
        end as effect
    from aws.ec2_vpc_block_public_access_exclusion as excluded
    left join aws.ec2_subnet as subnet using (subnet_id)
),

excluded as (
    select
        located.arn,
        located.entry,
        located.subnet_id,
        coalesce(
            list(distinct exclusion.exclusion_id order by exclusion.exclusion_id) filter (
                where exclusion.effect = 'admits'
                and (exclusion.subnet_id is null or exclusion.subnet_id = located.subnet_id)
            ),
            []
        ) as exclusion_ids,
        bool_or(
            exclusion.effect = 'changing'
            and (exclusion.subnet_id is null or exclusion.subnet_id = located.subnet_id)
        ) as is_changing,
        bool_or(exclusion.is_stale) as is_stale
    from stage.internet_candidate as located
    inner join exclusion
        on
            located.owner_id = exclusion.account_id
            and located.region = exclusion.region
            and exclusion.effect <> 'none'
            and coalesce(located.vpc_id = exclusion.vpc_id, true)
    group by located.arn, located.entry, located.subnet_id
),

known as (
    select
        located.arn,
        located.entry,
        located.subnet_id,
        located.owner_id,
        options.block_mode,
        options.state,
        options.is_stale as is_option_stale,
        without_options.account_id is not null as is_without,
        coalesce(cell.is_judged, false) as is_exclusion_known,
        coalesce(excluded.exclusion_ids, []) as exclusion_ids,
        coalesce(excluded.is_changing, false) as is_changing,
        coalesce(excluded.is_stale, false) as is_exclusion_stale,
        -- Where the subnet is not known, each of the VPC may be its own.
        excluded.arn is not null as is_vpc_open
    from stage.internet_candidate as located
    left join aws.ec2_vpc_block_public_access_option as options
        on located.owner_id = options.account_id and located.region = options.region
    left join without_options
        on located.owner_id = without_options.account_id and located.region = without_options.region
    left join cell on located.owner_id = cell.account_id and located.region = cell.region
    left join excluded using (arn, entry, subnet_id)
),

explained as (
    select
        *,
        case
            when is_without then null
            when is_option_stale is null or is_option_stale then 'ec2_vpc_block_public_access_option'
            when block_mode = 'off' then null
            when not is_exclusion_known or is_exclusion_stale then 'ec2_vpc_block_public_access_exclusion'
            when exclusion_ids <> [] then null
            when coalesce(state = 'update-in-progress', true) then 'ec2_vpc_block_public_access_option'
            when block_mode not in ('block-bidirectional', 'block-ingress') or block_mode is null
                then 'ec2_vpc_block_public_access_option'
            when is_changing or (subnet_id = '' and is_vpc_open) then 'ec2_vpc_block_public_access_exclusion'
        end as gap_listing
    from known
)

select
    arn,
    entry,
    subnet_id,
    case
        when gap_listing is not null then 'unknown'
        when is_without or block_mode = 'off' then 'off'
        when exclusion_ids <> [] then 'admitted'
        else 'blocked'
    end as effect,
    case
        when owner_id is null or (gap_listing is null and (is_without or block_mode = 'off')) then null
        when gap_listing is null and exclusion_ids <> [] then array_to_string(exclusion_ids, ', ')
        else concat_ws(
                ' ',
                'VPC Block Public Access of',
                owner_id,
                if(gap_listing is null, '(' || block_mode || ')', null)
            )
    end as shown,
    is_vpc_open,
    is_without or coalesce(block_mode = 'off', false) or (block_mode is not null and exclusion_ids <> [])
        as is_held_open,
    coalesce(is_option_stale, false) or (coalesce(block_mode <> 'off', false) and is_exclusion_stale)
        as is_stale,
    gap_listing,
    case
        when gap_listing = 'ec2_vpc_block_public_access_option' and not is_option_stale
            then if(state = 'update-in-progress', 'update_in_progress', 'unknown_mode')
        when
            gap_listing = 'ec2_vpc_block_public_access_exclusion'
            and is_exclusion_known
            and not is_exclusion_stale
            then 'exclusion_in_transition'
    end as gap_reason
from explained
