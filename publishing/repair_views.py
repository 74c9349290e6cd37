"""The page of bulk repair, and what people say about one delivery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts.models import Brand
from accounts.names import name_of
from accounts.roles import can_review

from . import listing, repair
from .access import role_required, row_numbers
from .desk import MAX_ROWS
from .models import Care, Delivery
from .repair_forms import RepairForm, snoozed_until
from .wording import clock, trouble

#: what the buttons of the page say that they do
ACTIONS = ("send", "move", "dismiss", "assign", "snooze")


def _numbers(request: HttpRequest, name: str) -> list[int]:
    return row_numbers(request.POST.getlist(name), MAX_ROWS)


@require_POST
@role_required(can_review)
def desk_repair(request: HttpRequest) -> HttpResponse:
    """POST delivery: the rows of the page; pick: those that are meant; late: those of
    them whose age the person has seen; action: one of ACTIONS, else only the preview.
    """
    user: Any = request.user
    visible = Delivery.objects.visible_to(user)
    pks = _numbers(request, "delivery")
    action = request.POST.get("action", "")
    is_first = "gap_min" not in request.POST
    picked = None if is_first else set(_numbers(request, "pick"))
    brands = set(visible.filter(pk__in=pks).values_list("post__brand", flat=True))
    data = None if is_first else request.POST
    form = RepairForm(data, brand_ids=brands, action=action)
    is_valid = form.is_bound and form.is_valid()
    if action in ACTIONS and not picked:
        messages.info(request, _("Nothing was chosen, so nothing was changed."))
    elif action in ACTIONS and is_valid:
        _act(request, visible, sorted(picked or ()), form)
        return redirect("failure_desk")
    shown = list(
        listing.for_rows(visible.filter(pk__in=pks))
        .select_related("care__assignee")
        .order_by("due_at", "pk")
    )
    if not shown:
        messages.info(request, _("These posts need nobody any more."))
        return redirect("failure_desk")
    if is_first:
        form.initial["person"] = _whose(shown)
    now = timezone.now()
    lines = repair.lines(shown, picked, form.gap, now)
    going = [line for line in lines if line.is_picked and line.sends]
    context = {
        "lines": [
            (line, listing.Row(line.delivery.post, line.delivery).excerpt, _why(line))
            for line in lines
        ],
        "form": form,
        "zone": timezone.get_current_timezone_name(),
        "going": len(going),
        "chosen": sum(line.is_picked for line in lines),
        "late_left": sum(
            line.sends and line.is_late and not line.is_picked for line in lines
        ),
        "too_slow": sum(line.is_too_slow for line in lines),
        "late_chosen": sum(line.is_late or line.gets_late for line in going),
        "unapproved": sum(line.is_unapproved for line in going),
        "last_at": max((line.goes_at for line in going if line.goes_at), default=None),
        "first_at": min((line.goes_at for line in going if line.goes_at), default=None),
        "may_send": any(line.sends for line in lines),
        "may_move": any(line.moves for line in lines),
        "may_dismiss": any(line.dismisses for line in lines),
    }
    return render(request, "publishing/desk_repair.html", context)


def _whose(rows: Sequence[Delivery]) -> int | None:
    """Who has them or, before they were given to anybody, looks after or wrote them: the
    person, where it is the same of all."""
    found = set()
    for row in rows:
        care = getattr(row, "care", None)
        given = care.assignee_id if care else None
        found.add(given or row.post.owner_id or row.post.author_id)
    return found.pop() if len(found) == 1 else None


def _why(line: repair.Line) -> str:
    """Why it does not go when the rest is sent; "" where it does."""
    if line.sends:
        return ""
    if line.is_stopped:
        return _("Publishing is stopped here.")
    found = trouble(line.delivery)
    return found.cure if found else _("It has not failed.")


def _act(request: HttpRequest, rows: Any, pks: list[int], form: RepairForm) -> None:
    user: Any = request.user
    now = timezone.now()
    values = form.cleaned_data
    if form.action == "send":
        let = repair.send(user, rows, pks, form.gap, now, _numbers(request, "late"))
        done = repair.Done(let.sent, len(pks) - let.sent - let.late, let.last_at)
        text = ngettext(
            "%(n)s post is sent again", "%(n)s posts are sent again", let.sent
        )
        if let.late:
            late = ngettext(
                "%(n)s is past its useful time and was left out.",
                "%(n)s are past their useful time and were left out.",
                let.late,
            )
            messages.warning(request, late % {"n": let.late})
    elif form.action == "move":
        assert form.start_at is not None
        done = repair.move(user, rows, pks, form.start_at, form.gap, now)
        text = ngettext(
            "%(n)s post has another time", "%(n)s posts have another time", done.count
        )
    elif form.action == "dismiss":
        done = repair.dismiss(user, rows, pks, values["reason"])
        text = ngettext(
            "%(n)s post is taken off the desk",
            "%(n)s posts are taken off the desk",
            done.count,
        )
    elif form.action == "assign":
        done = repair.assign(user, rows, pks, values["person"])
        text = ngettext(
            "%(n)s post is assigned", "%(n)s posts are assigned", done.count
        )
    else:
        until = snoozed_until(values["snooze"], now)
        done = repair.snooze(user, rows, pks, until)
        text = ngettext(
            "%(n)s post is put aside", "%(n)s posts are put aside", done.count
        )
        if until is None:
            text = ngettext(
                "%(n)s post is back on the desk",
                "%(n)s posts are back on the desk",
                done.count,
            )
        done.last_at = until
    if done.count:
        when = ""
        if done.last_at:
            when = (
                _(", until %(when)s")
                if form.action == "snooze"
                else _(", the last at %(when)s")
            )
            when %= {"when": clock(done.last_at)}
        messages.success(request, text % {"n": done.count} + when + ".")
    if done.left > 0:
        left = ngettext(
            "%(n)s did not fit and was left as it is.",
            "%(n)s did not fit and were left as they are.",
            done.left,
        )
        messages.warning(request, left % {"n": done.left})


# ---------------------------------------------------------------- one delivery


def care_context(delivery: Delivery) -> dict[str, Any]:
    """What the card on a delivery's page shows. Two queries."""
    care = Care.objects.filter(pk=delivery.pk).select_related("assignee").first()
    brands = Brand.objects.filter(pk=delivery.post.brand_id).values_list(
        "pk", flat=True
    )
    notes = delivery.notes.select_related("author")
    return {
        "care": care,
        "care_form": RepairForm(brand_ids=brands),
        "notes": [
            (note, name_of(note.author) if note.author else "–") for note in notes
        ],
    }


@require_POST
@role_required(can_review)
def delivery_care(request: HttpRequest, pk: int) -> HttpResponse:
    """POST action: assign (person), snooze (snooze) or comment (text)."""
    user: Any = request.user
    rows = Delivery.objects.visible_to(user)
    delivery = get_object_or_404(rows.select_related("post"), pk=pk)
    action = request.POST.get("action", "")
    back = redirect(reverse("delivery_detail", args=[pk]) + "#care")
    if action == "comment":
        text = request.POST.get("text", "").strip()[:2000]
        if not text:
            messages.error(request, _("The comment is empty: write something first."))
        else:
            repair.comment(user, delivery, text)
            messages.success(request, _("Your comment is there."))
        return back
    data = {"gap_min": "0", **request.POST.dict()}
    form = RepairForm(data, brand_ids=[delivery.post.brand_id], action=action)
    if action not in ("assign", "snooze") or not form.is_valid():
        messages.error(request, _("Choose from the list; nothing was changed."))
        return back
    _act(request, rows, [pk], form)
    return back
