-- A listing that changes seldom is not requested every night. One that has changed since is requested at once.
alter table audit.step_plan add column listing_fingerprint varchar;
comment on column audit.step_plan.listing_fingerprint is
'SHA-256 of the entry in the catalogue and of the queries that read it; NULL in runs of older releases.';
