-- Accounts that left the organisation before this warehouse first listed it and that the bill still charges. Accounts
-- that left later are known from org.account. Seed: warehouse/ref/former_account.csv.
-- key: account_id
-- account_id: 12 digits, text because some begin with 0.
-- left_date: When it left, as far as people know.
-- note: Why, and who states it.
select
    account_id,
    left_date,
    note
from
    read_csv(
        getvariable('ref_folder') || '/former_account.csv',
        header = true,
        columns = { 'account_id': 'VARCHAR', 'left_date': 'DATE', 'note': 'VARCHAR' }
    )
