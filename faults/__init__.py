"""The fault kit: what the product promises, held against a world that breaks.

`make faults` runs it and keeps the results in `.ci/results`; `make reliability` makes docs/reliability.md of them. Each
part is a module with a function `run`, which gives back one `Shown` a case. Nothing here is imported by the product,
and nothing here changes it.
"""
