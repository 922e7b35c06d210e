"""SecRecon: a self-hosted security scanner whose reports can be trusted.

The rooms and their floors are described in docs/tour.md; imports only go down.
"""

__version__ = "0.1.0"
