"""Where YouTube behaves otherwise than one expects (sheet, section 15), by its number.

Each has a test with the mark `trap("youtube", number)`; docs/traps.md lists them.
"""

TRAPS = {
    1: "Who may upload may not read the channel",
    2: "While the consent screen is in Testing, accesses live for a week",
    3: "Without a new consent there is no permission to renew",
    4: "Of too many sign-ins of a person the oldest dies without a word",
    5: "A full day of uploads reads like a minute's limit (429)",
    6: "A full channel is 400 and of one account, used up units are 403 and of all",
    7: "The day of the quotas ends at midnight in California",
    8: "Old documents name other prices and limits; settings may force private",
    9: "Without a word about privacy a video is public",
    10: "308 is no redirect",
    11: "A session may hold less than was sent",
    12: "One person may hold many channels",
    13: "Lists and looks by id miss a new video for a while",
    14: "An account without a channel is an empty list here and 401 there",
    15: "What an access told must be deleted after its end, and proven each month",
    16: "Google has hours in which good tokens are refused with 401",
    17: "Client ids that nobody uses are deleted",
    18: "Details of a file are told to its owner alone",
}
