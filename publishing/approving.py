"""Who has to say yes before a post goes out, and what they said yes to.

A delivery that waits for approval is held, and a constraint of the database keeps it from
every state in which it could be sent. What was approved is kept with it as a fingerprint,
which the engine compares with what it is about to send.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import AuditEvent, Brand, ConnectedAccount
from accounts.roles import ROLES, can_review
from platforms import registry

from . import hooks, polls
from .fingerprints import exact
from .models import (
    Delivery,
    DeliveryQuerySet,
    MediaAsset,
    PartMedia,
    Post,
    PostMedia,
    draft_doc,
    drafts,
)
from .option_words import option_words
from .review_models import Approval, Remark, Review
from .waking import wake_review
from .wording import person

Status, Hold = Delivery.Status, Delivery.Hold
State = Review.State


#: Posts that are asked for in one run; the rest follows at once in the next.
MOST_ASKED = 200
#: Reviewers are reminded of each post by so long before it is due.
REMINDED = timedelta(days=1)


class Refused(Exception):
    """Why not: a sentence for the person."""


# ---------------------------------------------------------------- what a post says


def says(post: Post, rows: Sequence[Delivery]) -> dict[str, Any]:
    """All that an approval is of; a JSON value. rows: the deliveries that are to go,
    with their accounts."""
    texts = drafts(post, sorted({row.account.platform for row in rows}))
    assert post.due_at is not None
    return {
        "due_at": post.due_at.isoformat(),
        "accounts": {str(row.account_id): row.account.name for row in rows},
        "drafts": {slug: draft_doc(draft) for slug, draft in texts.items()},
    }


def _print(said: dict[str, Any]) -> str:
    # A renamed account is still the same one.
    return exact({**said, "accounts": sorted(said["accounts"])})


def bind(post: Post, user: Any, *, quietly: bool = False) -> Review | None:
    """Hold what nobody has approved as it stands, and let go what is approved.

    Called, with the post's row locked, by whatever changes a scheduled post. user: who
    changed it, and asks. None: no approval is needed, or nothing is left to send.
    quietly: reviewers know it otherwise.
    """
    locked = post.deliveries.select_related("account").select_for_update(of=("self",))
    all_rows = list(locked.order_by("pk"))
    rows = [row for row in all_rows if _is_open(row)]
    # Read anew: an admin may have changed the steps a moment ago.
    steps = Brand.objects.values_list("approval_steps", flat=True).get(pk=post.brand_id)
    if steps:
        _nothing_newer([row for row in all_rows if row not in rows])
    reviews = Review.objects.filter(post=post)
    if not steps or not rows:
        if not rows:
            reviews.filter(is_current=True).update(is_current=False)
            return None
        for row in rows:
            _let_go(row, "")
        reviews.filter(is_current=True).update(is_current=False)
        return None
    said = says(post, rows)
    review = _ask(post, said, user, quietly)
    given = review.approvals.count()
    if given >= steps and review.state != State.SENT_BACK:
        if review.state != State.APPROVED:
            review.state, review.decided_at = State.APPROVED, timezone.now()
            review.save(update_fields=["state", "decided_at"])
            post.writers.clear()
        fresh = _fresh(post)
        for row in rows:
            row.post = fresh
            # Not what reviewers read for all accounts of a network: to the letter what
            # this one will get, its own name in links and the parts that are out.
            _let_go(row, exact(draft_doc(row.draft_now())))
    else:
        if review.state == State.APPROVED:  # the brand asks for more than it did
            review.state, review.decided_at = State.WAITING, None
            review.save(update_fields=["state", "decided_at"])
        for row in rows:
            _keep(row, max(1, steps - given))
    return review


def _is_open(row: Delivery) -> bool:
    """Whether it can still change, and is to be sent."""
    is_sent = row.is_in_doubt or (row.lease_expires_at and not row.is_carried)
    return row.status in (Status.SCHEDULED, Status.HELD) and not is_sent


def _nothing_newer(rows: Sequence[Delivery]) -> None:
    """What is on its way, and was never asked for, may come back and go once more: but
    only as it left. So may what has failed and would not be asked for: a rest of a
    thread, and what was let go."""
    for row in rows:
        unasked = row.approved_as in ("", Delivery.LET_GO)
        comes_back = row.status not in Delivery.ENDED or (
            row.status == Status.FAILED and (row.approved_as or row.parts_out)
        )
        if comes_back and row.draft and unasked:
            Delivery.objects.filter(pk=row.pk).update(approved_as=exact(row.draft))


def _fresh(post: Post) -> Post:
    """With what it says now, whatever was read of it before."""
    said = Post.objects.prefetch_related("variants", "media__asset")
    return said.get(pk=post.pk)


def _ask(post: Post, said: dict[str, Any], user: Any, quietly: bool) -> Review:
    """The review of what the post says now; what it said before is asked no more."""
    mark = _print(said)
    current = post.reviews.filter(is_current=True).first()
    if current is not None and current.fingerprint == mark:
        return current
    post.reviews.filter(is_current=True).update(is_current=False)
    review, made = Review.objects.get_or_create(
        post=post, fingerprint=mark, defaults={"says": said, "asked_by": user}
    )
    if not made:
        review.is_current = True
        review.save(update_fields=["is_current"])
    if review.state == State.WAITING and not quietly:
        tell_reviewers(review)
    return review


def _keep(row: Delivery, missing: int) -> None:
    if row.approvals_missing == missing and row.hold == Hold.APPROVAL:
        return
    row.await_approval(missing)


def _let_go(row: Delivery, approved_as: str) -> None:
    if row.approvals_missing or row.hold == Hold.APPROVAL:
        row.approve(approved_as)
    elif row.approved_as != approved_as:
        Delivery.objects.filter(pk=row.pk).update(approved_as=approved_as)


# ---------------------------------------------------------------- who


def why_not(review: Review, user: Any, brand: Brand) -> str:
    """Why this person cannot approve it; "" when they can. Two queries."""
    if not can_review(user):
        return _("Only people with a role can approve.")
    if not brand.own_approval and user.pk in _writers(review):
        return _("It is your own post: somebody else has to approve it.")
    if review.approvals.filter(person=user.pk).exists():
        return _("You have approved it. The next step is somebody else’s.")
    return ""


def reviewers(review: Review) -> list[Any]:
    """Who can approve it: people of the brand with a role, without those who may not."""
    post = review.post
    people = _people(post.brand)
    if not post.brand.own_approval:
        people = people.exclude(pk__in=_writers(review))
    done = review.approvals.values("person")
    return list(people.exclude(pk__in=done).distinct().order_by("pk"))


def _asked_since(post: Any) -> Any:
    """Reviews of a post (key or reference) that nobody approved, nor any later one: what
    their people have written may stand in it still, whoever changed it after them."""
    approved = Review.objects.filter(
        post=OuterRef("post"),
        state=State.APPROVED,
        is_current=False,
        decided_at__gt=OuterRef("asked_at"),
    )
    asked = Review.objects.filter(~Exists(approved), post=post)
    return asked.exclude(state=State.APPROVED, is_current=False)


def _writers(review: Review) -> set[int]:
    """Whose own words it has, so that they do not approve it. One query."""
    asked = _asked_since(review.post_id).order_by().values_list("asked_by", flat=True)
    wrote = _wrote(post=review.post_id).values_list("user", flat=True)
    return {review.post.author_id, review.asked_by_id, *asked.union(wrote)}


def _wrote(**fields: Any) -> Any:
    """Who changed the words or files of a post, before anybody was asked as well."""
    return Post.writers.through._default_manager.filter(**fields)


def _people(brand: Brand) -> Any:
    return get_user_model().objects.filter(
        Q(groups__name__in=ROLES), brands=brand.pk, is_active=True
    )


def waiting_for(user: Any) -> Any:
    """Reviews that this person can decide, the first due first."""
    if not can_review(user):
        return Review.objects.none()
    return undecided_by(user).order_by("post__due_at", "pk")


def undecided_by(user: Any) -> Any:
    """The same for who may review at all. Of the person are asked key and superuser."""
    found = Review.objects.waiting().visible_to(user)
    written = _asked_since(OuterRef("post")).filter(asked_by=user.pk)
    changed = _wrote(post=OuterRef("post"), user=user.pk)
    own = Q(post__author=user.pk) | Q(asked_by=user.pk)
    own |= Q(Exists(written)) | Q(Exists(changed))
    found = found.exclude(own & Q(post__brand__own_approval=False))
    mine = Approval.objects.filter(person=user.pk).values("review")
    return found.exclude(pk__in=mine)


# ---------------------------------------------------------------- verbs


def _locked(user: Any, post_id: int, mark: str) -> tuple[Post, Review]:
    """The post, which nobody changes meanwhile, and its review as the person saw it."""
    posts = Post.objects.visible_to(user).select_for_update(of=("self",))
    post = posts.select_related("brand").filter(pk=post_id).first()
    if post is None:
        raise Refused(_("This post is gone, or belongs to a brand that is not yours."))
    review = post.reviews.filter(is_current=True).first()
    if review is None:
        raise Refused(_("This post waits for nobody’s approval any more."))
    if review.fingerprint != mark:
        raise Refused(
            _("It was changed while you looked at it. Look at what it says now.")
        )
    if review.state != State.WAITING:
        raise Refused(
            _("Somebody was first: %(state)s.") % {"state": review.get_state_display()}
        )
    review.post = post
    if why := why_not(review, user, post.brand):
        raise Refused(why)
    return post, review


def _read_anew(post_id: int) -> None:
    """Some of what it was to be sent to may be cancelled by now, or a file changed."""
    with transaction.atomic():
        post = Post.objects.select_for_update().filter(pk=post_id).first()
        if post is not None and post.reviews.filter(is_current=True).exists():
            bind(post, post.author)


def approve(user: Any, post_id: int, mark: str, text: str = "") -> Review:
    """One step's yes to what stood there when the person looked (`mark`: the review's
    fingerprint). Refused when the post says something else by now."""
    _read_anew(post_id)
    with transaction.atomic():
        post, review = _locked(user, post_id, mark)
        step = review.approvals.count() + 1
        Approval.objects.create(review=review, person=user, step=step)
        _remark(post, user, Remark.Kind.APPROVED, text)
        AuditEvent.write(user, "post.approved", post, step=step)
        # Files or options may have been changed past the composer: then it says
        # something else by now, and that is asked for anew.
        bind(post, review.asked_by)
        review.refresh_from_db()
        if review.state == State.WAITING and review.is_current:
            tell_reviewers(review)
        else:
            _tell_writers(review, user, gettext_lazy("Approved: %(post)s"), text)
    return review


def send_back(user: Any, post_id: int, mark: str, text: str) -> Review:
    """Not like this: it stays held until it is changed. text: why; must not be empty."""
    if not text.strip():
        raise Refused(_("Say what is to be changed, then send it back."))
    _read_anew(post_id)
    with transaction.atomic():
        post, review = _locked(user, post_id, mark)
        review.approvals.all().delete()
        review.state, review.decided_at = State.SENT_BACK, timezone.now()
        review.save(update_fields=["state", "decided_at"])
        _remark(post, user, Remark.Kind.SENT_BACK, text)
        AuditEvent.write(user, "post.sent_back", post)
        bind(post, review.asked_by)
        _tell_writers(review, user, gettext_lazy("Sent back: %(post)s"), text)
    return review


def ask_again(user: Any, post: Post) -> None:
    """What was sent back is asked for once more as it is.

    `asked_by` stays who wrote it: they must not approve it because another asks.
    """
    with transaction.atomic():
        post = Post.objects.select_for_update().get(pk=post.pk)
        sent_back = post.reviews.filter(is_current=True, state=State.SENT_BACK).first()
        if sent_back is None:
            raise Refused(_("It was not sent back, or it was changed since."))
        sent_back.state, sent_back.decided_at = State.WAITING, None
        sent_back.asked_at = timezone.now()
        sent_back.save(update_fields=["state", "decided_at", "asked_at"])
        AuditEvent.write(user, "post.approval_asked", post)
        tell_reviewers(sent_back)


def ask(user: Any, post: Post, *, do: bool) -> str:
    """Ask for a scheduled post: once more for what was sent back, and for what was let
    go or scheduled before. Returns how it stands now; Refused where nothing is to ask."""
    review = post.reviews.filter(is_current=True).first()
    if review is not None and review.state == State.SENT_BACK:
        if do:
            ask_again(user, post)
        return str(review.get_state_display())
    if not Delivery.objects.unasked().filter(post=post).exists():
        if review is None:
            raise Refused(_("Nothing of it is left to send."))
        raise Refused(
            _("It is asked for already: %(state)s.")
            % {"state": review.get_state_display()}
        )
    if do:
        with transaction.atomic():
            locked = Post.objects.select_for_update().get(pk=post.pk)
            AuditEvent.write(user, "post.to_be_approved", locked)
            bind(locked, user)
    return str(post.get_state_display())


def comment(user: Any, post: Post, text: str) -> None:
    """To those who work on the post: writers, owner, and whoever said something."""
    if not text.strip():
        raise Refused(_("Write something first."))
    with transaction.atomic():
        remark = _remark(post, user, Remark.Kind.COMMENT, text)
        people = {post.author, post.looked_after_by}
        people |= {one.author for one in post.remarks.select_related("author")}
        _tell(
            post,
            [one for one in people if one and one.pk != user.pk],
            f"remark:{remark.pk}",
            lambda: (
                _("%(who)s about %(post)s") % {"who": person(user), "post": post},
                text,
            ),
        )


def _remark(post: Post, user: Any, kind: str, text: str) -> Remark:
    return Remark.objects.create(
        post=post, author=user, kind=kind, text=text.strip()[:2000]
    )


# ---------------------------------------------------------------- a brand's rule


def unasked(brand: Brand) -> DeliveryQuerySet:
    """What is on its way without anybody's yes, the first due first."""
    rows = Delivery.objects.unasked().filter(post__brand=brand)
    return rows.order_by("due_at", "pk")


def begin(user: Any, brand: Brand, *, let_go: bool) -> int:
    """The brand asks for approval from now on; what becomes of the posts that are
    scheduled already, and how many those are. let_go: they go as they were planned,
    unless they are changed; else nothing of them is sent before it is approved.

    Use in the transaction that changes the brand's steps.
    """
    # In the order in which saving a post locks its rows.
    locked = unasked(brand).order_by("pk").select_for_update(of=("self",), no_key=True)
    rows_now = locked.select_related("account").only(
        "post", "repeat_is_safe", "witness", "account__platform"
    )
    # What the platform has already waits for nobody.
    found = [row for row in rows_now if not row.is_in_doubt]
    posts = list(Post.objects.filter(pk__in={row.post_id for row in found}))
    rows = Delivery.objects.filter(pk__in=[row.pk for row in found])
    if let_go:
        rows.update(approved_as=Delivery.LET_GO)
    else:
        rows.await_approval(brand.approval_steps, timezone.now())
    verb = "post.let_go" if let_go else "post.to_be_approved"
    AuditEvent.objects.bulk_create(
        [AuditEvent.about(user, verb, post) for post in posts]
    )
    if posts and not let_go:
        _tell_begun(user, brand, len(posts))
        wake_review()
    return len(posts)


def _tell_begun(user: Any, brand: Brand, count: int) -> None:
    """One message for all of them; reminders speak of each in its time."""

    def words() -> tuple[str, str]:
        subject = ngettext(
            "%(n)s post of %(brand)s waits for approval",
            "%(n)s posts of %(brand)s wait for approval",
            count,
        )
        text = _(
            "From now on posts of this brand have to be approved, and those that were "
            "scheduled already as well. None of them goes out before."
        )
        return subject % {"n": count, "brand": brand}, text

    people = _people(brand).exclude(pk=user.pk)
    key = f"approval:{brand.pk}:{timezone.now().timestamp()}"
    hooks.tell(list(people.distinct()), key, words, reverse("review_list"))


def steps_changed(brand: Brand) -> None:
    """What waits is judged by the brand's new number of steps."""
    open_rows = Delivery.objects.filter(
        status__in=(Status.SCHEDULED, Status.HELD),
        post__brand=brand,
        post__reviews__is_current=True,
    )
    for pk in set(open_rows.values_list("post", flat=True)):
        with transaction.atomic():
            post = Post.objects.select_for_update().get(pk=pk)
            bind(post, post.author)


def file_described(user: Any, asset: MediaAsset) -> None:
    """The file's words are others now, and so are the posts that say nothing of their
    own of it: what was approved is asked for at once, not when it is due.

    Use in the transaction that changes the file.
    """
    bare = {"asset": asset.pk, "alt_text": ""}
    here = PostMedia.objects.filter(post=OuterRef("pk"), **bare)
    in_parts = PartMedia.objects.filter(variant__post=OuterRef("pk"), **bare)
    to_go = Delivery.objects.filter(
        post=OuterRef("pk"), status__in=(Status.SCHEDULED, Status.HELD)
    )
    posts = Post.objects.filter(
        Exists(here) | Exists(in_parts), Q(state=Post.State.DRAFT) | Exists(to_go)
    )
    for post in posts.order_by("pk").select_for_update():
        if user.pk != post.author_id:
            post.writers.add(user)
        if post.state == Post.State.SCHEDULED:
            bind(post, user)


def ask_for_changed() -> int:
    """What is held for an approval that nobody is asked for is asked for: what the
    engine held because it says something else by now, and what was scheduled before its
    brand began to ask. How many posts; the first due first."""
    asked = Review.objects.filter(post=OuterRef("post"), is_current=True)
    held = Delivery.objects.filter(
        ~Exists(asked.exclude(state=State.APPROVED)),
        status=Status.HELD,
        hold=Hold.APPROVAL,
    )
    pks = list(
        dict.fromkeys(held.order_by("due_at", "pk").values_list("post", flat=True))
    )
    soon = timezone.now() + REMINDED
    for pk in pks[:MOST_ASKED]:
        with transaction.atomic():
            post = Post.objects.select_for_update().get(pk=pk)
            assert post.due_at is not None
            begun = post.due_at > soon and not post.reviews.exists()
            bind(post, post.author, quietly=begun)
    if len(pks) > MOST_ASKED:
        wake_review()
    return len(pks[:MOST_ASKED])


# ---------------------------------------------------------------- messages


def tell_reviewers(review: Review, when: str = "") -> None:
    """That it waits; when: which reminder, "" for the first word."""
    post = review.post
    step = review.approvals.count()
    key = f"review:{review.pk}:{review.asked_at.timestamp()}:{step}:{when}"

    def words() -> tuple[str, str]:
        subject = _("Please approve: %(post)s") % {"post": post}
        if when:
            subject = _("Still waits for approval: %(post)s") % {"post": post}
        text = _("It is due %(when)s and goes out only when it is approved.") % {
            "when": _clock(post.due_at)
        }
        return subject, text

    _tell(post, reviewers(review), key, words)


def tell_missed(review: Review) -> None:
    """Its time has come without an approval: whoever can still do something, once."""
    post = review.post
    assert post.due_at is not None
    people = [post.author, post.looked_after_by, review.asked_by]
    if review.state == State.WAITING:
        people += reviewers(review)
    key = f"review:{review.pk}:missed:{post.due_at.timestamp()}"

    def words() -> tuple[str, str]:
        subject = _("Not sent, for it was not approved in time: %(post)s")
        text = _(
            "It was due %(when)s. Approve it or choose another time: nothing goes out "
            "before."
        )
        return subject % {"post": post}, text % {"when": _clock(post.due_at)}

    _tell(post, list({one.pk: one for one in people}.values()), key, words)


def _tell_writers(review: Review, user: Any, subject: Any, text: str) -> None:
    post = review.post
    people = [post.author, post.looked_after_by, review.asked_by]
    key = f"decided:{review.pk}:{timezone.now().timestamp()}"
    others = {one.pk: one for one in people if one.pk != user.pk}

    def words() -> tuple[str, str]:
        said = text.strip() or _("By %(who)s.") % {"who": person(user)}
        return str(subject) % {"post": post}, said

    _tell(post, list(others.values()), key, words)


def _tell(post: Post, people: Iterable[Any], key: str, words: hooks.Words) -> None:
    hooks.tell(list(people), key, words, post.get_absolute_url())


def _clock(at: datetime | None) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M %Z}" if at else "–"


# ---------------------------------------------------------------- what changed


@dataclass(frozen=True)
class Change:
    """pieces: (kind, words) with kind same, gone or new."""

    what: str
    pieces: Sequence[tuple[str, str]]


def changes(reviews: Sequence[Review]) -> dict[int, list[Change]]:
    """By review: what is different from what was approved of its post last; empty where
    nothing was. Three queries."""
    keys = [review.post_id for review in reviews]
    approved = Review.objects.filter(post__in=keys, state=State.APPROVED)
    last = {one.post_id: one for one in approved.order_by("decided_at")}
    known = accounts_of([*reviews, *last.values()]) if last else {}
    names = _file_names([*reviews, *last.values()]) if last else {}
    found: dict[int, list[Change]] = {}
    for review in reviews:
        before = last.get(review.post_id)
        found[review.pk] = []
        if before is not None and before.pk != review.pk:
            accounts = {**accounts_in(before, known), **accounts_in(review, known)}
            was, now = (_as_named(one.says, names) for one in (before, review))
            found[review.pk] = differences(was, now, accounts.values())
    return found


def _files(says: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for draft in says["drafts"].values():
        for said in (draft, *draft.get("parts", ())):
            yield from said["media"]


def _file_names(reviews: Iterable[Review]) -> dict[str, str]:
    """What people called the files, by key; one query. What is deleted has none."""
    keys = {file["key"] for one in reviews for file in _files(one.says)}
    assets = MediaAsset.objects.filter(pk__in={key[1:] for key in keys})
    return {f"a{pk}": name for pk, name in assets.values_list("pk", "name") if name}


def _as_named(says: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The same with the names that people gave, not those that platforms get."""
    said = deepcopy(says)
    for file in _files(said):
        file["file_name"] = names.get(file["key"], file["file_name"])
    return said


def accounts_of(reviews: Iterable[Review]) -> dict[int, ConnectedAccount]:
    """All that they are to be sent to, by key; one query."""
    keys = {int(key) for review in reviews for key in review.says["accounts"]}
    return ConnectedAccount.objects.defer("credential").in_bulk(keys)


def accounts_in(
    review: Review, known: Mapping[int, ConnectedAccount]
) -> dict[int, ConnectedAccount]:
    """Of those `known` what the review names, in the order of their names."""
    named = sorted(review.says["accounts"].items(), key=lambda pair: pair[1])
    return {int(key): known[int(key)] for key, _name in named if int(key) in known}


def differences(
    was: dict[str, Any],
    now: dict[str, Any],
    accounts: Iterable[ConnectedAccount] = (),
) -> list[Change]:
    """accounts: for choices that are an account's own."""
    found = []
    accounts = list(accounts)
    if was["due_at"] != now["due_at"]:
        times = [_clock(parse_datetime(one["due_at"])) for one in (was, now)]
        found.append(Change(_("Time"), _pair(*times)))
    if set(was["accounts"]) != set(now["accounts"]):
        networks = {str(one.pk): one.spec.name for one in accounts}
        lost, added = (
            ", ".join(
                f"{name} ({networks[key]})" if key in networks else name
                for key, name in sorted(
                    one["accounts"].items(), key=lambda pair: pair[1]
                )
                if key not in other["accounts"]
            )
            for one, other in ((was, now), (now, was))
        )
        found.append(Change(_("Accounts"), _pair(lost, added)))
    for slug, draft in now["drafts"].items():
        old = was["drafts"].get(slug)
        if old is None or old == draft:
            continue
        name = registry.spec(slug).name
        known = len(found)
        for what, read in _PARTS:
            before, after = read(old), read(draft)
            if before != after:
                label = f"{name}: {what()}"
                found.append(Change(label, _words(before, after)))
        of_network = [one for one in accounts if one.platform == slug]
        had = dict(option_words(slug, old.get("options", {}), of_network))
        has = dict(option_words(slug, draft.get("options", {}), of_network))
        for choice in {**had, **has}:
            words = had.get(choice, ""), has.get(choice, "")
            if words[0] != words[1]:
                found.append(Change(f"{name}: {choice}", _pair(*words)))
        if len(found) == known:
            found.append(Change(name, [("new", _("its options were changed"))]))
    return found


def _media(draft: dict[str, Any]) -> str:
    """Files by name, kind and the words that stand for them."""
    none = _("no alternative text")
    return ", ".join(
        f"{file['file_name']} ({file['alt_text'] or none})" for file in draft["media"]
    )


def _further(draft: dict[str, Any]) -> str:
    parts = [f"{part['text']} {_media(part)}" for part in draft.get("parts", ())]
    return " · ".join([*parts, draft.get("first_comment", "")]).strip(" ·")


_PARTS = (
    (lambda: _("text"), lambda draft: draft["text"]),
    (
        lambda: _("link"),
        lambda draft: " ".join(
            (draft["link_url"], draft["link_title"], draft["link_description"])
        ).strip(),
    ),
    (lambda: _("poll"), lambda draft: polls.doc_words(draft.get("poll", {}))),
    (lambda: _("files"), _media),
    (lambda: _("what follows"), _further),
)


def _pair(was: str, now: str) -> list[tuple[str, str]]:
    return [(kind, words) for kind, words in (("gone", was), ("new", now)) if words]


def _words(was: str, now: str) -> list[tuple[str, str]]:
    """Word by word, so that a changed word stands out in its sentence."""
    old, new = was.split(), now.split()
    pieces: list[tuple[str, str]] = []
    for tag, a, b, c, d in SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        if tag == "equal":
            pieces.append(("same", " ".join(new[c:d])))
        else:
            pieces += _pair(" ".join(old[a:b]), " ".join(new[c:d]))
    # White space alone was changed.
    return pieces if any(kind != "same" for kind, _w in pieces) else _pair(was, now)
