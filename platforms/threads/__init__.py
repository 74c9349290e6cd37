"""Threads: its windows; publishing there comes later."""
