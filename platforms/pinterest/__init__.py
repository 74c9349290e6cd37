"""Pinterest: its windows; publishing there comes later."""
