"""Parts of a step that other machines collect: they get a briefing, and return one manifest with what they landed.

The machine with the warehouse is the coordinator. It keeps the working file, the gates, the models and publishing, and
the three central roles. A worker opens no warehouse.
"""
