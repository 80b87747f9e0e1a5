-- Billing services that no listing explains, and the IAM action that would list what costs. The contract grants none of them, so
-- what these services cost has a name in cost.explained_spend and no resource. Names are those of AWS's bill and price list, former
-- ones too. What AWS bills under a name that is missing here is not_listable all the same, with a remark.
-- Seed: warehouse/ref/service_action.csv.
-- key: service
-- service: The service's name in the bill, as Cost Explorer spells it (dimension SERVICE).
-- action: IAM action of access level List or Read that the contract does not grant; NULL where no resource causes the cost.
-- charge: What it is then: fee, of requests, traffic or a subscription, or support; else NULL.
select
    service,
    action,
    charge
from
    read_csv(
        getvariable('ref_folder') || '/service_action.csv',
        header = true,
        columns = { 'service': 'VARCHAR', 'action': 'VARCHAR', 'charge': 'VARCHAR' }
    )
