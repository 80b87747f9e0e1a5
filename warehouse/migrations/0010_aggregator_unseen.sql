-- cmdb.aggregator_unseen is a table from now on: a view of audit.coverage changed with every refused night.
drop view if exists cmdb.aggregator_unseen;
