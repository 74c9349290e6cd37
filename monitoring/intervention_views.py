"""Verbs of people: take a post down, hide, show or delete a comment, decide."""

from __future__ import annotations

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_q.tasks import async_task

from accounts.models import AuditEvent
from accounts.roles import can_review, can_write
from publishing.access import role_required
from publishing.models import Delivery

from .after import aftermaths
from .after_views import decide
from .figure_models import Intervention, PostComment
from .intervening import done
from .interventions import remainder, removals, why_not

Kind = Intervention.Kind


@role_required(can_write)
def delete_there(request: HttpRequest, pk: int) -> HttpResponse:
    """Says what is lost, and then has the post deleted at the platform."""
    delivery = _delivery(request, pk)
    removal = next(iter(removals(aftermaths([delivery], request.user))), None)
    place = f"{delivery.get_absolute_url()}#removal"
    if removal is None:
        messages.error(
            request, _("It is not published, so there is nothing to delete.")
        )
        return redirect(place)
    if removal.is_done or removal.is_on_its_way:
        messages.info(request, _("It is deleted there, or on its way."))
        return redirect(place)
    if reason := removal.why_not:
        messages.error(request, reason)
        return redirect(place)
    if request.method == "POST":
        if _begin(request, delivery, Kind.DELETE_POST):
            messages.success(
                request,
                _("It is deleted on %(platform)s in a moment. Its state stands here.")
                % {"platform": removal.platform},
            )
        return redirect(place)
    return render(request, "monitoring/delete_there.html", {"removal": removal})


@require_POST
@role_required(can_write)
def captions_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Have captions added that did not go along with the post."""
    delivery = _delivery(request, pk)
    place = f"{delivery.get_absolute_url()}#left-out"
    one = next(iter(aftermaths([delivery], request.user)), None)
    left = remainder(one) if one else None
    if left is None:
        messages.info(request, _("All of it is there."))
    elif reason := left.why_not:
        messages.error(request, reason)
    elif _begin(request, delivery, Kind.ADD_CAPTIONS):
        text = _("The captions are added in a moment. Their state stands here.")
        messages.success(request, text)
    return redirect(place)


@require_POST
@role_required(can_write)
def comment_visibility(request: HttpRequest, pk: int) -> HttpResponse:
    """Hide a comment, or show it again: the other of what it is."""
    comment, delivery = _comment(request, pk)
    # The button says what was wanted; it may have changed since the page was read.
    kind = Kind.SHOW if request.POST.get("show") else Kind.HIDE
    _on_comment(request, delivery, comment, kind)
    return redirect(f"{delivery.get_absolute_url()}#comments")


@role_required(can_write)
def comment_delete(request: HttpRequest, pk: int) -> HttpResponse:
    comment, delivery = _comment(request, pk)
    if request.method == "POST":
        _on_comment(request, delivery, comment, Kind.DELETE_COMMENT)
        return redirect(f"{delivery.get_absolute_url()}#comments")
    below = PostComment.objects.filter(
        delivery=delivery, parent_id=comment.external_id
    ).count()
    context = {"comment": comment, "delivery": delivery, "below": below}
    return render(request, "monitoring/delete_comment.html", context)


def _on_comment(
    request: HttpRequest, delivery: Delivery, comment: PostComment, kind: str
) -> None:
    if reason := why_not(delivery.account, Intervention.AFTER[kind]):
        messages.error(request, reason)
        return
    if _begin(request, delivery, kind, comment):
        words = {
            Kind.HIDE: _("The comment is hidden in a moment."),
            Kind.SHOW: _("The comment is shown again in a moment."),
            Kind.DELETE_COMMENT: _("The comment is deleted in a moment."),
        }
        messages.success(request, words[Kind(kind)])


def _begin(
    request: HttpRequest,
    delivery: Delivery,
    kind: str,
    comment: PostComment | None = None,
) -> bool:
    """Queue it, once however often it is asked for."""
    try:
        with transaction.atomic():
            Intervention.objects.create(
                delivery=delivery,
                kind=kind,
                author_id=request.user.pk,
                comment_id=comment.external_id if comment else "",
                quoted=comment.text if comment else "",
            )
            AuditEvent.write(request.user, f"delivery.{kind}", delivery)
    except IntegrityError:
        messages.info(request, _("Something is on its way there already."))
        return False
    async_task("monitoring.tasks.send_answers", cluster="monitor")
    return True


@require_POST
@role_required(can_review)
def intervention_decide(request: HttpRequest, pk: int) -> HttpResponse:
    """A person says what became of what nobody could tell."""
    rows = Intervention.objects.filter(
        delivery__in=Delivery.objects.visible_to(request.user)
    )
    row = get_object_or_404(rows.select_related("delivery", "author"), pk=pk)
    verbs = {
        "there": (lambda: done(row, seen_by_person=True), _("Noted: it is done.")),
        "absent": (row.confirm_absent, _("It is tried again.")),
        "drop": (row.give_up, _("Noted: it is left as it is.")),
    }
    decide(request, row.delivery, "intervention", verbs)
    place = "comments" if row.comment_id else "removal"
    return redirect(f"{row.delivery.get_absolute_url()}#{place}")


def _comment(request: HttpRequest, pk: int) -> tuple[PostComment, Delivery]:
    comments = PostComment.objects.filter(
        delivery__in=Delivery.objects.visible_to(request.user)
    )
    comment = get_object_or_404(comments, pk=pk)
    return comment, _delivery(request, comment.delivery_id)


def _delivery(request: HttpRequest, pk: int) -> Delivery:
    rows = Delivery.objects.visible_to(request.user).for_pages()
    return get_object_or_404(rows.select_related("account__credential__app"), pk=pk)
