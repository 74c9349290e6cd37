"""What waits for a reviewer, and the buttons under a post that somebody has to approve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import ConnectedAccount
from accounts.roles import can_review, can_write
from platforms import registry

from . import approving
from .access import role_required
from .models import Post
from .option_words import option_words
from .review_models import Review

#: Posts on one page, the first due first.
SHOWN = 20


@dataclass(frozen=True)
class Card:
    """A review as a reader sees it. why_not: why they cannot approve, "" if they can."""

    review: Review
    given: int
    steps: int
    changes: Sequence[approving.Change]
    why_not: str
    is_late: bool
    #: where it goes, by name
    accounts: Sequence[ConnectedAccount]

    @property
    def step(self) -> int:
        return self.given + 1

    @property
    def wordings(self) -> list[Wording]:
        """Each different text once, as it will be sent."""
        found: dict[str, Wording] = {}
        for slug, draft in self._drafts.items():
            if draft["text"]:
                found.setdefault(draft["text"], Wording(draft["text"], [])).of(slug)
        return list(found.values())

    @property
    def follows(self) -> list[tuple[str, str]]:
        """(network and what, words): the parts of a thread, and the first comment."""
        found = []
        for slug, draft in self._drafts.items():
            name = registry.spec(slug).name
            for number, part in enumerate(draft.get("parts", ()), start=2):
                what = _("Part %(n)s") % {"n": number}
                found.append((f"{name}: {what}", part["text"]))
            if draft.get("first_comment"):
                what = _("First comment")
                found.append((f"{name}: {what}", draft["first_comment"]))
        return found

    @property
    def options(self) -> list[tuple[str, str]]:
        """(network and what, words): what was chosen for a network besides."""
        return [
            (f"{registry.spec(slug).name}: {what}", words)
            for slug, draft in self._drafts.items()
            for what, words in option_words(
                slug,
                draft.get("options", {}),
                [one for one in self.accounts if one.platform == slug],
            )
        ]

    @property
    def _drafts(self) -> dict[str, Any]:
        drafts: dict[str, Any] = self.review.says["drafts"]
        return drafts


@dataclass(frozen=True)
class Wording:
    """A text, and the networks that get it."""

    text: str
    networks: list[str]

    def of(self, slug: str) -> None:
        self.networks.append(registry.spec(slug).name)


def cards(reviews: Sequence[Review], user: Any) -> list[Card]:
    """Needs reviews with post, its brand, and their approvals."""
    changed = approving.changes(reviews)
    known = approving.accounts_of(reviews)
    now = timezone.now()
    return [
        Card(
            review,
            len(review.approvals.all()),
            review.post.brand.approval_steps,
            changed[review.pk],
            approving.why_not(review, user, review.post.brand),
            bool(review.post.due_at and review.post.due_at < now),
            list(approving.accounts_in(review, known).values()),
        )
        for review in reviews
    ]


def card_of(post: Post, user: Any) -> Card | None:
    """Of the post's page; None where nothing is asked."""
    found = _whole(Review.objects.filter(post=post, is_current=True))
    return cards(list(found), user)[0] if found else None


def _whole(reviews: Any) -> Any:
    return reviews.select_related("post__brand", "post__author").prefetch_related(
        "approvals__person", "post__media__asset"
    )


@role_required(can_review)
def review_list(request: HttpRequest) -> HttpResponse:
    mine = approving.waiting_for(request.user)
    count = mine.count()
    found = cards(list(_whole(mine)[:SHOWN]), request.user)
    context = {"cards": found, "count": count, "more": max(0, count - SHOWN)}
    return render(request, "publishing/review_list.html", context)


@require_POST
@role_required(can_review)
def review_decide(request: HttpRequest, pk: int) -> HttpResponse:
    """POST action: approve or send_back; mark: the fingerprint of what was looked at;
    text: what is said with it."""
    text, mark = request.POST.get("text", ""), request.POST.get("mark", "")
    try:
        if request.POST.get("action") == "send_back":
            approving.send_back(request.user, pk, mark, text)
            messages.success(request, _("Sent back. Its writer is told why."))
        else:
            review = approving.approve(request.user, pk, mark, text)
            if review.state == Review.State.APPROVED:
                messages.success(request, _("Approved. It goes out as planned."))
            else:
                messages.success(
                    request, _("Approved. One more person has to approve it.")
                )
    except approving.Refused as refused:
        messages.error(request, str(refused))
    return _back(request, pk)


@require_POST
@role_required(can_review)
def post_remark(request: HttpRequest, pk: int) -> HttpResponse:
    post = get_object_or_404(Post.objects.visible_to(request.user), pk=pk)
    try:
        approving.comment(request.user, post, request.POST.get("text", ""))
    except approving.Refused as refused:
        messages.error(request, str(refused))
    return _back(request, pk)


@require_POST
@role_required(can_write)
def review_ask(request: HttpRequest, pk: int) -> HttpResponse:
    """Once more what was sent back, as it is."""
    post = get_object_or_404(Post.objects.visible_to(request.user), pk=pk)
    try:
        approving.ask_again(request.user, post)
    except approving.Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("Asked again. The reviewers are told."))
    return _back(request, pk)


def _back(request: HttpRequest, pk: int) -> HttpResponse:
    to = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(
        to, {request.get_host()}, require_https=request.is_secure()
    ):
        to = reverse("post_detail", args=[pk]) + "#approval"
    return redirect(to)
