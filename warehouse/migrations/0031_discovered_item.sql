-- Items of types that no listing shows are known by AWS Config, the tagging API or a resource group. Until now all were listed.
alter table cmdb.resource add column discovered_by varchar;

update cmdb.resource set discovered_by = 'listing';
