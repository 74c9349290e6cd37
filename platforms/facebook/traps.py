"""Where Facebook behaves otherwise than one expects (sheet, section 15), by number there.

Each has a test with the mark `trap("facebook", number)`; docs/traps.md lists them.
"""

TRAPS = {
    1: "After an answer 500 or none the post may be out",
    2: "Page tokens without an end die with the password of the person behind them",
    3: "The list of Pages lacks those of a business portfolio",
    4: "Posting too fast (368/1390008) passes soon, other blocks do not; no token dies",
    5: "A comment that is asked for fields is written, and answered with an error",
    6: "A video's id is no post's id, with the Page's before it neither",
    7: "The end of a reel's upload is a success before its faults are found",
    8: "Subscribing to events replaces the list; fields of Instagram are refused",
    9: "Errors of limits are of type OAuthException too",
    10: "Words of errors are translated and change; numbers in them are ids",
    11: "What is signed is the second part as it stands, without padding",
    12: "since means the time of the post, not of its comments",
    13: "Links to Facebook and dead links are refused when it is posted",
    14: "Usage is filed under other ids than the Page's",
    15: "Deleting may be refused for one's own posts",
}
