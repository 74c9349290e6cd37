"""Where TikTok behaves otherwise than one expects (sheet, section 15), by its number.

Each has a test with the mark `trap("tiktok", number)`; docs/traps.md lists them.
"""

TRAPS = {
    1: "Two lives of tokens are documented: only the answer tells which holds",
    2: "A renewal uses its token up: an answer that is lost may lose the account",
    3: "Errors of the sign-in come with HTTP 200",
    4: "Caps come with HTTP 200 when the creator is asked for",
    5: "invalid_param is spelt in two ways",
    6: "An app that is not audited posts to private accounts alone",
    7: "The audit passes no app for its makers' own accounts",
    8: "The proof key of the sign-in is hexadecimal",
    9: "A post that is not public is published without a number or link",
    10: "Processing may take half an hour, or never end",
    11: "A single part over 64 MB is refused; the number of parts is rounded down",
    12: "Photos are fetched from verified addresses alone, and never PNG",
    13: "A person has another id in each app",
    14: "A draft in the inbox is no publication",
    15: "The cap of a creator counts what other tools posted as well",
    16: "That access was removed is told when its tokens are dead already",
    17: "Calls that other clients name do not exist",
}
