"""The report: `page.render` for a study, `comparison.page.render` for several, `unfinished` for a broken one.

One file a section of the page (`sections`), figures as SVG (`plots`). It computes no metric.
"""
