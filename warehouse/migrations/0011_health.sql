-- The figures of earlier days are kept beside today's, so their table has to be there before its model reads it.

create table cmdb.health (
    as_of_date date not null,
    kpi varchar not null,
    scope varchar not null,
    value decimal(18, 2),
    at_fault_count bigint not null,
    judged_count bigint not null,
    unknown_count bigint not null,
    unit varchar not null,
    description varchar not null
);
