"""What every request passes: limits, admins' second factor, the reader's zone and words."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts.fields import SecretUnreadable
from accounts.reading import zone_of
from accounts.roles import is_admin

logger = logging.getLogger(__name__)

Next = Callable[[HttpRequest], HttpResponse]

#: What an admin without a second factor may still reach: setting it up, and leaving.
OPEN_WITHOUT_FACTOR = {
    "mfa_activate_totp",
    "account_reauthenticate",
    "account_login",
    "account_logout",
    "healthz",
    "healthz_ready",
}


#: Bytes of a request's body: forms of strangers are small, people send files.
MAX_STRANGER_BODY = 1024 * 1024
#: What a form may hold besides the largest file.
MAX_BODY = 90 * 1024 * 1024


#: Places of 8 bytes: just over half of 256 kB, so that nearly half is left for others.
ROOM = 17_000


class RoomMiddleware:
    """Gives a request's calls room in one piece.

    Python keeps frames in pieces of 16 kB, and gives a piece back as soon as the call
    that needed it returns: where a loop's calls happen to begin a new one, each asks the
    system for memory and returns it, and the page takes twice as long. Where that
    happens depends on how deep a server calls us. See CPython's issue 142183.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    # As if it needed so much itself: the piece is as large as the next power of two.
    __call__.__code__ = __call__.__code__.replace(co_stacksize=ROOM)


class ContentSecurityPolicyMiddleware:
    """Only our own files run, so that text which slips through as markup does nothing.

    - script-src has no 'unsafe-inline': no page has a script of its own. It needs
      'unsafe-eval', because the Alpine that unfold ships makes functions of
      attributes; whoever can write attributes could do that without it as well.
    - style-src needs 'unsafe-inline' for unfold's and htmx's style attributes.
    - form-action covers where a form's answer redirects to, and connecting an account
      leads to any network or server.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response
        plain = {f"http://{host}" for host in settings.ALLOWED_PRIVATE_HOSTS}
        if settings.PRACTICE_NETWORK_URL:
            plain.add(settings.PRACTICE_NETWORK_URL)
        self.policy = "; ".join(
            [
                "default-src 'self'",
                "script-src 'self' 'unsafe-eval'",
                "style-src 'self' 'unsafe-inline'",
                "img-src 'self' data:",
                "connect-src 'self'",
                "object-src 'none'",
                "base-uri 'none'",
                "frame-ancestors 'none'",
                " ".join(["form-action 'self' https:", *sorted(plain)]),
            ]
        )

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", self.policy)
        return response


class BodyLimitMiddleware:
    """Refuses a body by its announced length, before anything stores it.

    Django writes uploads to disk as soon as the token of a form is looked at, which
    comes before any view asks who the sender is.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        announced = str(request.META.get("CONTENT_LENGTH") or "0")
        length = int(announced) if announced.isdecimal() else 0
        most = MAX_BODY + settings.MEDIA_MAX_MB * 1024 * 1024
        if length > MAX_STRANGER_BODY and (
            length > most or not request.user.is_authenticated
        ):
            return HttpResponse(
                _("This is too large to be taken in."),
                status=413,
                content_type="text/plain; charset=utf-8",
            )
        return self.get_response(request)


class UnreadableSecretMiddleware:
    """Says which setting is missing when a stored secret cannot be opened."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        if not isinstance(exception, SecretUnreadable):
            return None
        logger.error("%s", exception)
        words = str(exception) if is_admin(request.user) else ""
        return render(request, "socialhub/secrets.html", {"words": words}, status=500)


class MfaRequiredMiddleware:
    """Sends admins without an authenticator app to its set-up, where that is a must."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if not settings.MFA_REQUIRED_FOR_ADMINS or not request.user.is_authenticated:
            return None
        match = request.resolver_match
        if match is None or match.view_name in OPEN_WITHOUT_FACTOR:
            return None
        if not is_admin(request.user):
            return None
        if is_mfa_enabled(request.user, [Authenticator.Type.TOTP]):
            return None
        messages.warning(
            request,
            _(
                "Admins need a second factor here: set up an authenticator app to go on."
            ),
        )
        return redirect("mfa_activate_totp")


class ReaderMiddleware:
    """Times in the reader's own zone, words in their own language.

    Who has chosen none gets the installation's zone, and the language that their browser
    asks for (LocaleMiddleware, which stands before this one).
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        profile = getattr(request.user, "profile", None)
        if language := getattr(profile, "language", ""):
            # LocaleMiddleware names it in the answer and chooses anew for each request.
            translation.activate(language)
            request.LANGUAGE_CODE = translation.get_language()
        with timezone.override(zone_of(request.user)):
            return self.get_response(request)
