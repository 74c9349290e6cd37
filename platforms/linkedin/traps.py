"""Where LinkedIn behaves otherwise than one expects (sheet, section 15), by its number.

Each has a test with the mark `trap("linkedin", number)`; docs/traps.md lists them.
"""

TRAPS = {
    1: "A version ends and calls answer 426 while looks without a version stay green",
    2: "A bare reserved character cuts the text; in a comment an escape is shown",
    3: "Images are sent with the token, videos without it",
    4: "Quoted or unordered ETags break the end of an upload",
    5: "What a member posts cannot be looked up: its name comes once, in a header",
    6: "Without a refresh token what is due after day 60 fails",
    7: "A renewal brings the same refresh token, with a shorter life",
    8: "A consent with other scopes ends the person's other tokens",
    9: "A lost role on a Page is 403 and no matter of the token",
    10: "A member has few calls a day, and asking for a state takes them",
    11: "All windows open at midnight UTC, for everybody",
    12: "The refusal of a duplicate may name a post that was deleted",
    13: "A link shows no picture and no title that was not sent with it",
    14: "A person has another id in each app",
    15: "Share, activity and ugcPost of one post have different numbers",
    16: "Fields and roles are spelt in two ways",
    17: "List(...) in an address must not be escaped",
    18: "A Page's post may fail after it was taken",
    19: "A role may be enough for text and too low for files",
    20: "One scope too many refuses the whole sign-in",
}
