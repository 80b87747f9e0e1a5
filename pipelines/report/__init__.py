"""The report: what the published file says, as one HTML page for people who do not write SQL.

`queries/` holds the figures, a SQL file each, shown in the page as they were asked; `figures` asks them; `page` and the
two template files lay them out; `writing` puts the page on disk; `asset` does so after every night. Nothing is
computed here that a query could say, and nothing is asked of AWS or of the working file.
"""
