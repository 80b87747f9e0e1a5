-- A landing file that was cut or lost before its tables were built took rows away, and nothing noticed.
alter table audit.step_plan add column record_count bigint;
alter table audit.step_plan add column record_bytes bigint;
alter table audit.step_plan add column record_digest varchar;
comment on column audit.step_plan.record_count is
'Records that the step landed; NULL until stored, and in runs of older releases.';
comment on column audit.step_plan.record_bytes is
'Bytes of the landing file with these records; NULL as record_count.';
comment on column audit.step_plan.record_digest is
'SHA-256 of that file: tables are built of no other; NULL as record_count.';
