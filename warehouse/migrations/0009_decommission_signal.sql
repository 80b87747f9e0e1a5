-- What could go, remembered from night to night: since when, what it would have saved, and what became of it.

create table cmdb.decommission_signal (
    arn varchar not null,
    rule varchar not null,
    first_flagged_date date not null,
    last_flagged_date date,
    verdict varchar not null check (verdict in ('candidate', 'unknown', 'accepted')),
    resolution varchar,
    resolved_date date,
    resource_type varchar not null,
    account_id varchar not null,
    region varchar not null,
    "name" varchar,
    "owner" varchar,
    unused_since timestamptz,
    evidence json,
    unknown_reason varchar,
    confidence varchar,
    estimated_monthly_saving decimal(28, 10),
    currency varchar,
    estimate_basis varchar,
    saved struct(arn varchar, amount decimal(28, 10))[],
    accepted_by varchar,
    accepted_reason varchar,
    accepted_until date,
    judged_at timestamptz
);

create table cost.saving (
    "month" date not null,
    arn varchar not null,
    rule varchar not null,
    account_id varchar not null,
    "owner" varchar,
    identified decimal(28, 10),
    accepted decimal(28, 10),
    realised decimal(28, 10),
    currency varchar,
    basis varchar
);
