"""Where Instagram behaves otherwise than one expects (sheet, section 15), by number there.

Each has a test with the mark `trap("instagram", number)`; docs/traps.md lists them.
"""

TRAPS = {
    1: "What is published before it is FINISHED is refused, images as well",
    2: "A video is VIDEO inside of a carousel only; alone it is a reel",
    3: "A lost publish is told by the container's status, not by the newest post",
    4: "A comment that is asked for fields is written, and answered with an error",
    5: "A file that is not fetched may be well the next time, one child alone too",
    6: "How many posts a day may be stands in quota_total, and in no page rightly",
    7: "Each sign-in has a host, and an id of the account, of its own",
    8: "In JSON some optional parameters are ignored; forms are read",
    9: "A security check or page authorization may be asked for at any time",
    10: "A thumb_offset of 0 counts, and cover_url wins over it",
    11: "An account that was unlocked goes on with the same token",
    12: "Events of mentions carry numbers only: none are asked for",
    13: "Likes, caption, author and address of a post may be absent",
    14: "A token of less than a day is not renewed; a renewed one is another",
}
