"""Every fault of the simulated AWS, in as few whole runs as tell them apart: what `make test` runs of tests/chaos.

`pytest --collect-only -m whole_run` lists them. The faults one by one, the nights after them, CloudTrail's delay and
the settings are run by `make faults`.
"""
