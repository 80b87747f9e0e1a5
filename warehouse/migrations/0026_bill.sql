-- Whose bill a run reads was taken for granted: a billing transfer makes it another one, without a word of AWS.
create table audit.bill (
    run_id varchar primary key,
    organization_id varchar,
    billing_account_id varchar,
    domain varchar not null check (domain in ('own', 'transferred', 'pro forma', 'unknown')),
    payer_account_id varchar,
    transfer_id varchar,
    transfer_starts_at timestamptz,
    transfer_ends_at timestamptz,
    waiver varchar,
    reason varchar not null,
    config_hash varchar not null,
    checked_at timestamptz not null
);
comment on table audit.bill is
'One row per pre-flight: whose bill the billing profile reads, and whether AWS or somebody else priced it.';
comment on column audit.bill.run_id is 'Run whose pre-flight asked; leads to audit.run.';
comment on column audit.bill.organization_id is
'Organisation of the management profile; NULL where AWS did not describe it.';
comment on column audit.bill.billing_account_id is
'Account that the billing profile reaches, 12 digits as text; NULL if none. Source: sts:GetCallerIdentity.';
comment on column audit.bill.domain is
'own: as AWS invoices it; pro forma: as its payer prices it; transferred: of another payer; or unknown.';
comment on column audit.bill.payer_account_id is
'Management account that pays the bill, 12 digits; NULL where unknown. Source: the billing transfers.';
comment on column audit.bill.transfer_id is
'Transfer in force, such as rt-1a2b3c4d. Source: organizations:ListOutboundResponsibilityTransfers.';
comment on column audit.bill.transfer_starts_at is
'When that transfer began, UTC; NULL without one. Source: the same.';
comment on column audit.bill.transfer_ends_at is
'When that transfer ends, UTC; NULL without one or without an end. Source: the same.';
comment on column audit.bill.waiver is
'Account that is declared to pay the bill; NULL where none is. Source: CMDB_TRANSFERRED_BILL.';
comment on column audit.bill.reason is 'The same as a sentence, with what could not be found out.';
comment on column audit.bill.config_hash is
'Fingerprint of the settings that this was found under: evidence of other settings does not count.';
comment on column audit.bill.checked_at is 'When AWS was asked, UTC.';
