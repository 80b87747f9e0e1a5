-- A run that was killed had no word of its own: it stayed running, or passed for published.
comment on column audit.run.finished_at is
'When the run published or was stopped, UTC; NULL while it works, and where it died: killed, or no power.';
comment on column audit.run.outcome is
'How it ended: published, refused, incomplete, preflight or died; running or publishing while it works.';
