-- Which query a table was built from last: what an older one made of an answer is made anew as long as it is landed.
alter table audit.relation_build add column query_sha256 varchar;
comment on column audit.relation_build.query_sha256 is
'SHA-256 of the query that it was built from, hexadecimal; NULL where an earlier release built it.';
