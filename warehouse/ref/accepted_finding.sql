-- Findings that somebody has looked at and means to keep as they are, until when. Seed:
-- warehouse/ref/accepted_finding.csv, owned by those who answer for cost; one line a decision.
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
        getvariable('ref_folder') || '/accepted_finding.csv',
        header = true,
        columns = {
            'arn': 'VARCHAR',
            'rule': 'VARCHAR',
            'accepted_by': 'VARCHAR',
            'reason': 'VARCHAR',
            'accepted_date': 'DATE',
            'until': 'DATE'
        }
    )
