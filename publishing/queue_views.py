"""Queues: their weekly slots, what waits in them, and another order for it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Sequence
from datetime import time
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from accounts.models import AuditEvent, Brand, ConnectedAccount
from accounts.roles import can_write
from accounts.zones import zone_names

from . import moving, slots
from .access import role_required, row_number
from .models import Post, Queue, QueueSlot

#: Slots of one weekday; more are no queue.
MOST_A_DAY = 24
CLOCK = re.compile(r"^([01]?\d|2[0-3]):([0-5]\d)$")


class QueueForm(forms.ModelForm):
    """Name, zone and accounts, and a line of times for each weekday."""

    class Meta:
        model = Queue
        fields = ["brand", "name", "zone", "accounts"]

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        brands = Brand.objects.visible_to(user).distinct()
        accounts = ConnectedAccount.objects.filter(
            brand__in=brands, disconnected_at=None
        ).order_by("name")
        accounts = accounts.only("brand", "name", "platform")
        if self.instance.pk:
            brands = brands.filter(pk=self.instance.brand_id)
            accounts = accounts.filter(brand=self.instance.brand_id)
        self.fields["brand"].queryset = brands  # type: ignore[attr-defined]
        field = self.fields["accounts"]
        field.queryset = accounts  # type: ignore[attr-defined]
        names = {brand.pk: brand.name for brand in brands}
        choices: Any = field.choices  # type: ignore[attr-defined]
        if len(names) > 1:
            choices = [
                (row.pk, f"{names[pk]}: {row}")
                for pk in names
                for row in accounts
                if row.brand_id == pk
            ]
        field.widget = forms.CheckboxSelectMultiple(choices=choices)
        field.help_text = gettext_lazy("Their posts take the slots of this queue.")
        have: dict[int, list[str]] = {}
        if self.instance.pk:
            for slot in self.instance.slots.all():
                have.setdefault(slot.weekday, []).append(f"{slot.wall:%H:%M}")
        for number in range(7):
            self.fields[f"day{number}"] = forms.CharField(
                label=WEEKDAYS[number],
                required=False,
                max_length=200,
                initial=", ".join(have.get(number, ())),
                widget=forms.TextInput(attrs={"placeholder": "09:00, 14:30"}),
            )
        self.walls: dict[int, list[time]] = {}

    def clean_zone(self) -> str:
        zone = str(self.cleaned_data["zone"])
        if zone not in zone_names():
            raise forms.ValidationError(
                _("Unknown time zone. Write one such as Europe/Berlin.")
            )
        return zone

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        brand = cleaned.get("brand")
        foreign = [a for a in cleaned.get("accounts", ()) if brand and a.brand != brand]
        if foreign:
            self.add_error(
                "accounts",
                _("%(name)s belongs to another brand. Choose accounts of one brand.")
                % {"name": foreign[0].name},
            )
        for number in range(7):
            name = f"day{number}"
            words = re.split(r"[,;\s]+", str(cleaned.get(name) or "").strip())
            walls = set()
            for word in filter(None, words):
                match = CLOCK.match(word)
                if match is None:
                    self.add_error(
                        name,
                        _("“%(word)s” is no time. Write times such as 09:00, 14:30.")
                        % {"word": word},
                    )
                    break
                walls.add(time(int(match[1]), int(match[2])))
            if len(walls) > MOST_A_DAY:
                self.add_error(
                    name, _("At most %(n)s slots a day.") % {"n": MOST_A_DAY}
                )
            self.walls[number] = sorted(walls)
        return cleaned

    @property
    def days(self) -> Sequence[forms.BoundField]:
        return [self[f"day{number}"] for number in range(7)]

    def write(self, user: Any) -> Queue:
        """Save it with its slots. After is_valid()."""
        created = self.instance.pk is None
        with transaction.atomic():
            queue: Queue = self.save()
            queue.slots.all().delete()
            QueueSlot.objects.bulk_create(
                QueueSlot(queue=queue, weekday=number, wall=wall)
                for number, walls in self.walls.items()
                for wall in walls
            )
            verb = "queue.created" if created else "queue.changed"
            AuditEvent.write(user, verb, queue, slots=queue.slots.count())
        return queue


@login_required
def queue_list(request: HttpRequest) -> HttpResponse:
    queues = Queue.objects.visible_to(request.user).select_related("brand").distinct()
    asked = {
        queue: [account.pk for account in queue.accounts.all()]
        for queue in queues.prefetch_related("slots", "accounts")
    }
    free = slots.next_free_of(asked, timezone.now())
    shown = [(queue, free[queue.pk]) for queue in asked]
    context = {"queues": shown, "may_write": can_write(request.user)}
    return render(request, "publishing/queue_list.html", context)


@role_required(can_write)
def queue_edit(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """A new queue, or one that is there."""
    queue = Queue()
    if pk is not None:
        rows = Queue.objects.visible_to(request.user).distinct()
        queue = get_object_or_404(rows, pk=pk)
    else:
        brands = list(Brand.objects.visible_to(request.user).distinct())
        asked = row_number(request.GET.get("brand", ""))
        wanted = next((brand for brand in brands if brand.pk == asked), None)
        if len(brands) == 1:
            wanted = brands[0]
        brand = wanted or next(iter(brands), None)
        queue.zone = brand.time_zone if brand else "UTC"
        if wanted is not None:
            queue.brand = wanted
    form = QueueForm(request.POST or None, instance=queue, user=request.user)
    if request.method == "POST" and form.is_valid():
        saved = form.write(request.user)
        messages.success(request, _("“%(name)s” is saved.") % {"name": saved.name})
        walls = [(day, wall) for day, some in form.walls.items() for wall in some]
        notes = slots.clock_notes(saved, timezone.localdate())
        for words in [*slots.advice(walls), *notes[:4]]:
            messages.info(request, words)
        return redirect("queue_list")
    status = 422 if request.method == "POST" else 200
    # The name that the page shows is the stored one, not what was typed.
    name = Queue.objects.values_list("name", flat=True).filter(pk=pk or 0).first() or ""
    context = {"form": form, "pk": pk, "name": name}
    return render(request, "publishing/queue_form.html", context, status=status)


@require_POST
@role_required(can_write)
def queue_delete(request: HttpRequest, pk: int) -> HttpResponse:
    rows = Queue.objects.visible_to(request.user).distinct()
    queue = get_object_or_404(rows, pk=pk)
    AuditEvent.write(request.user, "queue.deleted", queue)
    queue.delete()
    said = _("“%(name)s” is deleted. Posts in its slots stay where they are.")
    messages.success(request, said % {"name": queue.name})
    return redirect("queue_list")


@role_required(can_write)
def queue_shuffle(request: HttpRequest, pk: int) -> HttpResponse:
    """What another order would be; POST with its seed makes it so."""
    rows = Queue.objects.visible_to(request.user).distinct()
    queue = get_object_or_404(rows.prefetch_related("slots", "accounts"), pk=pk)
    posts = slots.queued(request.user, queue, timezone.now())
    # A post of a series has its day from the series: it stays, unless a person says so.
    kept = {post.pk for post in posts if post.series_id}
    seed = uuid.uuid4().hex
    if request.method == "POST":
        kept = {row_number(text) for text in request.POST.getlist("keep")}
        if request.POST.get("action") == "take":
            seed = request.POST.get("seed", "")[:40]
            if answer := _take_order(request, queue, posts, seed, kept):
                return answer
    swaps = slots.shuffled(posts, seed, kept)
    context = {
        "queue": queue,
        "swaps": sorted(swaps, key=lambda swap: swap.when.due_at),
        "seed": seed,
        "kept": kept,
        "posts": _mark(posts, kept),
    }
    return render(request, "publishing/queue_shuffle.html", context)


def _take_order(
    request: HttpRequest,
    queue: Queue,
    posts: Sequence[Post],
    seed: str,
    kept: Collection[int],
) -> HttpResponse | None:
    """Write the order that was shown; None: it has to be looked at once more, and a
    message says why."""
    if request.POST.get("posts", "") != _mark(posts, kept):
        messages.error(
            request,
            _("The order is another one by now, so nothing was moved: look at it."),
        )
        return None
    try:
        number = slots.reshuffle(request.user, queue, slots.shuffled(posts, seed, kept))
    except moving.Refused as refused:
        words = _("Nothing was moved. %(why)s Keep that post in its place to go on.")
        messages.error(request, words % {"why": str(refused)})
        return None
    text = ngettext("%(n)s post is moved.", "%(n)s posts are moved.", number)
    messages.success(request, text % {"n": number})
    return redirect("queue_list")


def _mark(posts: Sequence[Post], kept: Collection[int]) -> str:
    """What the preview showed: these posts at these times, and which stay there."""
    return ",".join(
        f"{post.pk}@{post.due_at.timestamp():.0f}{'=' if post.pk in kept else ''}"
        for post in posts
        if post.due_at
    )
