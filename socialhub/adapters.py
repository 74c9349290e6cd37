"""How allauth behaves here: people are invited by an admin, never signed up."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from cryptography.fernet import InvalidToken
from django.http import HttpRequest
from django.shortcuts import redirect

from accounts.fields import SecretUnreadable, box


class StaffAccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


class StaffSocialAccountAdapter(DefaultSocialAccountAdapter):
    """Company sign-in (OpenID Connect) for people who have been invited."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    def can_authenticate_by_email(self, login: Any, email: str) -> bool:
        """The company's server says who has this address; allauth asks only for
        addresses that it calls verified."""
        return True

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """There is nothing to connect: the mail address is the link."""
        if sociallogin.state.get("process") == "connect":
            raise ImmediateHttpResponse(redirect("socialaccount_connections"))


class StaffMfaAdapter(DefaultMFAAdapter):
    """Secrets of authenticator apps and recovery codes are encrypted like tokens."""

    def encrypt(self, text: str) -> str:
        return box().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        try:
            return box().decrypt(encrypted_text.encode()).decode()
        except InvalidToken as exc:
            raise SecretUnreadable(
                "Second factor: no key in CREDENTIAL_KEYS opens the stored secret. Put "
                "the key it was written with back into the list."
            ) from exc
