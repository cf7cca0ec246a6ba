"""Where a judge's model runs, and what surrounds it.

- `base`: the interface: `Backend`, `Writer`, `InProcessBackend`
- `local`: the model in this process
- `server`: the model behind an OpenAI-compatible server
- `replies`: parse the server's replies, strictly
- `reasoning`: reasoning before the verdict, around any back end
- `cache`: answers kept in an SQLite file
"""
