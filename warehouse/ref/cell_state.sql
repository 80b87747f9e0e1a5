-- What the newest outcome of a cell means for its place: whether that is judged or unknown, or nothing is to be requested there. This
-- is decided here, once for every table; a reason that stands not here is unknown. Seed: warehouse/ref/cell_state.csv.
-- key: outcome, skip_reason
-- outcome: Outcome of the cell, as in audit.coverage.
-- skip_reason: Why it was not requested; empty where it was.
-- state: judged; unknown; nothing to ask, which is unknown as long as rows of an earlier response stand; or gone, whose rows are
--    removed.
-- meaning: Why the state is so.
select
    outcome,
    coalesce(skip_reason, '') as skip_reason,
    state,
    meaning
from
    read_csv(
        getvariable('ref_folder') || '/cell_state.csv',
        header = true,
        columns = { 'outcome': 'VARCHAR', 'skip_reason': 'VARCHAR', 'state': 'VARCHAR', 'meaning': 'VARCHAR' }
    )
