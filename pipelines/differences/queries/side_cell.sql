-- One row per cell that a file's run ought to have requested, with whether it is judged.
select
    role,
    account_id,
    region,
    listing,
    is_judged,
    unknown_reason,
    last_trusted_at
from audit.expected_cell
