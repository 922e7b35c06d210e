"""How the crawl walks a site: which page comes next (`frontier`), and what is learned from those that came (`walk`).

Knows no network: the phase asks. Nothing here outlives a round; what was visited is what the facts say.
"""
