-- Tag keys that billing has seen, as ce:ListCostAllocationTags gave them, where the optional grant is given. Not part of the
-- public interface; read cost.tag_key_status.
-- key: tag_key, tag_type
-- tag_key: The key as it is written on resources.
-- tag_type: UserDefined, or AWSGenerated such as aws:createdBy.
-- status: Active where the bill can be sliced by it, else Inactive.
-- updated_at: When it was last activated or deactivated, UTC.
-- used_at: When a cost last had a value of it, by month, UTC; NULL where none ever had.
select
    item.TagKey as tag_key,
    item.Type as tag_type,
    item.Status as status,
    item.LastUpdatedDate as updated_at,
    item.LastUsedDate as used_at,
    cell.*
from landing(
        'cost_allocation_tag',
        'STRUCT(
        TagKey VARCHAR, Type VARCHAR, Status VARCHAR, LastUpdatedDate TIMESTAMPTZ, LastUsedDate TIMESTAMPTZ
    )'
    )
