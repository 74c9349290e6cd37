"""Where Outstand behaves otherwise than one expects (sheet, section 15), in its order.

Each has a test with the mark `trap("outstand", number)`; docs/traps.md lists them.
"""

TRAPS = {
    1: "A post that was taken is not published",
    2: "A post that is called published may have failed at our account",
    3: "Ids of accounts that are not known are dropped without a word",
    4: "Answers hold tokens of the networks",
    5: "One key reaches the accounts of everybody",
    6: "At TikTok a draft is the default",
    7: "Nothing can be scheduled more than 30 days ahead",
    8: "402 comes in trials as well",
    9: "Sources contradict each other about headers and wrappers",
}
