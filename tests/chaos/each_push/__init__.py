"""Every fault of the simulated AWS, in as few whole runs as tell them apart.

`make test` runs them, and `pytest --collect-only -m whole_run` lists them. `make faults` has the faults one by one, the
nights after them, CloudTrail's delay and the settings.
"""
