"""The pages of reconnect campaigns: what ends, whom to ask, how far it is."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django_q.tasks import async_task

from . import campaigns
from .connect_views import admin_required
from .fixed_query import SAMPLE_KEY, Seen
from .forms import CampaignForm, EndingForm
from .models import CampaignItem, ConnectedAccount, ReconnectCampaign
from .names import name_of

RUN = "monitoring.tasks.remind_campaigns"


@admin_required
def campaign_list(request: HttpRequest) -> HttpResponse:
    rows = campaigns.with_progress(campaigns.visible_to(request.user))
    rows = list(rows.select_related("brand", "created_by")[:100])
    context = {
        "running": [row for row in rows if row.closed_at is None],
        "closed": [row for row in rows if row.closed_at is not None],
    }
    return render(request, "accounts/campaigns.html", context)


@admin_required
def campaign_new(request: HttpRequest) -> HttpResponse:
    """What ends by days and brand stands in the address; the preview below it."""
    now = timezone.now()
    choice = EndingForm(request.GET or None, user=request.user)
    days, brand = choice.chosen()
    found = campaigns.ending(request.user, days, brand, now)
    left_out: set[str] = set()
    form = CampaignForm(
        request.POST if request.method == "POST" else None,
        initial={"name": _("Reconnect by %(date)s") % {"date": choice.until(now)}},
    )
    if request.method == "POST":
        ticked = set(request.POST.getlist("account"))
        left_out = {str(e.account.pk) for e in found} - ticked
        chosen = [e for e in found if str(e.account.pk) in ticked]
        if not chosen:
            form.add_error(None, _("Choose at least one account."))
        elif form.is_valid():
            campaign = campaigns.start(
                request.user,
                form.cleaned_data["name"],
                brand,
                chosen,
                form.cleaned_data["remind_every_days"],
            )
            async_task(RUN, cluster="monitor")
            messages.success(request, _("The mails are on their way."))
            return redirect("campaign_detail", pk=campaign.pk)
    groups = [
        {
            "person": person,
            "rows": [
                {
                    "account": e.account,
                    "ends_at": e.ends_at,
                    "days_left": e.days_left(now),
                    "is_ticked": str(e.account.pk) not in left_out,
                }
                for e in endings
            ],
        }
        for person, endings in campaigns.by_person(found)
    ]
    context = {
        "choice": choice,
        "form": form,
        "groups": groups,
        "count": len(found),
        "days": days,
    }
    status = 422 if form.errors else 200
    return render(request, "accounts/campaign_new.html", context, status=status)


def _listed(reader: Any, campaign: int) -> QuerySet[CampaignItem]:
    visible = ConnectedAccount.objects.visible_to(reader)
    return (
        CampaignItem.objects.filter(campaign=campaign, account__in=visible.values("pk"))
        .select_related("account__brand", "account__credential", "person")
        .order_by("person__username", "account__platform", "account__name")
    )


#: When it ends depends on whether it can be renewed; the other secret stays away.
_shown = Seen(
    lambda reader, campaign: _listed(reader, campaign).defer(
        "account__credential__access_token"
    ),
    SAMPLE_KEY - 1,  # another one than the reader's
    for_all=True,
)


@admin_required
def campaign_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Progress by person; done items turn so by themselves."""
    now = timezone.now()
    if request.method == "GET":
        campaigns.settle(now)
    rows = campaigns.with_progress(campaigns.visible_to(request.user))
    campaign = get_object_or_404(rows, pk=pk)
    if request.method == "POST":
        rows = _listed(request.user, pk).select_related(
            "account__deputy", "account__credential__parent"
        )
        _act(request, campaign, list(rows.select_related("account__credential__app")))
        return redirect("campaign_detail", pk=campaign.pk)
    items = _shown.objects(request.user, pk)
    groups: dict[Any, dict[str, Any]] = {}
    for item in items:
        group = groups.setdefault(
            item.person_id,
            {"person": item.person, "rows": [], "deputies": [], "open": 0, "done": 0},
        )
        group["rows"].append(campaigns.line_of(item, now))
        group["deputies"].append(item.account.deputy_id)
        group["open"] += item.state in campaigns.OPEN
        group["done"] += item.state == CampaignItem.State.DONE
    people = [(one.pk, name_of(one)) for one in campaigns.people_for(campaign)]
    as_deputy = _("%(name)s (deputy)")
    for person, group in groups.items():
        deputy = next((pk for pk in group["deputies"] if pk), None)
        group["deputy"] = deputy
        group["takers"] = [
            (pk, as_deputy % {"name": name} if pk == deputy else name)
            for pk, name in people
            if pk != person
        ]
    context = {
        "campaign": campaign,
        "groups": list(groups.values()),
        "share": 100 * campaign.done // campaign.total if campaign.total else 100,
    }
    return render(request, "accounts/campaign.html", context)


def _act(
    request: HttpRequest, campaign: ReconnectCampaign, items: list[CampaignItem]
) -> None:
    do = request.POST.get("do", "")
    if campaign.closed_at is not None:
        messages.info(request, _("The campaign is closed."))
    elif do == "close":
        campaigns.close(campaign, timezone.now())
        messages.success(
            request, _("The campaign is closed: nobody is reminded any more.")
        )
    elif do == "hand_over":
        _hand_over(request, campaign, items)
    else:
        wanted = request.POST.get("item", "")
        item = next((i for i in items if str(i.pk) == wanted), None)
        if item is None:
            messages.error(request, _("This account is not in the campaign any more."))
        elif do == "leave_out" and campaigns.leave_out(item):
            messages.success(
                request, _("%(name)s is left out.") % {"name": item.account.name}
            )
        elif do == "take_in" and campaigns.take_in_again(item):
            async_task(RUN, cluster="monitor")
            messages.success(
                request, _("%(name)s is asked for again.") % {"name": item.account.name}
            )
        else:
            messages.info(request, _("It was changed meanwhile."))


def _hand_over(
    request: HttpRequest, campaign: ReconnectCampaign, items: list[CampaignItem]
) -> None:
    to = request.POST.get("to", "")
    people = campaigns.people_for(campaign)
    person = people.filter(pk=to).first() if to.isdecimal() else None
    if person is None:
        messages.error(request, _("Choose the person who takes over."))
        return
    whose = request.POST.get("person", "")
    theirs = [i for i in items if str(i.person_id or "") == whose]
    still = [i for i in theirs if i.state in campaigns.OPEN]
    moved = campaigns.hand_over(still, person, timezone.now())
    if moved:
        async_task(RUN, cluster="monitor")
        text = ngettext(
            "%(who)s is asked for %(n)s account from now on.",
            "%(who)s is asked for %(n)s accounts from now on.",
            moved,
        )
        messages.success(request, text % {"who": person, "n": moved})
    if stayed := len(still) - moved:
        text = ngettext(
            "%(n)s account stayed: %(who)s does not belong to its brand.",
            "%(n)s accounts stayed: %(who)s does not belong to their brand.",
            stayed,
        )
        messages.warning(request, text % {"who": person, "n": stayed})
