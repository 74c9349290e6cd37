"""Outstand: its windows; publishing through it comes later."""
