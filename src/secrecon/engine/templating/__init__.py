"""Running templates of the nuclei-compatible language: `templates.execution` says what to ask, this asks it.

Every request goes through the scan's `net.network.Network`, so scope, pace and budget hold for templates as for
everything else. What a template did on a target is an attempt; what could not be asked is never a clean answer.
"""
