-- A list of this product has every service that AWS bills: the service of its listings, or the action that would list it. A new
-- service, or a new name of an old one, has no witness until then.
-- about: cost.explained_spend
-- severity: warn
select
    account_id,
    service,
    unblended_cost,
    currency,
    explanation,
    remark
from cost.explained_spend
where remark is not null
