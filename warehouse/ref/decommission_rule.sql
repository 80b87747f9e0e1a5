-- By what cmdb.decommission_signal calls something a candidate for decommissioning: how long it has to last, how sure the
-- rule is, and where its threshold comes from. Seed: warehouse/ref/decommission_rule.csv, owned by those who answer for
-- cost.
-- key: rule, resource_type
-- rule: Name of the rule.
-- resource_type: AWS's name of the type that it judges, such as AWS::EC2::Volume.
-- min_days: For how many days it has to be so.
-- threshold: What a measurement must not exceed; NULL where nothing is measured.
-- unit: Unit of the threshold; NULL without one.
-- confidence: high, medium or low: how often a candidate is really not needed.
-- saves: whole where all that the resource costs is saved, part where it is less or something else (disks, the difference to a cheaper type).
-- resolved_as: What it is called when it is no longer so: used again or changed.
-- source: Where rule and threshold come from.
-- description: What the rule finds.
select
    rule,
    resource_type,
    min_days,
    threshold,
    unit,
    confidence,
    saves,
    resolved_as,
    source,
    description
from
    read_csv(
        getvariable('ref_folder') || '/decommission_rule.csv',
        header = true,
        columns = {
            'rule': 'VARCHAR',
            'resource_type': 'VARCHAR',
            'min_days': 'INTEGER',
            'threshold': 'DECIMAL(18, 2)',
            'unit': 'VARCHAR',
            'confidence': 'VARCHAR',
            'saves': 'VARCHAR',
            'resolved_as': 'VARCHAR',
            'source': 'VARCHAR',
            'description': 'VARCHAR'
        }
    )
