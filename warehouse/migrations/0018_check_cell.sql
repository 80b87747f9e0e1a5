-- Which answers a rule found fault with. A table may be refused although each of its answers was whole: two of them
-- claim the same resource, or one is older than what another one says. Only what is named can be asked again.
create table audit.check_cell (
    run_id varchar not null,
    check_name varchar not null,
    scope varchar not null,
    role varchar not null,
    account_id varchar not null,
    region varchar not null,
    listing varchar not null
);
comment on table audit.check_cell is
'The cells behind the rows that a rule found at fault, one row each; none for a rule that holds.';
comment on column audit.check_cell.run_id is 'Run that evaluated the rule; leads to audit.run.';
comment on column audit.check_cell.check_name is
'Name of the rule; with run_id and scope it leads to audit.check_result.';
comment on column audit.check_cell.scope is 'What the rule was evaluated for, such as a table.';
comment on column audit.check_cell.role is
'Role of the contract that asked: management, operations, billing or workload.';
comment on column audit.check_cell.account_id is 'Account that the cell is about, 12 digits as text.';
comment on column audit.check_cell.region is 'AWS region asked; aws-global where the service has none.';
comment on column audit.check_cell.listing is
'Name of the listing in the catalogue, with :parameter where it was asked with one.';

create view audit.disputed_cell as
with newest_result as (
    select
        run_id,
        check_name,
        scope,
        passed,
        severity,
        observed,
        checked_at
    from audit.check_result
    qualify row_number() over (partition by check_name, scope order by checked_at desc, run_id desc) = 1
)

select
    named.role,
    named.account_id,
    named.region,
    named.listing,
    result.check_name,
    result.scope,
    result.observed,
    result.run_id,
    result.checked_at
from newest_result as result
inner join audit.check_cell as named using (run_id, check_name, scope)
inner join audit.coverage as cell using (role, account_id, region, listing)
-- An answer that came later has not been judged yet.
where not result.passed and result.severity = 'ERROR' and cell.ended_at <= result.checked_at;
comment on view audit.disputed_cell is
'The newest answers that a rule refused by name, though each may be trusted: --only-untrusted asks again.';
comment on column audit.disputed_cell.role is
'Role of the contract that asked: management, operations, billing or workload.';
comment on column audit.disputed_cell.account_id is 'Account that the cell is about, 12 digits as text.';
comment on column audit.disputed_cell.region is 'AWS region asked; aws-global where the service has none.';
comment on column audit.disputed_cell.listing is
'Name of the listing in the catalogue, with :parameter where it was asked with one.';
comment on column audit.disputed_cell.check_name is 'Name of the rule that named the cell.';
comment on column audit.disputed_cell.scope is 'What the rule was evaluated for, such as a table.';
comment on column audit.disputed_cell.observed is 'What the rule said. Source: audit.check_result.';
comment on column audit.disputed_cell.run_id is 'Run that evaluated the rule; leads to audit.run.';
comment on column audit.disputed_cell.checked_at is 'When the rule was evaluated, UTC.';
