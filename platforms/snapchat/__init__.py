"""Snapchat: its windows; publishing there comes later."""
