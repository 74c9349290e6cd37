"""Refusals of the Graph API in its own words, for the practice network.

The status of many of them is not documented, so the twin takes it from its switches;
what counts on the real platform is `code` and `error_subcode`.
Source: https://developers.facebook.com/docs/graph-api/guides/error-handling (v26.0).
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta, timezone

from ..practice.framework import Doc

#: The texts of expiry speak of Pacific time, as Meta's do.
PACIFIC = timezone(timedelta(hours=-7), "PDT")
DEAD_SESSION = (
    "The session has been invalidated because the user changed their password or "
    "Facebook has changed the session for security reasons."
)
THROTTLES = (4, 17, 32, 341, 613)


class GraphError(Exception):
    """One refusal. status None: by its code (see `status_of`)."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        subcode: int | None = None,
        status: int | None = None,
        type: str = "OAuthException",
        transient: bool | None = None,
        title: str = "",
        text: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.subcode = subcode
        self.status = status
        self.message = message
        self.type = type
        self.transient = transient
        self.title = title
        self.text = text

    @property
    def throttles(self) -> bool:
        return self.code in THROTTLES or 80_000 <= self.code <= 80_014

    @property
    def is_permission(self) -> bool:
        return self.code in (3, 10) or 200 <= self.code <= 299

    def body(self) -> Doc:
        error: Doc = {"message": self.message, "type": self.type}
        if self.transient is not None:
            error["is_transient"] = self.transient
        error["code"] = self.code
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.title:
            error |= {"error_user_title": self.title, "error_user_msg": self.text}
        error["fbtrace_id"] = "A" + secrets.token_urlsafe(15)
        return {"error": error}


# ---------------------------------------------------------------- tokens


def pacific(at: float) -> str:
    return datetime.fromtimestamp(at, PACIFIC).strftime("%A, %d-%b-%y %H:%M:%S PDT")


def dead_message(subcode: int, app: str, expires_at: float, now: float) -> str:
    reasons = {
        458: f"The user has not authorized application {app}.",
        459: "The session is invalid because the user has been checkpointed. Log in at "
        "www.facebook.com to correct the problem.",
        460: DEAD_SESSION,
        463: f"Session has expired on {pacific(expires_at)}. The current time is "
        f"{pacific(now)}.",
        464: "Sessions for the user are not allowed because the user is not a "
        "confirmed user.",
        467: "The session is invalid because the user logged out.",
        492: "The user must be an administrator, editor, or moderator of the page in "
        "order to impersonate it. If the page business requires Two Factor "
        "Authentication, the user also needs to enable Two Factor Authentication.",
    }
    return f"Error validating access token: {reasons[subcode]}"


def dead_token(message: str, subcode: int) -> GraphError:
    return GraphError(190, message, subcode=subcode)


def cannot_parse() -> GraphError:
    return GraphError(190, "Invalid OAuth access token - Cannot parse access token")


def no_token(code: int) -> GraphError:
    if code == 2500:
        return GraphError(
            2500,
            "An active access token must be used to query information about the "
            "current user.",
        )
    text = "An access token is required to request this resource."
    return GraphError(104, text, status=401)


def blocked() -> GraphError:
    return GraphError(200, "API access blocked.")


def proof_missing() -> GraphError:
    return GraphError(
        100,
        "API calls from the server require an appsecret_proof argument",
        type="GraphMethodException",
    )


def proof_wrong() -> GraphError:
    return GraphError(
        100,
        "Invalid appsecret_proof provided in the API argument",
        type="GraphMethodException",
    )


# ---------------------------------------------------------------- paths and objects


def version_ended(version: str) -> GraphError:
    return GraphError(
        2635,
        f"(#2635) You are calling a deprecated version of the API ({version}). Please "
        "update to the latest version.",
    )


def unknown_path(path: str) -> GraphError:
    return GraphError(2500, f"Unknown path components: {path}")


def missing_object(id: str, method: str = "get") -> GraphError:
    return GraphError(
        100,
        f"Unsupported {method} request. Object with ID '{id}' does not exist, cannot be "
        "loaded due to missing permissions, or does not support this operation",
        subcode=33,
        type="GraphMethodException",
    )


def no_field(name: str, node: str) -> GraphError:
    return GraphError(
        100, f"(#100) Tried accessing nonexisting field ({name}) on node type ({node})"
    )


def wrong(text: str, subcode: int | None = None) -> GraphError:
    return GraphError(100, f"(#100) {text}", subcode=subcode)


def needed(name: str) -> GraphError:
    return wrong(f"The parameter {name} is required")


# ---------------------------------------------------------------- permissions


def may_not_post() -> GraphError:
    return GraphError(
        200,
        "(#200) If posting to a page, requires both pages_read_engagement and "
        "pages_manage_posts as an admin with sufficient administrative permission",
    )


def lacks(scope: str, code: int) -> GraphError:
    if code == 100:
        return GraphError(
            100,
            "(#100) Object does not exist, cannot be loaded due to missing permission "
            "or reviewable feature, or does not support this operation. This endpoint "
            f"requires the '{scope}' permission",
        )
    if code == 200:
        return GraphError(200, f"(#200) Requires {scope} permission")
    if scope.startswith("instagram_"):
        return GraphError(
            10, "(#10) Application does not have permission for this action"
        )
    return GraphError(10, f"(#10) This endpoint requires the '{scope}' permission")


def page_restricted() -> GraphError:
    return GraphError(
        200,
        "(#200) The Page needs Page Publishing Authorization before it can post",
        subcode=1404078,
        title="Page Publishing Authorization Needed",
        text="To keep posting as this Page, an admin has to complete Page Publishing "
        "Authorization.",
    )


# ---------------------------------------------------------------- limits


def throttled(code: int, subcode: int | None = None) -> GraphError:
    more = (
        "Wait a bit and try again. For more info, please refer to "
        "https://developers.facebook.com/docs/graph-api/overview/rate-limiting."
    )
    texts = {
        4: "Application request limit reached",
        17: "User request limit reached",
        32: "Page request limit reached",
        341: "Application limit reached",
        613: "Calls to this api have exceeded the rate limit.",
        80001: f"There have been too many calls to this Page account. {more}",
        80002: f"There have been too many calls to this Instagram account. {more}",
    }
    return GraphError(
        code,
        f"(#{code}) {texts[code]}",
        subcode=subcode,
        transient=True if code == 4 else None,
    )


def spam(subcode: int | None = None) -> GraphError:
    return GraphError(
        368,
        "We limit how often you can post, comment or do other things in a given amount "
        "of time in order to help protect the community from spam. You can try again "
        "later."
        if subcode == 1390008
        else "The action attempted has been deemed abusive or is otherwise disallowed",
        subcode=subcode,
    )


def trouble(code: int = 2) -> GraphError:
    texts = {
        1: "An unknown error has occurred.",
        2: "An unexpected error has occurred. Please retry your request later.",
    }
    return GraphError(code, texts[code], status=500, transient=True)


# ---------------------------------------------------------------- content


def duplicate() -> GraphError:
    return GraphError(506, "(#506) Duplicate status message")


def format_unsupported() -> GraphError:
    """Raised after the object was created: a comment whose POST names `fields`."""
    return GraphError(
        20, "(#20) The requested response format is not supported", subcode=1772107
    )


def bad_photo(text: str, subcode: int | None = None) -> GraphError:
    return GraphError(
        324,
        f"(#324) {text}",
        subcode=subcode,
        title="Can't Read Files" if subcode else "",
        text="Your photos couldn't be uploaded. Photos should be less than 4 MB and "
        "saved as JPG, PNG, GIF, TIFF, HEIF or WebP files."
        if subcode
        else "",
    )


def abusive() -> GraphError:
    return GraphError(
        368,
        "The action attempted has been deemed abusive or is otherwise disallowed",
        subcode=1346003,
    )


def instagram(
    code: int, subcode: int, message: str, title: str = "", text: str = ""
) -> GraphError:
    return GraphError(
        code,
        message,
        subcode=subcode,
        transient=code in (-1, -2),
        title=title,
        text=text or (message if title else ""),
    )
