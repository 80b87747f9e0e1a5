"""`cmdb mcp`: a Model Context Protocol server over the published file.

`command` starts it and loads nothing heavy; `server` registers what `tools` and `documents` do; `answer` says what an
answer is worth by the cells of `scope`; `lineage` reads what a free query rests on.
"""
