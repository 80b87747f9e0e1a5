"""A simulated AWS organisation on 127.0.0.1, and every way in which it can lie.

`python -m simulator` is one process: moto's own HTTP application behind one layer. Any AWS client reaches it
through plain profiles in an AWS config file that the process writes. It imports nothing of the product, so it
is an independent witness of what the product claims; only `simulator.client` (standard library) may be
imported by others.
"""
