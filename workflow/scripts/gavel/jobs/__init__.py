"""Running on machines: what every job does around its call, several processes, servers that a job starts, locks."""
