"""Every derived figure once more, by other means: plain Python, over what the simulated organisation says of itself.

Nothing here reads the product, its SQL or a database. A module takes the simulator's truth and ledger, records that
boto3 lists over HTTP, and the reference files, and says what a published table has to show.
"""
