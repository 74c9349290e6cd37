"""Where Ayrshare behaves otherwise than one expects (sheet, section 15), by the number of
the row there.

Each has a test with the mark `trap("ayrshare", number)`; docs/traps.md lists them.
"""

TRAPS = {
    1: "With a Profile-Key an answer stands in a list",
    2: "A 400 may carry a success: sent again, it doubles",
    3: "A key is used up at first sight, by a failure too",
    4: "Nearly the same text is a duplicate, of whoever sent it",
    5: "A list of networks that is absent is no failure: there are none",
    6: "An empty history is a 400",
    7: "A video at YouTube is private unless it is said",
    8: "Files are fetched later, and again: their addresses must live so long",
    9: "Asking too often suspends the customer's profile",
    10: "Trouble at Ayrshare is one of its own, and stops all networks behind it",
    11: "A Profile-Key stands in no log and no answer",
}
