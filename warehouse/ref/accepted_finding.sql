-- Findings that somebody has looked at and means to keep as they are, until when; one line a decision. Read from
-- accepted_finding.csv in the organisation's own folder (CMDB_REFERENCE), owned by those who answer for cost; without
-- that file there is none.
-- key: arn, rule
-- arn: ARN of the resource, or a pattern with * for any characters.
-- rule: The rule of ref.decommission_rule.
-- accepted_by: Who decided it.
-- reason: Why.
-- accepted_date: When.
-- until: The last day that it holds for; NULL for good.
select
    arn,
    rule,
    accepted_by,
    reason,
    accepted_date,
    until
from
    read_csv(
        getvariable('reference_files')['accepted_finding'],
        header = true,
        auto_detect = false,
        delim = ',',
        quote = '"',
        escape = '"',
        strict_mode = false,
        columns = {
            'arn': 'VARCHAR',
            'rule': 'VARCHAR',
            'accepted_by': 'VARCHAR',
            'reason': 'VARCHAR',
            'accepted_date': 'DATE',
            'until': 'DATE'
        }
    )
-- A line of nothing but commas keeps a place free.
where arn is not null
