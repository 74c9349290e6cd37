"""Ayrshare: its windows; publishing through it comes later."""
