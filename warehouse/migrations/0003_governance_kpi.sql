-- The figures of earlier days are kept beside today's, so their table has to be there before its model reads it.

create table org.governance_kpi (
    as_of_date date not null,
    kpi varchar not null,
    value decimal(18, 2),
    unit varchar,
    verdict varchar,
    thresholds varchar,
    evidence varchar
);
