-- What may be spent, month by month, by the value of a tag. Seed: warehouse/ref/budget.csv, owned by finance; what is
-- there is an example, to be replaced.
-- key: scope, budget_name, month
-- scope: The tag key whose values have budgets, such as bc:cost-centre.
-- budget_name: The value of the tag, such as a cost centre; canonical as in ref.tag_value_alias.
-- month: First day of the month.
-- amount: What may be spent in the month, in the currency beside it.
-- currency: Currency of the amount, ISO 4217.
-- fiscal_year: The financial year that the month belongs to, as people call it.
-- source: Who states it; example where nobody does.
select
    scope,
    budget_name,
    "month",
    amount,
    currency,
    fiscal_year,
    source
from
    read_csv(
        getvariable('ref_folder') || '/budget.csv',
        header = true,
        columns = {
            'scope': 'VARCHAR',
            'budget_name': 'VARCHAR',
            'month': 'DATE',
            'amount': 'DECIMAL(28, 10)',
            'currency': 'VARCHAR',
            'fiscal_year': 'VARCHAR',
            'source': 'VARCHAR'
        }
    )
