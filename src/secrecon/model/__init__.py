"""Floor 0: the nouns every other room speaks in, and the error tree.

Frozen dataclasses only: no I/O, no clock, no randomness, no database. Text that came from a target, a callback
or a feed is carried here as data and is escaped where it is shown. Import from the modules, not from here.
"""
