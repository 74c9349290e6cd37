"""The pages on which an account is connected or reconnected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from allauth.core.internal import ratelimit
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache

from platforms import registry
from platforms.base import PlatformSpec, Scope, SignIn
from platforms.errors import Cause, Outcome, PlatformError
from platforms.http import redact

from . import oauth, practice, servers, troubles
from .causes import explain
from .connect import (
    AlreadyConnected,
    ConnectRefused,
    FewerRights,
    Grant,
    OfferState,
    app_for,
    connect,
    network_of,
    offers,
    park,
    parked,
    receive,
    reconnect,
)
from .forms import FORMS, AppPasswordForm, ConnectForm, InstanceForm, is_trusted_private
from .models import Brand, ConnectedAccount, Network, PendingConnection, PlatformApp
from .roles import is_admin

View = Callable[..., HttpResponse]

#: Tries with a wrong app password, by handle and by person.
PASSWORD_TRIES = {"app_password": "5/10m/key,15/10m/user"}
#: Causes that belong to one field of a form rather than to a page.
FIELD_OF_CAUSE = {
    Cause.WRONG_PASSWORD: "app_password",
    Cause.SECOND_FACTOR_WANTED: "app_password",
    Cause.NOT_THERE: "identifier",
    Cause.ACCOUNT_GONE: "identifier",
}
ADDRESS_CAUSES = {
    Cause.ADDRESS_REFUSED,
    Cause.NOT_THIS_PLATFORM,
    Cause.UNREACHABLE,
}


def admin_required(view: View) -> View:
    """Signed in and an admin; 403 for others."""

    @wraps(view)
    @login_required
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not is_admin(request.user):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return checked


def spec_or_404(platform: str) -> PlatformSpec:
    if platform not in registry.PLATFORMS:
        raise Http404
    return registry.spec(platform)


# ---------------------------------------------------------------- where to begin


@admin_required
def account_connect(request: HttpRequest) -> HttpResponse:
    """Choose a platform, on the real network or in the practice network."""
    answers = practice.ensure_practice_apps() if practice.is_configured() else False
    brand = request.GET.get("brand", "")
    networks = [(Network.LIVE, registry.all_specs())]
    if practice.is_configured():
        networks.append((Network.PRACTICE, registry.all_specs()))
    columns = [
        {
            "network": network,
            "label": network.label,
            "choices": [
                {
                    "spec": spec,
                    "url": start_url(spec, network, brand),
                    "words": _how(spec),
                    "ready": _is_ready(spec, network),
                }
                for spec in specs
            ],
        }
        for network, specs in networks
    ]
    context = {
        "columns": columns,
        "practice_answers": answers,
        "practice_url": settings.PRACTICE_NETWORK_URL,
        "has_brand": Brand.objects.visible_to(request.user).exists(),
    }
    return render(request, "accounts/connect.html", context)


def _how(spec: PlatformSpec) -> str:
    return {
        SignIn.OAUTH: _("Sign in at the platform and allow SocialHub."),
        SignIn.OAUTH_INSTANCE: _("Any server: enter its address, then sign in there."),
        SignIn.APP_PASSWORD: _("With the handle and an app password."),
    }[spec.sign_in]


def _is_ready(spec: PlatformSpec, network: Network) -> bool:
    """Whether an app of ours is there to sign in with, where one is needed."""
    if spec.sign_in is not SignIn.OAUTH:
        return True
    app = app_for(spec.slug, network)
    return bool(app and app.client_id)


def start_url(
    spec: PlatformSpec,
    network: str,
    brand: Any = "",
    account: ConnectedAccount | None = None,
) -> str:
    if account is not None:
        return reverse("account_reconnect", args=[account.pk])
    query = {"network": network} | ({"brand": brand} if brand else {})
    return f"{reverse('connect_start', args=[spec.slug])}?{urlencode(query)}"


# ---------------------------------------------------------------- the form


@dataclass(frozen=True)
class Plan:
    """What is to be connected: a new account for a brand, or this one again."""

    spec: PlatformSpec
    network: Network
    brand: Brand | None = None
    account: ConnectedAccount | None = None

    @property
    def url(self) -> str:
        brand = self.brand.pk if self.brand else ""
        return start_url(self.spec, self.network, brand, self.account)

    @property
    def apps_url(self) -> str:
        return reverse("platform_apps")


@admin_required
@never_cache
def connect_start(request: HttpRequest, platform: str) -> HttpResponse:
    """What will be asked for, and the form that the platform's way of signing in needs."""
    spec = spec_or_404(platform)
    network = network_of(request.GET.get("network", ""))
    if network == Network.PRACTICE and not practice.is_configured():
        raise Http404
    return _ask(request, Plan(spec, network))


@login_required
@never_cache
def account_reconnect(request: HttpRequest, pk: int) -> HttpResponse:
    """The same for an account that is there already: in place, with its queue."""
    account = get_object_or_404(
        ConnectedAccount.objects.visible_to(request.user).with_health(), pk=pk
    )
    if not is_admin(request.user):
        raise PermissionDenied
    plan = Plan(account.spec, Network(account.network), account=account)
    return _ask(request, plan)


def _ask(request: HttpRequest, plan: Plan) -> HttpResponse:
    spec, account = plan.spec, plan.account
    if plan.network == Network.PRACTICE and request.method == "GET":
        practice.ensure_practice_apps()
    app = _known_app(plan)
    form_class = FORMS[spec.sign_in]
    form = form_class(
        request.POST if request.method == "POST" else None,
        initial={
            "brand": request.GET.get("brand", ""),
            # Somebody with a second account means another login than the first.
            "other_login": account is None and _has_some(plan),
        },
        user=request.user,
        spec=spec,
        network=plan.network,
        account=account,
    )
    ready = spec.sign_in is not SignIn.OAUTH or bool(app and app.client_id)
    if request.method == "POST" and ready and form.is_valid():
        answer = _begin(
            request, Plan(spec, plan.network, form.chosen_brand, account), form
        )
        if answer is not None:
            return answer
    status = 422 if form.errors else 200
    context = {
        "spec": spec,
        "account": account,
        "form": form,
        "ready": ready,
        "app": app,
        "network": plan.network,
        "scopes": _scopes(spec, app),
        "redirect_uri": oauth.redirect_uri(spec.slug) if spec.oauth else "",
        "people": practice.people(spec.slug)
        if plan.network == Network.PRACTICE
        else [],
        "can_force_login": bool(spec.oauth and spec.oauth.force_login_params),
        "elsewhere": _other_address(request),
        "has_brand": account is not None
        or Brand.objects.visible_to(request.user).exists(),
    }
    return render(request, "accounts/connect_start.html", context, status=status)


def _has_some(plan: Plan) -> bool:
    return (
        ConnectedAccount.objects.connected()
        .filter(platform=plan.spec.slug, network=plan.network)
        .exists()
    )


def _known_app(plan: Plan) -> PlatformApp | None:
    if plan.account is not None and plan.account.credential is not None:
        return plan.account.credential.app
    return app_for(plan.spec.slug, plan.network)


def _scopes(spec: PlatformSpec, app: PlatformApp | None) -> list[Scope]:
    if spec.sign_in is SignIn.OAUTH_INSTANCE and not (app and app.facts):
        names = spec.oauth.scopes if spec.oauth else ()  # of servers as they are today
    else:
        names = registry.platform(spec.slug).scopes_to_ask(
            app.granted_scopes if app else (), app.facts if app else None
        )
    known = {scope.name: scope for scope in spec.scopes}
    return [known.get(name) or Scope(name, name) for name in names]


def _other_address(request: HttpRequest) -> str:
    """Our registered address, when this page was opened under another one: the way
    back from the platform would then lead into another session."""
    same = urlsplit(settings.SITE_URL).netloc == request.get_host()
    return "" if same else str(settings.SITE_URL)


# ---------------------------------------------------------------- the beginning


def _begin(request: HttpRequest, plan: Plan, form: ConnectForm) -> HttpResponse | None:
    """Go on from a valid form; None when the form has got an error instead."""
    if isinstance(form, AppPasswordForm):
        return _sign_in(request, plan, form)
    try:
        app = _app_to_use(plan, form)
    except PlatformError as error:
        if error.cause in ADDRESS_CAUSES and "address" in form.fields:
            _field_error(form, "address", error)
            return None
        trouble = troubles.from_error(error, plan.url, plan.apps_url)
        return troubles.show(request, trouble)
    scopes = registry.platform(plan.spec.slug).scopes_to_ask(
        app.granted_scopes, app.facts
    )
    return oauth.start(
        request,
        app,
        scopes,
        {
            "brand": plan.brand.pk if plan.brand else None,
            "account": plan.account.pk if plan.account else None,
        },
        other_login=bool(form.cleaned_data.get("other_login")),
    )


def _app_to_use(plan: Plan, form: ConnectForm) -> PlatformApp:
    known = _known_app(plan)
    if isinstance(form, InstanceForm):
        address = form.cleaned_data.get("address") or (
            known.instance_url if known else ""
        )
        return servers.ensure_app(plan.spec.slug, plan.network, address)
    assert known is not None  # the form is shown only with an app
    return known


def _field_error(form: ConnectForm, name: str, error: PlatformError) -> None:
    words = explain(error.cause)
    sentence, cure = words.sentence, words.cure
    if error.cause == Cause.UNREACHABLE:
        cure = _("Check the address for a typing mistake, or try again later.")
    elif name == "identifier":
        sentence = _("The platform does not know this handle.")
        cure = _("Check it for a typing mistake.")
    elif error.outcome == Outcome.AUTH_REVOKED:
        # There is no token yet: whatever the platform calls it, it is the password.
        wrong = explain(Cause.WRONG_PASSWORD)
        sentence, cure = wrong.sentence, wrong.cure
    form.add_error(name, f"{sentence} {cure}")


def _sign_in(
    request: HttpRequest, plan: Plan, form: AppPasswordForm
) -> HttpResponse | None:
    """Handle and app password: one call, no way over another page."""
    identifier = form.cleaned_data["identifier"]
    usage = ratelimit.consume(
        request,
        app="accounts",
        action="app_password",
        config=PASSWORD_TRIES,
        key=f"{plan.network} {identifier.lower()}",
    )
    if not usage:
        form.add_error(None, _("Too many tries. Wait ten minutes, then try once more."))
        return None
    app = _password_app(plan, form.cleaned_data.get("server", ""))
    server = form.cleaned_data.get("server") or app.instance_url
    try:
        tokens, identity = app.client().sign_in(
            identifier, form.cleaned_data["app_password"], server
        )
        asked = registry.platform(plan.spec.slug).scopes_to_ask(app.granted_scopes)
        grant = receive(app, tokens, asked, [identity])
    except PlatformError as error:
        name = FIELD_OF_CAUSE.get(error.cause, "")
        if error.outcome == Outcome.AUTH_REVOKED:
            name = "app_password"
        if error.cause in ADDRESS_CAUSES:
            name = "server" if form.cleaned_data.get("server") else ""
        if name:
            _field_error(form, name, error)
            return None
        trouble = troubles.from_error(error, plan.url, plan.apps_url)
        return troubles.show(request, trouble)
    except ConnectRefused as refusal:
        trouble = troubles.from_refusal(refusal, plan.spec, plan.url)
        return troubles.show(request, trouble)
    usage.rollback()
    return finish(request, grant, plan)


def _password_app(plan: Plan, server: str) -> PlatformApp:
    """The row that calls go through: the account's own when it is reconnected.

    A private server that the operator trusts gets a row of its own, unless the one row
    was pointed at servers of the operator as a whole.
    """
    if plan.account is not None and plan.account.credential is not None:
        return plan.account.credential.app
    where: dict[str, Any] = {"platform": plan.spec.slug, "network": plan.network}
    app, _made = PlatformApp.objects.get_or_create(**where, instance_url="")
    if is_trusted_private(server) and not app.hosts:
        app, _made = PlatformApp.objects.get_or_create(**where, instance_url=server)
    return app


# ---------------------------------------------------------------- the way back


@never_cache
def connect_callback(request: HttpRequest, platform: str) -> HttpResponse:
    """Where the platform sends the person back. Signs nobody in, whatever it brings."""
    spec = spec_or_404(platform)
    if not request.user.is_authenticated:
        messages.info(
            request, _("Sign in here first, then start the connection once more.")
        )
        return redirect_to_login(reverse("account_connect"))
    if not is_admin(request.user):
        raise PermissionDenied
    returned = oauth.take_state(request, platform)
    if returned is None:
        trouble = troubles.state_lost(reverse("account_connect"))
        return troubles.show(request, trouble)
    app = get_object_or_404(PlatformApp, pk=returned.data["app"], platform=platform)
    plan = Plan(
        spec,
        Network(app.network),
        _visible(Brand.objects.visible_to(request.user), returned.data["brand"]),
        _visible(
            ConnectedAccount.objects.visible_to(request.user).with_health(),
            returned.data["account"],
        ),
    )
    if "error" in request.GET or not request.GET.get("code"):
        return troubles.show(request, _sent_back(request, plan))
    try:
        tokens = oauth.exchange(app, request.GET["code"], returned)
        grant = receive(app, tokens, returned.data["asked"])
    except PlatformError as error:
        if error.cause == Cause.APP_GONE and app.instance_url:
            servers.forget_app(app)
        trouble = troubles.from_error(error, plan.url, plan.apps_url)
        return troubles.show(request, trouble)
    except ConnectRefused as refusal:
        trouble = troubles.from_refusal(refusal, spec, plan.url)
        return troubles.show(request, trouble)
    return finish(request, grant, plan)


def _visible(rows: Any, pk: Any) -> Any:
    """The row that the sign-in was begun for; 404 when it is out of reach by now."""
    return get_object_or_404(rows, pk=pk) if pk is not None else None


def _sent_back(request: HttpRequest, plan: Plan) -> troubles.Trouble:
    facts_of = plan.spec.oauth
    assert facts_of is not None
    error = request.GET.get("error", "")
    facts = [
        (name, redact(value)[:500])
        for name, value in (
            (_("Code"), error),
            (_("The platform's words"), request.GET.get("error_description", "")),
        )
        if value
    ]
    if error in facts_of.cancel_errors:
        return troubles.cancelled(plan.spec, plan.url)
    if error in facts_of.scope_errors:
        return troubles.scopes_unknown(plan.spec, plan.url, plan.apps_url, facts)
    return troubles.refused_by_platform(plan.spec, plan.url, facts)


# ---------------------------------------------------------------- the end


def finish(request: HttpRequest, grant: Grant, plan: Plan) -> HttpResponse:
    """Store what needs no further question; park the grant where a person must choose."""
    try:
        if plan.account is not None:
            return _reconnected(request, grant, plan.account)
        found = offers(grant, request.user)
        lost = grant.lost(grant.credential())
        if len(found) > 1 or ((grant.missing or lost) and found[0].can_choose):
            return _park(request, grant, plan)
        only = found[0]
        if only.state in {OfferState.CONNECTED, OfferState.ELSEWHERE}:
            raise AlreadyConnected(only.identity.name, only.account)
        if not only.can_choose or plan.brand is None:
            return _park(request, grant, plan)
        accounts = connect(grant, [(only.identity, plan.brand)], request.user)
        return _connected(request, accounts)
    except FewerRights:
        return _park(request, grant, plan)
    except ConnectRefused as refusal:
        trouble = troubles.from_refusal(refusal, plan.spec, plan.url)
        return troubles.show(request, trouble)


def _park(request: HttpRequest, grant: Grant, plan: Plan) -> HttpResponse:
    row = park(grant, request.user, brand=plan.brand, account=plan.account)
    return redirect(f"{reverse('connect_choose')}?{urlencode({'id': row.pk})}")


def _connected(request: HttpRequest, accounts: list[ConnectedAccount]) -> HttpResponse:
    if len(accounts) == 1:
        account = accounts[0]
        messages.success(
            request,
            _("%(name)s is connected in the brand %(brand)s.")
            % {"name": account.name, "brand": account.brand},
        )
        return redirect(account)
    messages.success(
        request,
        ngettext(
            "%(count)s account is connected.",
            "%(count)s accounts are connected.",
            len(accounts),
        )
        % {"count": len(accounts)},
    )
    return redirect("account_list")


def _reconnected(
    request: HttpRequest,
    grant: Grant,
    account: ConnectedAccount,
    *,
    fewer_is_fine: bool = False,
) -> HttpResponse:
    mended = reconnect(grant, account, request.user, fewer_is_fine=fewer_is_fine)
    others = len(mended) - 1
    text = _("%(name)s is connected again. What waits goes out by itself.") % {
        "name": account.name
    }
    if others:
        text += " " + ngettext(
            "%(count)s other account was mended with it.",
            "%(count)s other accounts were mended with it.",
            others,
        ) % {"count": others}
    messages.success(request, text)
    return redirect(account)


# ---------------------------------------------------------------- choosing


@admin_required
@never_cache
def connect_choose(request: HttpRequest) -> HttpResponse:
    """Which profiles and pages, for which brand; or: yes to fewer permissions."""
    try:
        key = UUID(request.GET.get("id", ""))
    except ValueError:
        raise Http404 from None
    waiting = parked(key, request.user)
    if waiting is None:
        trouble = troubles.state_lost(reverse("account_connect"))
        return troubles.show(request, trouble)
    row, grant = waiting
    plan = Plan(grant.spec, Network(row.app.network), row.brand, row.account)
    if request.method == "POST" and request.POST.get("do") == "stop":
        row.delete()
        messages.info(request, _("Nothing was changed."))
        return redirect(row.account or "account_list")
    try:
        if row.account is not None:
            return _confirm_fewer(request, row, grant, plan)
        return _choose(request, row, grant, plan)
    except ConnectRefused as refusal:
        row.delete()
        trouble = troubles.from_refusal(refusal, plan.spec, plan.url)
        return troubles.show(request, trouble)


def _confirm_fewer(
    request: HttpRequest, row: PendingConnection, grant: Grant, plan: Plan
) -> HttpResponse:
    account = get_object_or_404(
        ConnectedAccount.objects.visible_to(request.user).with_health(),
        pk=row.account_id,
    )
    if request.method == "POST":
        answer = _reconnected(request, grant, account, fewer_is_fine=True)
        row.delete()
        return answer
    lost = grant.lost(account.credential) or grant.lost(grant.credential())
    context = {"account": account, "spec": plan.spec, "lost": lost, "again": plan.url}
    return render(request, "accounts/connect_fewer.html", context)


def _choose(
    request: HttpRequest, row: PendingConnection, grant: Grant, plan: Plan
) -> HttpResponse:
    brands = list(Brand.objects.visible_to(request.user))
    by_pk = {str(brand.pk): brand for brand in brands}
    found = offers(grant, request.user)
    error = ""
    if request.method == "POST":
        picks = []
        for number, offer in enumerate(found):
            if not request.POST.get(f"pick-{number}") or not offer.can_choose:
                continue
            brand = by_pk.get(request.POST.get(f"brand-{number}", ""))
            if brand is None:
                error = _("Choose a brand for %(name)s.") % {
                    "name": offer.identity.name
                }
            else:
                picks.append((offer.identity, brand))
        if not picks and not error:
            error = _("Choose at least one, or stop.")
        if not error:
            accounts = connect(grant, picks, request.user)
            row.delete()
            return _connected(request, accounts)
    choosable = [o for o in found if o.can_choose]
    rows = [
        {
            "number": number,
            "offer": offer,
            "checked": bool(request.POST.get(f"pick-{number}"))
            if request.method == "POST"
            else len(choosable) == 1,
            "brand": request.POST.get(f"brand-{number}")
            or str(plan.brand.pk if plan.brand else ""),
        }
        for number, offer in enumerate(found)
    ]
    context = {
        "spec": plan.spec,
        "network": plan.network,
        "rows": rows,
        "brands": brands,
        "can_choose": bool(choosable),
        "missing": grant.missing,
        "lost": grant.lost(grant.credential()),
        "again": plan.url,
        "error": error,
        "subject": grant.subject,
    }
    status = 422 if error else 200
    return render(request, "accounts/connect_choose.html", context, status=status)
