"""The pages of reconnect links: making one here, and the one page that it opens."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from allauth.core.internal import ratelimit
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from . import links
from .connect_views import Plan, ask
from .forms import LinkForm
from .models import AuditEvent, ConnectedAccount, ReconnectLink

#: Openings and sign-ins begun by one address; mails that one person sends.
OPENED = {"reconnect_link": "60/10m/ip"}
BEGUN = {"reconnect_link_begin": "20/10m/ip"}
SENT = {"reconnect_link_send": "20/h/user"}

# ---------------------------------------------------------------- for people here


def _account(request: HttpRequest, pk: int) -> ConnectedAccount:
    """404 for strangers, 403 for those who neither run nor look after the account."""
    rows = ConnectedAccount.objects.visible_to(request.user).with_health()
    account = get_object_or_404(rows.select_related("deputy"), pk=pk)
    if not links.may_send(request.user, account):
        raise PermissionDenied
    return account


@login_required
@never_cache
def account_links(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a link, see what became of those that were sent."""
    account = _account(request, pk)
    form = LinkForm(request.POST if request.method == "POST" else None, account=account)
    made = ""
    if request.method == "POST" and form.is_valid():
        if not _counted(request, "reconnect_link_send", SENT):
            form.add_error(None, _("That were many links. Wait an hour, then go on."))
        else:
            made = _send(request, account, form.cleaned_data)
    now = timezone.now()
    sent = account.reconnect_links.select_related("person", "created_by")[:20]
    context = {
        "account": account,
        "form": form if not made else LinkForm(None, account=account),
        "made": made,
        "rows": [{"link": link, "is_open": link.is_open(now)} for link in sent],
    }
    status = 422 if form.errors else 200
    return render(request, "accounts/links.html", context, status=status)


def _send(request: HttpRequest, account: ConnectedAccount, data: Any) -> str:
    """The address of the new link: it is shown this once, for other ways than mail."""
    pair = links.make(account, request.user, person=data["person"], email=data["email"])
    error = links.send([pair], "link")
    if error:
        messages.error(
            request,
            _(
                "The mail did not leave (%(why)s). Send the address below in another "
                "way, or try again."
            )
            % {"why": error},
        )
    else:
        messages.success(
            request, _("The link is on its way to %(to)s.") % {"to": pair[0].addressee}
        )
    return pair[1]


@login_required
@require_POST
def link_withdraw(request: HttpRequest, pk: int, link: UUID) -> HttpResponse:
    account = _account(request, pk)
    row = get_object_or_404(ReconnectLink, pk=link, account=account)
    if row.withdraw():
        AuditEvent.write(request.user, "link_withdrawn", account, link_to=row.addressee)
        messages.success(request, _("The link was withdrawn: it opens nothing now."))
    else:
        messages.info(request, _("The link was over already."))
    return redirect("account_links", pk=account.pk)


# ---------------------------------------------------------------- for whoever has one


def _counted(request: HttpRequest, action: str, config: dict[str, str]) -> bool:
    usage = ratelimit.consume(
        request, app="accounts", action=action, config=config, limit_get=True
    )
    return bool(usage)


@never_cache
@csrf_exempt
def reconnect_link_open(request: HttpRequest, secret: str) -> HttpResponse:
    """Always leads on to the same address, whatever the secret and the method: an
    answer that says "no" would be written into a log together with the address.

    Only following it opens it: a form of another site comes without the cookie of a
    session that is there, and would put a new one in its place.
    """
    if request.method != "GET":
        return _alone(redirect("reconnect_link"))
    links.forget(request)
    request.session.pop(links.DONE_KEY, None)
    if _counted(request, "reconnect_link", OPENED):
        link = links.find(secret.rstrip("/"))
        if link is not None:
            request.session[links.SESSION_KEY] = str(link.pk)
    return _alone(redirect("reconnect_link"))


@never_cache
def reconnect_link(request: HttpRequest) -> HttpResponse:
    """What is needed and what SocialHub may do; begins the sign-in at the platform."""
    link = links.of_session(request)
    if link is None:
        response = render(request, "accounts/link_over.html", status=410)
        return _alone(response)
    if request.method == "POST":
        if not _counted(request, "reconnect_link_begin", BEGUN):
            messages.error(request, _("Too many tries. Wait ten minutes, then go on."))
            return _alone(redirect("reconnect_link"))
        if link.opened_at is None:
            ReconnectLink.objects.filter(pk=link.pk, opened_at=None).update(
                opened_at=timezone.now()
            )
    return _alone(ask(request, Plan.again(link.account, link=link)))


@never_cache
def reconnect_link_done(request: HttpRequest) -> HttpResponse:
    words = request.session.get(links.DONE_KEY)
    if not words:
        return redirect("reconnect_link")
    return _alone(render(request, "accounts/link_done.html", {"words": words}))


def _alone(response: HttpResponse) -> HttpResponse:
    """No search engine keeps it. (Without any referrer, forms would be refused; and the
    address that a platform may see holds no secret.)"""
    response["X-Robots-Tag"] = "noindex"
    return response
