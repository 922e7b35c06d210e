"""The template language (nuclei-compatible). Built so far: expressions, filling in of text, matchers and extractors.

This room is pure: text and bytes in, values and verdicts out. It opens no socket and knows no clock of its own. What a
template, a target or a callback says is hostile: every reader is bounded in size, depth and work.
"""
