"""Drills and benchmarks: the real thing in a sandbox, with figures at the end."""
