"""Where X behaves otherwise than one expects (sheet, section 15), by its number there.

Each has a test with the mark `trap("x", number)`; docs/traps.md lists them.
"""

TRAPS = {
    1: "A refresh token works once; two renewals at a time end the access",
    2: "A dead refresh token is called invalid_request, not invalid_grant",
    3: "A renewal without the Basic header of the app is refused",
    4: "A callback that runs twice uses up its code of 30 seconds",
    5: "A long video outlives the token of two hours",
    6: "A token from before media.write was asked for cannot upload",
    7: "A link makes a post 13 times as dear",
    8: "Used up credits (402) concern the whole app, and no account",
    9: "The refusal of a duplicate does not name the post that is there",
    10: "Characters are weighed: emoji, CJK and links",
    11: "A file that was processed may be refused with the post",
    12: "A missing object is 200 with errors, not 404",
    13: "The text comes back rewritten: short links, media link, escapes",
    14: "A thread may end in the middle; it goes on there and never anew",
    15: "One text on several accounts is against the terms",
    16: "The window of a call may be open while that of the day is used up",
}
