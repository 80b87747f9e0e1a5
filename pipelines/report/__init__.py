"""The report: the published file as one HTML page for people who do not write SQL.

`queries/` holds the figures, a SQL file each, shown in the page as they ran; `figures` runs them; `page` and the
two template files lay them out; `writing` puts the page on disk; `asset` does so after every run. Nothing is
computed here that a query could compute, and neither AWS nor the working file is read.
"""
