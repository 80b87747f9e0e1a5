-- Billing services that no listing explains, and the IAM action that would list what costs. The contract grants none of them, so
-- what these services cost has a name in cost.explained_spend and no resource. Seed: warehouse/ref/service_action.csv.
-- key: service
-- service: The service's name in the bill, as Cost Explorer spells it (dimension SERVICE).
-- action: IAM action of access level List or Read that the contract does not grant.
select
    service,
    action
from
    read_csv(
        getvariable('ref_folder') || '/service_action.csv',
        header = true,
        columns = { 'service': 'VARCHAR', 'action': 'VARCHAR' }
    )
