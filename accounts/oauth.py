"""OAuth for connecting accounts, on django-allauth's machinery.

State and proof key come from allauth; what differs per platform comes from its spec and
our PlatformApp row. None of this is registered as a way to sign in: it never meets
allauth's SocialAccount or SocialToken, makes no user and signs nobody in. The code is
exchanged by our own platform client, so that its limits and guards hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from allauth.socialaccount.internal import statekit
from allauth.socialaccount.providers.oauth2.client import OAuth2Client
from allauth.socialaccount.providers.oauth2.provider import OAuth2Provider
from allauth.socialaccount.providers.oauth2.views import OAuth2Adapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from platforms.base import OAuthFacts, TokenSet

from .models import PlatformApp

PROCESS = "connect_account"


def redirect_uri(platform: str) -> str:
    """The address that has to be registered at the platform, exactly as it stands."""
    path = reverse("connect_callback", args=[platform])
    return str(settings.SITE_URL).rstrip("/") + path


def state_owner(platform: str) -> str:
    """Under this name allauth keeps our states: no callback of another platform, and
    none of allauth's own, can take them."""
    return f"connect-{platform}"


@dataclass(frozen=True)
class AllauthApp:
    """What allauth wants to know of an app, read from a PlatformApp (never stored)."""

    platform_app: PlatformApp
    provider_id: str
    client_id: str
    secret: str = field(repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)


class PlatformOAuthClient(OAuth2Client):
    """Builds the authorize address; scopes keep their order (allauth's set loses it)."""

    def get_redirect_url(
        self, authorization_url: str, scope: Sequence[str], extra_params: Any
    ) -> str:
        params = {
            "response_type": "code",
            self.client_id_parameter: self.consumer_key,
            "redirect_uri": self.callback_url,
            "scope": self.scope_delimiter.join(dict.fromkeys(scope)),
            "state": self.state or "",
            **extra_params,
        }
        # Some platforms want %20 between scopes and take "+" for a plus sign.
        return f"{authorization_url}?{urlencode(params, quote_via=quote)}"


class PlatformAdapter(OAuth2Adapter):
    """Where one platform's OAuth lives, from its spec."""

    client_class = PlatformOAuthClient
    access_token_url = ""  # the exchange is our platform client's

    def __init__(self, request: HttpRequest, app: PlatformApp) -> None:
        super().__init__(request)
        assert app.spec.oauth is not None
        self.platform_app = app
        self.facts = app.spec.oauth
        self.scope_delimiter = self.facts.scope_delimiter

    @property
    def authorize_url(self) -> str:
        return self.platform_app.client().authorize_url()

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        return redirect_uri(self.platform_app.platform)

    def get_client(self, request: HttpRequest, app: Any) -> PlatformOAuthClient:
        client: PlatformOAuthClient = super().get_client(request, app)
        client.client_id_parameter = self.facts.client_id_parameter
        return client


class PlatformProvider(OAuth2Provider):
    """Not in allauth's registry: it appears on no sign-in page."""

    id = "socialhub_platform"
    name = "Platform"
    oauth2_adapter_class = PlatformAdapter

    def get_oauth2_adapter(self, request: HttpRequest) -> PlatformAdapter:
        return PlatformAdapter(request, self.app.platform_app)

    def get_pkce_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_pkce_params()
        if params and self.app.platform_app.spec.oauth.hex_challenge:
            digest = hashlib.sha256(params["code_verifier"].encode())
            params["code_challenge"] = digest.hexdigest()
        return params


def wants_pkce(facts: OAuthFacts, address: str) -> bool:
    """address: where the platform sends the person back to."""
    if facts.pkce or not facts.pkce_on_loopback:
        return facts.pkce
    return urlsplit(address).hostname in {"localhost", "127.0.0.1"}


def start(
    request: HttpRequest,
    app: PlatformApp,
    scopes: Sequence[str],
    data: Mapping[str, Any],
    *,
    other_login: bool = False,
    again: bool = False,
) -> HttpResponse:
    """Send the person to the platform. `data` comes back with the callback's state.

    again: the account is here already.
    other_login: ask the platform to let the person choose another login than the one
    that this browser holds.
    """
    facts = app.spec.oauth
    assert facts is not None
    params = dict(facts.extra_params)
    if again:
        params |= facts.again_params
    if other_login:
        params |= facts.force_login_params
    pkce = wants_pkce(facts, redirect_uri(app.platform))
    pkce = pkce and app.facts.get("supports_pkce", True)
    allauth_app = AllauthApp(
        app,
        state_owner(app.platform),
        app.client_id,
        app.client_secret,
        {
            "oauth_pkce_enabled": bool(pkce),
            "scope": list(scopes),
            "auth_params": params,
        },
    )
    provider = PlatformProvider(request, app=allauth_app)
    response: HttpResponse = provider.redirect(
        request,
        process=PROCESS,
        data={
            **data,
            "app": app.pk,
            "asked": list(scopes),
            "redirect_uri": redirect_uri(app.platform),
            "user": request.user.pk,
        },
    )
    return response


@dataclass(frozen=True)
class Returned:
    """A callback whose state was ours: what we wanted, and the key of the proof."""

    data: Mapping[str, Any]
    verifier: str | None = field(repr=False, default=None)


def take_state(request: HttpRequest, platform: str) -> Returned | None:
    """Use up the state of a callback. None: unknown, used, too old, another's session.

    States last ten minutes and live in the session that began.
    """
    state_id = request.GET.get("state", "")
    if not state_id:
        return None
    state = statekit.unstash_state(
        request, provider_id=state_owner(platform), state_id=state_id
    )
    if state is None or state.get("process") != PROCESS:
        return None
    data = state.get("data") or {}
    if data.get("user") != request.user.pk:
        return None
    return Returned(data, state.get("pkce_code_verifier"))


def exchange(app: PlatformApp, code: str, returned: Returned) -> TokenSet:
    """Trade the code for tokens through the platform's client. Raises PlatformError."""
    return app.client().exchange_code(
        code, str(returned.data["redirect_uri"]), returned.verifier
    )
