"""Snapchat: its windows and its side of the practice network."""
