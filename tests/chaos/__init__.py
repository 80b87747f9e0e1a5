"""The product in a world that breaks: AWS lies, processes are killed, disks are full, clocks are wrong.

`pytest -m chaos -k "disk and publish"` runs a part of it, `make faults` all. What is published in a broken run is
compared row for row with two truthful runs of the same simulated organisation (`chaos.history`).
"""
