"""Every fault of the simulated AWS, in as few whole runs as tell them apart.

`make test` runs those that are refused, which `pytest --collect-only -m whole_run` lists; `make faults` those that are
published too, the faults one by one, the nights after them, CloudTrail's delay and the settings.
"""
