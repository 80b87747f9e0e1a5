-- From what cost on a billed service is a witness (pipelines/collection/billed.py), which is read before ref is built anew.
alter table if exists ref.service_listing add column if not exists witness_from decimal(28, 10);
