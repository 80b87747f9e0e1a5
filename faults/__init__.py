"""The fault kit: what the product promises, held against a world that breaks.

`make faults` runs it and writes docs/reliability.md. Each part is a module with a function `run`, which gives back one
`Shown` a case; nothing here is imported by the product, and nothing here changes it.
"""
