"""The history: what each published file held, kept as the rows that changed, in Parquet files that never change.

A segment is a folder of Parquet files for one or several publications in a row. `manifest` says which segments count,
`state` is the SQL of a table as of one publication, `changes` and `recording` add a publication, `merging` keeps the
segments few and forgets, `reading` answers queries. Nothing here knows which tables there are or what they mean.
"""
