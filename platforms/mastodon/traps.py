"""Where Mastodon behaves otherwise than one expects (sheet, section 15), by the number of
the row there.

Each has a test with the mark `trap("mastodon", number)`; docs/traps.md lists them.
"""

TRAPS = {
    1: "A used key answers with the old post, whatever the new text is",
    2: "The key is kept for an hour: later a repeat doubles",
    3: "The limit's reset is an ISO time, not a number of seconds",
    4: "A file is 404 once a post has it, which is no lost upload",
    5: "Older servers leave files out that they do not have, without a word",
    6: "A time in the past publishes at once: none is ever sent",
    7: "Reading one's own file wants a permission to write",
    8: "206, still in work, is a success to any HTTP library",
    9: "Content is HTML, and differs from what was written",
    10: "Proxies answer with pages; some want the length of an upload told",
    11: "All accounts of a server share our registration, and end with it",
    12: "An account that moved still reads and posts no more",
    13: "The server's address is typed by people: none inside of a network is called",
    14: "Servers have rules for automated posts, and profiles a mark for them",
    15: "An answer to a deleted post is refused, and no repeat helps",
}
