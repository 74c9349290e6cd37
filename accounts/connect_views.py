"""The pages on which an account is connected or reconnected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from django.views.decorators.http import require_POST

from platforms import registry
from platforms.base import PlatformSpec, Scope, SignIn
from platforms.errors import Cause, Outcome, PlatformError
from platforms.http import redact

from . import links, oauth, practice, servers, troubles
from .causes import explain
from .connect import (
    AlreadyConnected,
    AsksFirst,
    ConnectRefused,
    Grant,
    NobodyThere,
    OfferState,
    add_standby,
    app_for,
    connect,
    doubts,
    doubts_to_stand_by,
    lacking,
    may_have_standby,
    network_of,
    offers,
    park,
    parked,
    receive,
    reconnect,
    remove_standby,
)
from .forms import (
    FORMS,
    AppPasswordForm,
    ConnectForm,
    InstanceForm,
    KeyForm,
    is_trusted_private,
)
from .models import (
    Brand,
    ConnectedAccount,
    Network,
    PendingConnection,
    PlatformApp,
    ReconnectLink,
)
from .released import words_of
from .roles import is_admin

View = Callable[..., HttpResponse]

#: Tries with a wrong app password, by handle and by person; by address, where nobody
#: is signed in here.
PASSWORD_TRIES = {"app_password": "5/10m/key,15/10m/user"}
LINK_PASSWORD_TRIES = {"app_password": "5/10m/key,15/10m/ip"}
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
                    "through": [
                        (other, start_url(other, network, brand))
                        for slug in spec.also_through
                        if slug in registry.PLATFORMS
                        for other in [registry.spec(slug)]
                    ],
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
        SignIn.KEY: _("With a key from the platform's own pages."),
    }[spec.sign_in]


def _is_ready(spec: PlatformSpec, network: Network) -> bool:
    """Whether an app of ours is there to sign in with, where one is needed."""
    if not spec.wants_app:
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
    """What is to be connected: a new account for a brand, or this one again.

    spec: of the platform that is signed in at. standby: a second person's access beside
    the present one. link: the person came by it and may do nothing else.
    """

    spec: PlatformSpec
    network: Network
    brand: Brand | None = None
    account: ConnectedAccount | None = None
    standby: bool = False
    link: ReconnectLink | None = None

    @classmethod
    def again(cls, account: ConnectedAccount, **more: Any) -> Plan:
        """An account may have been connected through another platform's sign-in."""
        credential = account.credential
        spec = credential.app.spec if credential is not None else account.spec
        return cls(spec, Network(account.network), account=account, **more)

    @property
    def url(self) -> str:
        if self.link is not None:
            return reverse("reconnect_link")
        if self.standby and self.account is not None:
            return reverse("account_standby", args=[self.account.pk])
        brand = self.brand.pk if self.brand else ""
        return start_url(self.spec, self.network, brand, self.account)

    @property
    def apps_url(self) -> str:
        return reverse("platform_apps")

    def show(self, request: HttpRequest, trouble: troubles.Trouble) -> HttpResponse:
        return troubles.show(request, trouble, for_link=self.link is not None)

    def refuse(self, request: HttpRequest, refusal: ConnectRefused) -> HttpResponse:
        trouble = troubles.from_refusal(refusal, self.spec, self.url)
        return self.show(request, trouble)

    def fail(self, request: HttpRequest, error: PlatformError) -> HttpResponse:
        trouble = troubles.from_error(error, self.url, self.apps_url)
        return self.show(request, trouble)


@admin_required
@never_cache
def connect_start(request: HttpRequest, platform: str) -> HttpResponse:
    """What will be asked for, and the form that the platform's way of signing in needs."""
    spec = spec_or_404(platform)
    network = network_of(request.GET.get("network", ""))
    if network == Network.PRACTICE and not practice.is_configured():
        raise Http404
    return ask(request, Plan(spec, network))


@login_required
@never_cache
def account_reconnect(request: HttpRequest, pk: int) -> HttpResponse:
    """The same for an account that is there already: in place, with its queue."""
    return ask(request, Plan.again(_for_admin(request, pk)))


@login_required
@never_cache
def account_standby(request: HttpRequest, pk: int) -> HttpResponse:
    """A second person signs in, whose access takes over when the first one's ends."""
    account = _for_admin(request, pk)
    if not may_have_standby(account):
        messages.info(
            request,
            _("%(name)s is a profile of one person: nobody else can stand in for it.")
            % {"name": account.name},
        )
        return redirect(account)
    return ask(request, Plan.again(account, standby=True))


@login_required
@require_POST
def standby_remove(request: HttpRequest, pk: int) -> HttpResponse:
    account = _for_admin(request, pk)
    remove_standby(account, request.user)
    messages.success(request, _("The standby access was removed."))
    return redirect(account)


def _for_admin(request: HttpRequest, pk: int) -> ConnectedAccount:
    """404 for strangers, 403 for those who may only look."""
    rows = ConnectedAccount.objects.visible_to(request.user).with_health()
    account = get_object_or_404(
        rows.select_related("standby__parent", "credential__parent"), pk=pk
    )
    if not is_admin(request.user):
        raise PermissionDenied
    return account


def ask(request: HttpRequest, plan: Plan) -> HttpResponse:
    """The form before the platform's own page; for a link, the link's whole page."""
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
    ready = not spec.wants_app or bool(app and app.client_id)
    if request.method == "POST" and ready and form.is_valid():
        answer = _begin(request, replace(plan, brand=form.chosen_brand), form)
        if answer is not None:
            return answer
    status = 422 if form.errors else 200
    context = {
        "plan": plan,
        "spec": spec,
        "account": account,
        "form": form,
        "ready": ready,
        "app": app,
        "network": plan.network,
        "scopes": _scopes(spec, app),
        "redirect_uri": oauth.redirect_uri(spec.slug) if spec.oauth else "",
        "people": practice.people(spec.slug)
        if plan.network == Network.PRACTICE and plan.link is None
        else [],
        "can_force_login": bool(spec.oauth and spec.oauth.force_login_params),
        "elsewhere": _other_address(request),
        "has_brand": account is not None
        or Brand.objects.visible_to(request.user).exists(),
    }
    template = "accounts/link.html" if plan.link else "accounts/connect_start.html"
    return render(request, template, context, status=status)


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
    if isinstance(form, KeyForm):
        return _take_key(request, plan, form)
    try:
        app = _app_to_use(plan, form)
    except PlatformError as error:
        if error.cause in ADDRESS_CAUSES and "address" in form.fields:
            _field_error(form, "address", error)
            return None
        return plan.fail(request, error)
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
            "standby": plan.standby,
            "link": str(plan.link.pk) if plan.link else None,
        },
        other_login=bool(form.cleaned_data.get("other_login")),
        again=plan.account is not None,
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
        config=LINK_PASSWORD_TRIES if plan.link else PASSWORD_TRIES,
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
        return plan.fail(request, error)
    except ConnectRefused as refusal:
        return plan.refuse(request, refusal)
    usage.rollback()
    return finish(request, grant, plan)


def _take_key(request: HttpRequest, plan: Plan, form: KeyForm) -> HttpResponse | None:
    """A key that a person copied from the platform's own pages."""
    app = _known_app(plan)
    assert app is not None  # the form is shown only with an app
    try:
        tokens = app.client().take_key(form.cleaned_data.get("key", ""))
        asked = registry.platform(plan.spec.slug).scopes_to_ask(app.granted_scopes)
        grant = receive(app, tokens, asked)
    except PlatformError as error:
        if "key" in form.fields and error.ends_access:
            form.add_error("key", _("The platform does not accept this key."))
            return None
        return plan.fail(request, error)
    except ConnectRefused as refusal:
        return plan.refuse(request, refusal)
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
    link = links.of_session(request)
    if link is None and not request.user.is_authenticated:
        messages.info(
            request, _("Sign in here first, then start the connection once more.")
        )
        return redirect_to_login(reverse("account_connect"))
    if link is None and not is_admin(request.user):
        raise PermissionDenied
    returned = oauth.take_state(request, platform)
    if returned is None:
        begin = reverse("reconnect_link" if link else "account_connect")
        trouble = troubles.state_lost(begin)
        return troubles.show(request, trouble, for_link=link is not None)
    plan = _plan_of(request, spec, returned.data, link)
    app = get_object_or_404(PlatformApp, pk=returned.data["app"], platform=platform)
    if "error" in request.GET or not request.GET.get("code"):
        return plan.show(request, _sent_back(request, plan))
    try:
        tokens = oauth.exchange(app, request.GET["code"], returned)
        grant = receive(app, tokens, returned.data["asked"])
    except PlatformError as error:
        if error.cause == Cause.APP_GONE and app.instance_url:
            servers.forget_app(app)
        return plan.fail(request, error)
    except ConnectRefused as refusal:
        return plan.refuse(request, refusal)
    return finish(request, grant, plan)


def _plan_of(
    request: HttpRequest,
    spec: PlatformSpec,
    data: Mapping[str, Any],
    link: ReconnectLink | None,
) -> Plan:
    """What was begun with this state; 404 or 403 when it is out of reach by now."""
    if wanted := data.get("link"):
        if link is None or str(link.pk) != wanted:
            raise Http404
        return Plan.again(link.account, link=link)
    if not is_admin(request.user):
        raise PermissionDenied
    app = get_object_or_404(PlatformApp, pk=data["app"])
    accounts = ConnectedAccount.objects.visible_to(request.user).with_health()
    return Plan(
        spec,
        Network(app.network),
        _visible(Brand.objects.visible_to(request.user), data["brand"]),
        _visible(accounts, data["account"]),
        standby=bool(data.get("standby")),
    )


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
        if plan.account is not None and plan.standby:
            return _stands_by(request, grant, plan)
        if plan.account is not None:
            return _reconnected(request, grant, plan)
        found = offers(grant, request.user)
        if not found:
            raise NobodyThere
        lost = grant.lost(grant.credential()) or lacking(grant)
        if len(found) > 1 or ((grant.missing or lost) and found[0].can_choose):
            return _park(request, grant, plan)
        only = found[0]
        if only.state in {OfferState.CONNECTED, OfferState.ELSEWHERE}:
            raise AlreadyConnected(only.identity.name, only.account)
        if not only.can_choose or plan.brand is None:
            return _park(request, grant, plan)
        accounts = connect(grant, [(only.identity, plan.brand)], request.user)
        return _connected(request, accounts)
    except AsksFirst:
        return _park(request, grant, plan)
    except ConnectRefused as refusal:
        return plan.refuse(request, refusal)


def _park(request: HttpRequest, grant: Grant, plan: Plan) -> HttpResponse:
    row = park(
        grant, request.user, brand=plan.brand, account=plan.account, link=plan.link
    )
    page = "reconnect_link_choose" if plan.link else "connect_choose"
    query = {"id": row.pk} | ({"standby": 1} if plan.standby else {})
    return redirect(f"{reverse(page)}?{urlencode(query)}")


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
    request: HttpRequest, grant: Grant, plan: Plan, *, yes: bool = False
) -> HttpResponse:
    account = plan.account
    assert account is not None
    done = reconnect(grant, account, request.user, yes=yes, link=plan.link)
    return _told(request, plan, words_of(done), bool(done.lacking))


def _stands_by(
    request: HttpRequest, grant: Grant, plan: Plan, *, yes: bool = False
) -> HttpResponse:
    account = plan.account
    assert account is not None
    served = add_standby(grant, account, request.user, yes=yes, link=plan.link)
    text = ngettext(
        "The access of %(who)s stands by for %(name)s and takes over when the present "
        "one ends.",
        "The access of %(who)s stands by for %(name)s and what acts through it, and "
        "takes over when the present one ends.",
        len(served),
    ) % {"who": grant.subject.name or grant.subject.handle, "name": account.name}
    return _told(request, plan, [text])


def _told(
    request: HttpRequest, plan: Plan, words: Sequence[str], is_partial: bool = False
) -> HttpResponse:
    """Say what came of it: on the account's page, or on the link's last one."""
    if plan.link is not None:
        return links.done(request, words)
    assert plan.account is not None
    level = messages.WARNING if is_partial else messages.SUCCESS
    messages.add_message(request, level, " ".join(words))
    return redirect(plan.account)


# ---------------------------------------------------------------- choosing


@admin_required
@never_cache
def connect_choose(request: HttpRequest) -> HttpResponse:
    """Which profiles and pages, for which brand; or: yes to what would be different."""
    waiting = parked(_key(request), request.user)
    if waiting is None:
        trouble = troubles.state_lost(reverse("account_connect"))
        return troubles.show(request, trouble)
    row, grant = waiting
    plan = Plan(grant.spec, Network(row.app.network), row.brand)
    if row.account_id is not None:
        account = _for_admin(request, row.account_id)
        plan = Plan.again(account, standby="standby" in request.GET)
        return decide(request, row, grant, plan)
    if request.method == "POST" and request.POST.get("do") == "stop":
        row.delete()
        messages.info(request, _("Nothing was changed."))
        return redirect("account_list")
    try:
        return _choose(request, row, grant, plan)
    except ConnectRefused as refusal:
        row.delete()
        return plan.refuse(request, refusal)


def _key(request: HttpRequest) -> UUID:
    try:
        return UUID(request.GET.get("id", ""))
    except ValueError:
        raise Http404 from None


@never_cache
def reconnect_link_choose(request: HttpRequest) -> HttpResponse:
    """The same questions to whoever came by a link, and no others."""
    link = links.of_session(request)
    waiting = parked(_key(request), None, link) if link else None
    if link is None or waiting is None:
        return redirect("reconnect_link")
    row, grant = waiting
    return decide(request, row, grant, Plan.again(link.account, link=link))


def decide(
    request: HttpRequest, row: PendingConnection, grant: Grant, plan: Plan
) -> HttpResponse:
    """Yes, or somebody else's access as a second one, or no: nothing is changed."""
    account = plan.account
    assert account is not None
    do = request.POST.get("do", "") if request.method == "POST" else None
    try:
        if do == "stop":
            row.delete()
            messages.info(request, _("Nothing was changed."))
            return redirect(plan.url if plan.link else account)
        if do == "standby":
            answer = _stands_by(request, grant, plan, yes=True)
        elif do is not None:
            answer = _reconnected(request, grant, plan, yes=True)
        else:
            if plan.standby:
                question = doubts_to_stand_by(grant)
            else:
                question = doubts(grant, account)
            context = {
                "plan": plan,
                "account": account,
                "spec": plan.spec,
                "question": question,
                "again": plan.url,
                "can_stand_by": bool(question and question.before)
                and may_have_standby(account),
            }
            template = "link_decide" if plan.link else "connect_decide"
            return render(request, f"accounts/{template}.html", context)
    except ConnectRefused as refusal:
        row.delete()
        return plan.refuse(request, refusal)
    row.delete()
    return answer


def _choose(
    request: HttpRequest, row: PendingConnection, grant: Grant, plan: Plan
) -> HttpResponse:
    brands = list(Brand.objects.visible_to(request.user))
    by_pk = {str(brand.pk): brand for brand in brands}
    found = offers(grant, request.user)
    error = ""
    tick_all = request.POST.get("do") == "all"
    if request.method == "POST" and not tick_all:
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
            if request.method == "POST" and not tick_all
            else tick_all or len(choosable) == 1,
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
        "are_many": len(choosable) > 1,
        "lacking": lacking(grant),
        "missing": grant.missing,
        "lost": grant.lost(grant.credential()),
        "again": plan.url,
        "error": error,
        "subject": grant.subject,
    }
    status = 422 if error else 200
    return render(request, "accounts/connect_choose.html", context, status=status)
