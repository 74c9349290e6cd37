"""Verbs of people on posts that are out: read now, answer a comment, decide."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from django_q.tasks import async_task

from accounts.causes import finding_sentence
from accounts.models import AuditEvent
from accounts.roles import can_review, can_write
from platforms import registry
from platforms.base import Ability, After, Draft, Level
from publishing.access import role_required
from publishing.models import Delivery, InvalidTransition, StaleState

from .after import aftermaths, inbox_of
from .figure_models import Answer, PostComment, Watch

MAX_ANSWER = 10_000
#: What is looked at of an answer that is a post on its platform.
ABOUT_TEXT = ("text", "link")


class AnswerForm(forms.Form):
    """An answer to one comment. Where answers are posts, their limits hold."""

    text = forms.CharField(
        label=gettext_lazy("Answer"),
        max_length=MAX_ANSWER,
        widget=forms.Textarea(attrs={"rows": 5}),
        error_messages={"required": gettext_lazy("Write an answer first.")},
    )
    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, delivery: Delivery, **kwargs: Any) -> None:
        self.delivery = delivery
        super().__init__(*args, **kwargs)

    def clean_text(self) -> str:
        text = str(self.cleaned_data["text"]).replace("\r\n", "\n").strip()
        account = self.delivery.account
        client = account.client()
        rows = [client.spec.call(key) for key in client.calls_of(After.ANSWER)]
        if any(row.mutates and row.ability is Ability.PUBLISH for row in rows):
            found = registry.platform(account.platform).check(
                Draft(text), account.identity(), account.server_limits
            )
            said = [
                finding_sentence(one.cause, one.values)
                for one in found
                if one.level is Level.REFUSED and one.field in ABOUT_TEXT
            ]
            if said:
                raise forms.ValidationError(said)
        return text


@require_POST
@role_required(can_write)
def figures_read_now(request: HttpRequest, pk: int) -> HttpResponse:
    """Have figures and comments read by the monitor cluster, at once."""
    delivery = _delivery(request, pk)
    one = next(iter(aftermaths([delivery], request.user)), None)
    if one is None or not one.may_read_now:
        messages.error(request, _("It was read a moment ago, or cannot be read now."))
    else:
        Watch.objects.filter(delivery=delivery).update(
            next_at=timezone.now(), comments_read_at=None
        )
        async_task("monitoring.tasks.collect_figures", cluster="monitor")
        messages.info(
            request,
            _("The figures are being read. They stand here in a moment."),
        )
    return redirect(f"{delivery.get_absolute_url()}#figures")


@role_required(can_write)
def comment_answer(request: HttpRequest, pk: int) -> HttpResponse:
    """Write an answer; it is sent by the monitor cluster."""
    comments = PostComment.objects.filter(
        delivery__in=Delivery.objects.visible_to(request.user)
    )
    comment = get_object_or_404(comments, pk=pk)
    delivery = _delivery(request, comment.delivery_id)
    aftermath = next(iter(aftermaths([delivery], request.user)), None)
    barrier = (
        inbox_of(aftermath).why_no_answer
        if aftermath
        else _("The post is not published.")
    )
    if barrier:
        messages.error(request, barrier)
        return redirect(f"{delivery.get_absolute_url()}#comments")
    form = AnswerForm(
        request.POST or None, delivery=delivery, initial={"key": uuid.uuid4()}
    )
    if request.method == "POST" and form.is_valid():
        _queue(request, delivery, comment, form.cleaned_data)
        return redirect(f"{delivery.get_absolute_url()}#comments")
    context = {"form": form, "comment": comment, "delivery": delivery}
    return render(request, "monitoring/answer.html", context)


def _queue(
    request: HttpRequest, delivery: Delivery, comment: PostComment, data: dict[str, Any]
) -> None:
    """One answer per form, however often it is sent."""
    upper = comment.parent_id if delivery.account.spec.flat_answers else ""
    answer, is_new = Answer.objects.get_or_create(
        form_key=data["key"],
        defaults={
            "delivery": delivery,
            "comment_id": upper or comment.external_id,
            "quoted": comment.text,
            "text": data["text"],
            "author_id": request.user.pk,
        },
    )
    if is_new:
        AuditEvent.write(request.user, "delivery.answered", delivery, answer=answer.pk)
        async_task("monitoring.tasks.send_answers", cluster="monitor")
    messages.success(
        request, _("The answer leaves in a moment. Its state stands here.")
    )


@require_POST
@role_required(can_review)
def answer_decide(request: HttpRequest, pk: int) -> HttpResponse:
    """A person says whether a lost answer is there."""
    answers = Answer.objects.filter(
        delivery__in=Delivery.objects.visible_to(request.user)
    )
    answer = get_object_or_404(answers.select_related("delivery"), pk=pk)
    verbs = {
        "there": (answer.confirm_there, _("Noted: the answer is there.")),
        "absent": (answer.confirm_absent, _("The answer is sent again.")),
        "drop": (answer.give_up, _("Noted: the answer is not sent.")),
    }
    decide(request, answer.delivery, "answer", verbs)
    return redirect(f"{answer.delivery.get_absolute_url()}#comments")


def decide(
    request: HttpRequest,
    delivery: Delivery,
    what: str,
    verbs: Mapping[str, tuple[Callable[[], Any], str]],
) -> None:
    """A person's word on what nobody could tell. verbs: decision -> what it does, and
    what is said then. what: for the history."""
    decision = request.POST.get("decision", "")
    if decision not in verbs:
        return
    verb, words = verbs[decision]
    try:
        verb()
    except (InvalidTransition, StaleState):
        messages.error(
            request, _("Too late: this has changed meanwhile, so nothing was done.")
        )
        return
    AuditEvent.write(request.user, f"delivery.{what}_{decision}", delivery)
    messages.success(request, words)


def _delivery(request: HttpRequest, pk: int) -> Delivery:
    rows = Delivery.objects.visible_to(request.user)
    return get_object_or_404(rows.select_related("account__credential__app"), pk=pk)
