"""Calendar, lists, posts, deliveries and the failure desk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Prefetch, prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.causes import Action
from accounts.models import AuditEvent
from accounts.roles import can_review, can_write, is_admin
from platforms import parts

from . import (
    bulk_views,
    hooks,
    left_uploads,
    listing,
    public_media,
    repeating,
    review_views,
    serving,
    stops,
    twice,
)
from . import desk as desks
from . import proof as proofs
from .access import in_chosen_zone, role_required, row_numbers
from .calendar_views import VIEWS, notes
from .composing import (
    CANCELLABLE,
    CHANGEABLE,
    LEFT,
    clock_note,
    close_if_cancelled,
    wording_of,
)
from .forms import LiveForm
from .listing import Filters
from .long_lists import in_words, leaf
from .models import (
    Delivery,
    InvalidTransition,
    MediaAsset,
    NativePost,
    Post,
    PostMedia,
    SavedView,
    StaleState,
    draft_from,
)
from .repair_views import care_context
from .risk import risks
from .threatened import threatened, threatened_seen
from .wording import (
    duration_ms,
    event_words,
    lateness,
    next_sentence,
    outcome_words,
    state_sentence,
    support_text,
    trouble,
)

PAGE_SIZE = 25


def _may(user: Any) -> dict[str, bool]:
    return {
        "may_write": can_write(user),
        "may_review": can_review(user),
        "may_admin": is_admin(user),
    }


# ---------------------------------------------------------------- calendar and list


#: The calendar's sentences, which its script shows.
CALENDAR_WORDS = {
    "loading": gettext_lazy("Loading …"),
    "failed": gettext_lazy("The posts could not be loaded."),
    "again": gettext_lazy("Try again"),
    "nothing": gettext_lazy("Nothing is planned in this period."),
    "nothingFiltered": gettext_lazy("Nothing here with these filters."),
    "more": gettext_lazy("+{n} more"),
    "moreOn": gettext_lazy("on {day}"),
    "repeats": gettext_lazy("comes again"),
    "open": gettext_lazy("Open slot: {queue}"),
    "newOn": gettext_lazy("New post on {day}"),
    "openDay": gettext_lazy("show all its posts"),
    "undo": gettext_lazy("Undo"),
    "undoKey": gettext_lazy("Press Z to undo."),
    "edit": gettext_lazy("Open it in the composer"),
    "close": gettext_lazy("Close"),
    "noAnswer": gettext_lazy(
        "Nobody answered: it may have been moved or not. Look at it before you try again."
    ),
    "out": gettext_lazy("You are no longer signed in, so nothing was done."),
    "signIn": gettext_lazy("Sign in"),
    "stays": gettext_lazy("This post cannot be moved."),
    "moveKey": gettext_lazy("M moves it."),
}


@login_required
@in_chosen_zone
def calendar(request: HttpRequest) -> HttpResponse:
    """The calendar that a script draws; with `plain=1` the one that needs none."""
    filters = Filters.read(request.GET.dict())
    today = listing.reader_today()
    day = listing.read_day(request.GET.get("date", ""), today)
    view = request.GET.get("view", "")
    if request.GET.get("plain"):
        return _plain_calendar(request, "week" if view == "week" else "month", day)
    view = view if view in VIEWS else ""
    kept = {"view": view, "date": day.isoformat() if request.GET.get("date") else ""}
    context = {
        "view": view,
        "day": day,
        "now": timezone.localtime().strftime("%Y-%m-%dT%H:%M:%S"),
        "filters": filters,
        "filter_query": filters.query(),
        "notes": notes(request.user, filters),
        "choices": listing.choices(request.user),
        "may_hide_natives": True,
        "zone": timezone.get_current_timezone_name(),
        "zone_note": listing.zone_note(timezone.get_current_timezone_name()),
        "plain_url": f"?{filters.query(plain=1, **kept)}",
        "hidden": kept,
        "page_name": SavedView.Page.CALENDAR,
        "clear_url": f"?{urlencode({k: v for k, v in kept.items() if v})}",
        "words": {key: str(words) for key, words in CALENDAR_WORDS.items()},
        **_may(request.user),
    }
    return render(request, "publishing/calendar.html", context)


def _plain_calendar(request: HttpRequest, view: str, day: date) -> HttpResponse:
    filters = Filters.read(request.GET.dict())
    today = listing.reader_today()
    shown = listing.calendar(request.user, view, day, filters)

    def address(**changes: Any) -> str:
        where = {
            "plain": 1,
            "view": shown.view,
            "date": shown.day.isoformat(),
            **changes,
        }
        return f"{reverse('calendar')}?{filters.query(**where)}"

    context = {
        "calendar": shown,
        "filters": filters,
        "choices": listing.choices(request.user),
        "may_hide_natives": True,
        "zone_note": listing.zone_note(timezone.get_current_timezone_name()),
        "previous_url": address(date=shown.previous.isoformat()),
        "next_url": address(date=shown.next.isoformat()),
        "today_url": address(date=today.isoformat()),
        "month_url": address(view="month"),
        "week_url": address(view="week"),
        "list_url": f"{reverse('post_list')}?{filters.query(tab='all')}",
        "full_url": address(plain=""),
        "risk_url": reverse("post_list") + f"?tab=upcoming&status={listing.AT_RISK}",
        "filter_query": filters.query(),
        "hidden": {"plain": 1, "view": shown.view, "date": shown.day.isoformat()},
        "clear_url": f"?plain=1&view={shown.view}&date={shown.day.isoformat()}",
        **_may(request.user),
    }
    return render(request, "publishing/calendar_plain.html", context)


@login_required
@in_chosen_zone
def post_list(request: HttpRequest) -> HttpResponse:
    """One row per delivery. `day`: only what is due on that day for the reader."""
    filters = Filters.read(request.GET.dict())
    tab = request.GET.get("tab", "")
    tab = tab if tab in listing.TABS else listing.NEEDS_ME
    if filters.native:  # of the calendar, where they stand among the others
        tab = listing.NATIVE if filters.native == listing.ONLY else tab
        filters = replace(filters, native="")
    natives = filters.natives(NativePost.objects.visible_to(request.user))
    rows = filters.deliveries(Delivery.objects.visible_to(request.user))
    drafts = filters.drafts(Post.objects.visible_to(request.user))
    day_text = request.GET.get("day", "")
    day = None
    if day_text:
        day = listing.read_day(day_text, listing.reader_today())
        start, stop = listing.instants(day, day)
        rows = rows.filter(due_at__gte=start, due_at__lt=stop)
        drafts = drafts.filter(due_at__gte=start, due_at__lt=stop)
        natives = natives.between(start, stop)
    source: Any
    at_risk = None
    if filters.status == listing.AT_RISK:
        is_narrowed = day or replace(filters, status="").any
        found = threatened(rows) if is_narrowed else threatened_seen(request.user)
        at_risk = [one.pk for one in found]
        tabs = listing.tabs_of_risks(len(at_risk), tab)
    elif filters.any or day:
        tabs = listing.tabs(rows, drafts, natives, tab)
    else:
        tabs = listing.tabs_of_all(request.user, tab)
    if at_risk is not None:
        source = listing.risks_under(tab, at_risk)
    elif tab == listing.NATIVE:
        source = natives
    elif tab == "drafts":
        source = drafts.select_related("brand", "author", "owner")
        source = source.order_by("-changed_at")
    else:
        source = listing.tab_deliveries(rows, tab).values_list("pk", flat=True)
    counted = next(entry.count for entry in tabs if entry.is_current)
    page = leaf(source, counted, PAGE_SIZE, request.GET.get("page"))
    shown: list[listing.Row] = []
    there: list[listing.NativeRow] = []
    if tab == listing.NATIVE and at_risk is None:
        prefetch_related_objects(page.rows, "account")
        there = [listing.NativeRow(row) for row in page.rows]
    elif tab == "drafts" and at_risk is None:
        shown = [listing.Row(post) for post in page.rows]
    else:
        shown = listing.listed_rows(page.rows)
    more = {"day": day.isoformat() if day else ""}
    choices = listing.choices(
        request.user, SavedView.Page.POSTS, with_people=can_write(request.user)
    )
    context = {
        "tab": tab,
        "tabs": [(entry, f"?{filters.query(tab=entry.key, **more)}") for entry in tabs],
        "rows": shown,
        "natives": there,
        # What went out asks for nothing: the text has that column's room.
        "says_why": any(row.trouble or row.risks or row.next_step for row in shown),
        "page": page,
        "page_query": filters.query(tab=tab, **more),
        "filter_query": filters.query(),
        "hidden": {"tab": tab, **more},
        "page_name": SavedView.Page.POSTS,
        "undoable": bulk_views.kept_undo(request),
        "people": choices.people,
        "every_words": (
            in_words(counted) if page.is_one_of_many and at_risk is None else ""
        ),
        "clear_url": f"?tab={tab}",
        "day": day,
        "filters": filters,
        "choices": choices,
        "zone_note": listing.zone_note(timezone.get_current_timezone_name()),
        **_may(request.user),
    }
    return render(request, "publishing/post_list.html", context)


# ---------------------------------------------------------------- post and delivery


@login_required
def post_detail(request: HttpRequest, pk: int) -> HttpResponse:
    posts = Post.objects.visible_to(request.user).select_related(
        "brand", "author", "owner", "series"
    )
    media = Prefetch("media", PostMedia.objects.select_related("asset"))
    post = get_object_or_404(posts.prefetch_related("variants", media), pk=pk)
    rows = listing.rows_of(listing.of_post(post))
    note = ""
    if post.local_date and post.local_time:
        note = clock_note(post.local_date, post.local_time, post.zone)
    every = [row.delivery for row in rows if row.delivery]
    statuses = {delivery.status for delivery in every}
    editable = {*CHANGEABLE, Delivery.Status.FAILED}
    context = {
        "post": post,
        "rows": rows,
        "deliveries": every,
        "clock_note": note if post.state != Post.State.CANCELLED else "",
        "can_edit": post.state == Post.State.DRAFT or bool(statuses & editable),
        "can_cancel": bool(statuses & set(CANCELLABLE)),
        "can_repeat": post.state == Post.State.SCHEDULED and post.series is None,
        "rule": repeating.rule_words(post.series) if post.series else "",
        "approval": review_views.card_of(post, request.user),
        "remarks": post.remarks.select_related("author"),
        "unapproved": next(
            (
                row.delivery
                for row in rows
                if row.delivery and row.delivery.hold == Delivery.Hold.APPROVAL
            ),
            None,
        ),
        "events": _events(post),
        "sections": hooks.post_sections(
            [row.delivery for row in rows if row.delivery], request.user
        ),
        **_may(request.user),
    }
    return render(request, "publishing/post_detail.html", context)


def _events(target: Post | Delivery) -> list[tuple[AuditEvent, str]]:
    rows = AuditEvent.objects.filter(
        target_type=target._meta.label_lower, target_id=str(target.pk)
    )
    return [(row, event_words(row.verb)) for row in rows.select_related("actor")[:20]]


@require_POST
@role_required(can_write)
def post_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Cancel all of a post that has not begun; a draft is thrown away as a whole."""
    post = get_object_or_404(Post.objects.visible_to(request.user), pk=pk)
    cancelled = 0
    for delivery in post.deliveries.filter(status__in=CANCELLABLE):
        try:
            delivery.cancel()
        except (InvalidTransition, StaleState):
            messages.warning(request, str(_TOO_LATE))
        else:
            AuditEvent.write(request.user, "delivery.cancelled", delivery)
            cancelled += 1
    close_if_cancelled(post)
    AuditEvent.write(request.user, "post.cancelled", post, deliveries=cancelled)
    if cancelled:
        text = ngettext(
            "%(n)s delivery is cancelled.", "%(n)s deliveries are cancelled.", cancelled
        )
        messages.success(request, text % {"n": cancelled})
    elif not post.deliveries.exists():
        messages.success(request, _("The draft is thrown away."))
    return redirect(post)


@login_required
def delivery_detail(request: HttpRequest, pk: int) -> HttpResponse:
    return _delivery_page(request, _delivery(request, pk))


def _delivery(request: HttpRequest, pk: int) -> Delivery:
    rows = Delivery.objects.visible_to(request.user).select_related(
        "post__brand", "post__author", "account__credential__app", "account__owner"
    )
    return get_object_or_404(rows.prefetch_related("post__variants"), pk=pk)


def _delivery_page(
    request: HttpRequest, delivery: Delivery, live_form: LiveForm | None = None
) -> HttpResponse:
    status = Delivery.Status
    stops.name_holds([delivery])
    found = risks([delivery]).get(delivery.pk, ())
    attempts = list(delivery.attempts.all())
    shown = proofs.proof(delivery, attempts)
    what = trouble(delivery)
    unclear = delivery.status == status.UNCERTAIN and delivery.next_attempt_at is None
    hold = delivery.hold if delivery.status == status.HELD else ""
    lasting = delivery.stop if delivery.stop and not delivery.stop.ended_at else None
    context = {
        "delivery": delivery,
        "text": wording_of(delivery),
        "risks": found,
        "sentence": state_sentence(delivery),
        "next": next_sentence(delivery, found[0] if found else None),
        "trouble": what,
        "lateness": lateness(delivery),
        "attempts": [(a, outcome_words(a), duration_ms(a)) for a in attempts],
        "support": support_text(delivery, attempts),
        "can_cancel": delivery.status in CANCELLABLE and not delivery.is_out,
        "can_retry": delivery.status == status.FAILED,
        "can_edit": delivery.status in (*CHANGEABLE, status.FAILED),
        "can_leave": delivery.is_partly_out and delivery.status in Delivery.LEAVABLE,
        "parts": _parts(delivery),
        "is_past_useful": delivery.useful_until <= timezone.now(),
        "is_too_late": hold == Delivery.Hold.TOO_LATE,
        "is_twice": hold == Delivery.Hold.TWICE,
        "same": twice.same(delivery) if hold == Delivery.Hold.TWICE else [],
        "lasting_stop": lasting,
        "is_after_stop": hold == Delivery.Hold.STOPPED and lasting is None,
        "is_unclear": unclear,
        "reconnects": what is not None and what.action == Action.RECONNECT,
        "live_form": live_form or LiveForm(delivery=delivery),
        "events": _events(delivery),
        **care_context(delivery),
        "left_uploads": left_uploads.sentences(delivery),
        "proof": shown,
        "proof_source": proofs.source_words(shown) if shown else "",
        "sections": hooks.delivery_sections(delivery, request.user),
        **_may(request.user),
    }
    return render(request, "publishing/delivery_detail.html", context)


@require_safe
@login_required
def delivery_proof(request: HttpRequest, pk: int, form: str) -> HttpResponse:
    """form: json or pdf; 404 while it is not published."""
    delivery = _delivery(request, pk)
    found = proofs.proof(delivery, delivery.attempts.all())
    if found is None:
        raise Http404
    if form == "pdf":
        from .proof_pdf import to_pdf  # heavy: see there

        data, mime = to_pdf(found), "application/pdf"
    else:
        data, mime = proofs.to_json(found), "application/json"
    response = HttpResponse(data, content_type=mime)
    name = f"proof-{delivery.pk}.{form}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response


def _parts(delivery: Delivery) -> list[tuple[int, str, str, bool]]:
    """Of a post of several parts: number, text, link, and whether it is out."""
    if delivery.draft and (delivery.parts_out or delivery.status in LEFT):
        draft = draft_from(delivery.draft)
    else:
        draft = delivery.post.draft_for(delivery.account.platform, delivery.account)
    if parts.count(draft) == 1:
        return []
    out = parts.out(delivery.witness)
    return [
        (n, one.text, out[n - 1].permalink if n <= len(out) else "", n <= len(out))
        for n, one in enumerate(parts.pieces(draft), 1)
    ]


_TOO_LATE = gettext_lazy("Too late: this has changed meanwhile, so nothing was done.")


def _back(request: HttpRequest, delivery: Delivery) -> HttpResponse:
    target = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(
        target, {request.get_host()}, require_https=request.is_secure()
    ):
        return redirect(target)
    return redirect(delivery)


def _decide(
    request: HttpRequest,
    delivery: Delivery,
    act: Callable[[], None],
    verb: str,
    done: str,
    **detail: Any,
) -> HttpResponse:
    """Call a verb for a person, keep who did it, and say how it went.

    POST `seen`: the number of the try that the page showed. What a person saw on the
    network says nothing once it was tried again.
    """
    try:
        if request.POST.get("seen", str(delivery.fence)) != str(delivery.fence):
            raise StaleState("the page is older than the last try")
        act()
    except (InvalidTransition, StaleState):
        messages.error(request, str(_TOO_LATE))
    else:
        AuditEvent.write(request.user, verb, delivery, **detail)
        messages.success(request, done)
    return _back(request, delivery)


@require_POST
@role_required(can_write)
def delivery_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    delivery = _delivery(request, pk)

    def act() -> None:
        delivery.cancel()
        close_if_cancelled(delivery.post)

    done = _("Cancelled. It will not be sent to %(account)s.") % {
        "account": delivery.account.name
    }
    if delivery.parts_out:
        done = _("It stays as it is. The rest is not sent.")
    return _decide(request, delivery, act, "delivery.cancelled", done)


@require_POST
@role_required(can_write)
def delivery_leave(request: HttpRequest, pk: int) -> HttpResponse:
    """What is out of a thread is enough: the rest is not sent."""
    delivery = _delivery(request, pk)
    done = _("It stays as it is. The rest is not sent.")
    return _decide(request, delivery, delivery.leave, "delivery.left", done)


@require_POST
@role_required(can_review)
def delivery_retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a failed one again, or one that is held because its time is over.

    POST `late`: the person says yes to one past its useful time.
    """
    delivery = _delivery(request, pk)
    late = bool(request.POST.get("late"))
    if delivery.useful_until <= timezone.now() and not late:
        messages.error(
            request,
            _(
                "Its useful time is over. Choose “Send it anyway” if it still makes sense."
            ),
        )
        return _back(request, delivery)
    done = _("It is sent again now.")
    return _decide(
        request,
        delivery,
        lambda: delivery.retry(despite_age=late),
        "delivery.sent_again",
        done,
        late=late,
    )


@require_POST
@role_required(can_review)
def delivery_allow_twice(request: HttpRequest, pk: int) -> HttpResponse:
    """Send what waits because the account has just said the same.

    The yes covers its age as well: whoever gives it sees both.
    """
    delivery = _delivery(request, pk)

    def act() -> None:
        if delivery.hold != Delivery.Hold.TWICE:
            raise InvalidTransition("nothing else says the same")
        late = delivery.useful_until <= timezone.now()
        delivery.retry(despite_age=late, allow_twice=True)

    done = _("It is sent now, although it says the same again.")
    return _decide(request, delivery, act, "delivery.twice_allowed", done)


@require_POST
@role_required(can_review)
def delivery_dismiss(request: HttpRequest, pk: int) -> HttpResponse:
    delivery = _delivery(request, pk)
    reason = request.POST.get("reason", "").strip()[:300]
    done = _("Taken off the desk. It stays failed.")
    return _decide(
        request,
        delivery,
        delivery.dismiss,
        "delivery.dismissed",
        done,
        reason=reason,
    )


@require_POST
@role_required(can_review)
def delivery_confirm_live(request: HttpRequest, pk: int) -> HttpResponse:
    delivery = _delivery(request, pk)
    form = LiveForm(request.POST, delivery=delivery)
    if not form.is_valid():
        return _delivery_page(request, delivery, form)
    link = form.cleaned_data["permalink"]
    done = _("Thank you. It is marked as published.")
    return _decide(
        request,
        delivery,
        lambda: delivery.confirm_live(link),
        "delivery.confirmed_live",
        done,
        permalink=link,
    )


@require_POST
@role_required(can_review)
def delivery_confirm_absent(request: HttpRequest, pk: int) -> HttpResponse:
    delivery = _delivery(request, pk)
    done = _("Thank you. It is sent again now.")
    return _decide(
        request, delivery, delivery.confirm_absent, "delivery.confirmed_absent", done
    )


# ---------------------------------------------------------------- failure desk


@login_required
def failure_desk(request: HttpRequest) -> HttpResponse:
    tab = request.GET.get("tab", "")
    tab = tab if tab in desks.TABS else listing.NEEDS_ME
    whose = request.GET.get("whose", "")
    whose = whose if whose in desks.WHOSE else ""
    wanted = request.GET.get("group", "")
    shown = desks.desk(request.user, tab, whose, request.GET.get("page"), wanted)
    here = {"tab": tab, **({"whose": whose} if whose else {})}
    now = timezone.now()
    groups = [
        {
            "group": group,
            "button": group.main_button(request.user),
            "by_itself": group.by_itself(),
            "rows": [
                {
                    "line": line,
                    "delivery": line.delivery,
                    "trouble": trouble(line.delivery) or group.trouble,
                    "text": listing.excerpt(line.text, line.delivery.post.link_url),
                    "support": support_text(line.delivery, line.attempts),
                    "next_at": desks.comes_at(line.delivery),
                    "is_past_useful": line.delivery.useful_until <= now,
                    "decides": group.trouble.action == Action.DECIDE,
                    "is_twice": desks.is_twice(line.delivery),
                }
                for line in shown.shown(group)
            ],
            "more": len(group.deliveries) - len(shown.shown(group)),
            "url": f"?{urlencode({**here, 'group': group.key})}",
        }
        for group in shown.groups
    ]
    context = {
        "desk": shown,
        "groups": groups,
        "page": shown.page,
        "page_query": urlencode(here),
        **_may(request.user),
    }
    return render(request, "publishing/failure_desk.html", context)


@require_POST
@role_required(can_review)
def desk_send(request: HttpRequest) -> HttpResponse:
    """Send the failed deliveries of a group again."""
    ids = row_numbers(request.POST.getlist("delivery"), desks.MAX_ROWS)
    include_late = bool(request.POST.get("late"))
    done = desks.send_again(request.user, ids, include_late=include_late)
    if done.sent:
        text = ngettext(
            "%(n)s post is sent again.",
            "%(n)s posts are sent again, five minutes apart per account.",
            done.sent,
        )
        messages.success(request, text % {"n": done.sent})
    if done.late:
        text = ngettext(
            "%(n)s is past its useful time and was left out.",
            "%(n)s are past their useful time and were left out.",
            done.late,
        )
        messages.warning(request, text % {"n": done.late})
    if done.refused:
        text = ngettext(
            "%(n)s cannot be sent again as it is and was left out.",
            "%(n)s cannot be sent again as they are and were left out.",
            done.refused,
        )
        messages.warning(request, text % {"n": done.refused})
    return redirect("failure_desk")


# ---------------------------------------------------------------- media


@login_required
def media_file(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The bytes of a file, to people of its brand only."""
    response = serving.stored(request, _asset(request, pk))
    # The address names the row; its bytes never change.
    response["Cache-Control"] = "private, max-age=86400, immutable"
    return response


@login_required
def media_preview(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A small picture of a file, to people of its brand only. 404: it has none."""
    asset = _asset(request, pk)
    if asset.preview:
        response = serving.preview(asset)
    elif asset.mime_type.startswith("image/"):
        response = serving.stored(request, asset)  # of before there were previews
    else:
        raise Http404
    response["Cache-Control"] = "private, max-age=86400, immutable"
    return response


def _asset(request: HttpRequest, pk: int) -> MediaAsset:
    return get_object_or_404(MediaAsset.objects.visible_to(request.user), pk=pk)


@require_safe
def media_public(request: HttpRequest, token: str, name: str) -> HttpResponseBase:
    """The bytes of a file, to whoever holds its signed address: a platform that
    fetches files itself. No session; nothing but the one file; 404 after a day."""
    number = public_media.asset_of(token)
    if number == public_media.PROBE and name == public_media.PROBE_NAME:
        return HttpResponse(public_media.PROBE_TEXT, content_type="text/plain")
    asset = get_object_or_404(MediaAsset, pk=number)
    if name != asset.public_name or asset.mime_type not in MediaAsset.SUFFIXES:
        raise Http404
    response = serving.stored(request, asset)
    response["Cache-Control"] = "private, max-age=3600"
    response["X-Robots-Tag"] = "noindex"
    return response
