-- A worker on another machine proves its profiles' identities by itself: a profile may have several rows in a run.
create table audit.caller_identity_with_worker (
    run_id varchar not null,
    role varchar not null,
    profile varchar not null,
    caller_account_id varchar,
    caller_arn varchar,
    expected_account_id varchar,
    is_expected boolean,
    waiver varchar,
    organization_id varchar,
    error_code varchar,
    error_message varchar,
    config_hash varchar,
    checked_at timestamptz not null,
    worker varchar not null default '',
    primary key (run_id, role, profile, worker)
);
insert into audit.caller_identity_with_worker by name from audit.caller_identity;
drop table audit.caller_identity;
alter table audit.caller_identity_with_worker rename to caller_identity;

comment on table audit.caller_identity is
'Which account each profile reached, as STS reported it before anything else was collected.';
comment on column audit.caller_identity.run_id is 'Run that sent the request; leads to audit.run.';
comment on column audit.caller_identity.role is
'Role of the contract: management, operations, billing or workload.';
comment on column audit.caller_identity.profile is
'Name of the AWS profile; empty where the setting that names it is missing. Source: the environment.';
comment on column audit.caller_identity.caller_account_id is
'Account that the profile reaches, 12 digits as text; NULL if none. Source: sts:GetCallerIdentity.';
comment on column audit.caller_identity.caller_arn is
'Principal that the profile is. Source: sts:GetCallerIdentity.';
comment on column audit.caller_identity.expected_account_id is
'Account it should reach, 12 digits as text; NULL if nothing was expected. Source: settings, organisation.';
comment on column audit.caller_identity.is_expected is
'Whether the account is the expected one; NULL where it could not be evaluated or nothing was expected.';
comment on column audit.caller_identity.waiver is
'Roles declared to share the account, such as management+billing; else NULL. Source: CMDB_SHARED_ACCOUNTS.';
comment on column audit.caller_identity.organization_id is
'Organisation that the profile sees; NULL if it may not read it. Source: organizations:DescribeOrganization.';
comment on column audit.caller_identity.error_code is
'Why the profile did not respond, as a code; NULL when it did. Source: AWS or the AWS configuration.';
comment on column audit.caller_identity.error_message is
'The same as a sentence with its hint; NULL when it responded.';
comment on column audit.caller_identity.config_hash is
'Fingerprint of the settings that this was found under: evidence of other settings does not count.';
comment on column audit.caller_identity.checked_at is 'When the request was sent, UTC.';
comment on column audit.caller_identity.worker is
'Host and process of the worker that sent the request; empty for the machine that ran the run.';
