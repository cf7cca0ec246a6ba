"""Question records from source to split.

The record (`records`, `fields`) and how questions are compared (`normalise`), published layouts (`readers`), files and
hub (`sources`, `hub`), the embedded word problems (`generator`), disjoint splits (`splits`), the contamination check
(`audit`), and all of it for one study (`prepare`).
"""
