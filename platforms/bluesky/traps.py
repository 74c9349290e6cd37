"""Where Bluesky behaves otherwise than one expects (sheet, section 15), by the number of
the row there.

Each has a test with the mark `trap("bluesky", number)`; docs/traps.md lists them.
"""

TRAPS = {
    1: "An expired token is a 400, not a 401",
    2: "Places in a text are bytes of its UTF-8, not characters",
    3: "What somebody has deleted comes back when its put is repeated",
    4: "Another createdAt makes an edit of a repeated put",
    5: "To create under a key twice is a 500: records are put",
    6: "One permission to post does not allow putRecord: it is not asked for",
    7: "Only sessions may be renewed late, grants by OAuth not: sessions are held",
    8: "An account may move to another server, and is deactivated at the old one",
    9: "A link is dead text without a card or a facet",
    10: "A large image is refused with the record only; places in files stay in them",
    11: "A file that no record names is gone after some hours",
    12: "Videos want a confirmed address, another host and another token",
    13: "The public view may miss a fresh post: only the account's server tells",
    14: "The entryway answers for Bluesky's own accounts only",
    15: "Servers are named by people and accounts: none inside of a network is called",
}
