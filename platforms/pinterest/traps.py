"""Where Pinterest behaves otherwise than one expects (sheet, section 15), in its order.

Each has a test with the mark `trap("pinterest", number)`; docs/traps.md lists them.
"""

TRAPS = {
    1: "An app with Trial access connects, reads, and may not pin",
    2: "The sandbox has boards and Pins of its own",
    3: "A missing scope is 401: a renewal does not mend it",
    4: "Ids are numbers that floats cannot hold",
    5: "An account may have no board at all",
    6: "Public clients send dates and uploads that Pinterest does not take",
    7: "A description may have 800 characters, and people are told 500",
    8: "Times come without a zone and are UTC",
    9: "The storage wants the file last, and no token of ours",
    10: "A board may be deleted before its Pin is due",
    11: "Pins on secret boards are not listed",
    12: "A 429 may be a block against spam",
    13: "Headers about limits may be missing: calls are counted here",
}
