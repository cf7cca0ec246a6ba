"""The report: `page.render` for a study, `comparison.page.render` for several, `unfinished` for one that failed.

Each section of the page has a file in `sections`; `plots` draws the figures as SVG. The report computes no metric.
"""
