"""Where Threads behaves otherwise than one expects (sheet, section 15), by number there.

Each has a test with the mark `trap("threads", number)`; docs/traps.md lists them.
"""

TRAPS = {
    1: "The sign-in wants the Threads App ID; with that of the Meta app it is a dead end",
    2: "A token renews itself, and becomes another; without that it ends on day 60",
    3: "A container may not be known yet where it is asked for, a text's as well",
    4: "The state of a container stands in status, not in status_code",
    5: "Emoji count as their bytes: 126 of them are too long",
    6: "In JSON optional parameters are ignored; forms are read",
    7: "A sign-in may not renew the permission of 90 days, a renewal does",
    8: "Numbers of accounts are larger than a float can hold",
}
