"""Where Snapchat behaves otherwise than one expects (sheet, section 15), in its order.

Each has a test with the mark `trap("snapchat", number)`; docs/traps.md lists them.
"""

TRAPS = {
    1: "An app of Login Kit looks like ours and does not work",
    2: "An app that is not on Snap's list and a lost role are refused alike",
    3: "A refusal may come with HTTP 200",
    4: "Parts are cut from the encrypted file, and 32 MB hold their wrapping too",
    5: "What is encrypted is longer by 1 to 16 bytes",
    6: "A story has no id and no link",
    7: "A file in processing is normal and no failure",
    8: "The redirect address of an app cannot be changed",
    9: "Sources contradict each other about the largest files",
    10: "A long upload may outlive its token of an hour",
}
