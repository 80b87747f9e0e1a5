-- Until when AWS supports engines, certificates, runtimes and generations of what is there: how many of each, by state.
select
    thing.kind,
    count(*) filter (where thing.state = 'supported') as supported_count,
    count(*) filter (where thing.state = 'ends soon') as soon_count,
    count(*) filter (where thing.state = 'extended support') as extended_count,
    count(*) filter (where thing.state in ('ended', 'old generation')) as ended_count,
    count(*) filter (where thing.state = 'unknown') as unknown_count
from cmdb.end_of_life as thing
group by thing.kind
order by thing.kind asc
