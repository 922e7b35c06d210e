"""Running templates without touching anything: what to ask, and what the answers mean.

An execution is a generator. It yields asks (`asks`), is sent the answer to each, and yields events (`events`) where
something was found. One ask is one request on the wire; redirects, cookies, histories and digest answers are worked out
here. Whoever drives it does the asking, with whatever gate, pace and budget it has. Follows section 6 of the language's
description.
"""
