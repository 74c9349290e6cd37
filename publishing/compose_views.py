"""The composer: write, check, attach files, save, schedule, change."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.db import IntegrityError
from django.db.models import prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts import budgets
from accounts.fixed_query import SAMPLE_KEY, Seen
from accounts.models import Brand
from accounts.roles import can_write, is_admin
from accounts.selects import options
from accounts.zones import zone_names

from . import (
    composing,
    conflicts,
    fitting,
    incoming,
    leftovers,
    media,
    mentions,
    new_choices,
    part_forms,
    polls,
    previews,
    risk,
    slots,
)
from .access import role_required, row_number
from .composing import AccountChecks, Composition, Line, Timing
from .forms import PostForm, new_token
from .library import LibraryFilters
from .models import Delivery, MediaAsset, MediaQuerySet, NativePost, Post, StaleState
from .upload_models import UploadBusy
from .upload_views import PART_BYTES, arrivals

#: What a button of the composer asks for besides saving.
SAVING = {"draft", "schedule", "following"}
#: What keeping.js says.
KEEP_WORDS = {
    "typing": gettext_lazy("Saving …"),
    "away": gettext_lazy(
        "The server does not answer. What you typed is kept in this browser and is sent "
        "as soon as it does."
    ),
    "out": gettext_lazy(
        "You are no longer signed in. What you typed is kept in this browser: sign in in "
        "another tab, and it is sent."
    ),
    "full": gettext_lazy(
        "This browser keeps no copy: it is full, or does not allow it. Save now and then."
    ),
}
#: Files that the library offers at once.
PICK_FROM = 24


# ---------------------------------------------------------------- the checks panel


@dataclass
class Panel:
    """All that stands beside the buttons. reasons: why it cannot be scheduled now."""

    checks: Sequence[AccountChecks] = ()
    repeats: Sequence[Delivery] = ()
    #: what somebody posted at the network itself, and says the same
    native_repeats: Sequence[NativePost] = ()
    reasons: list[Line] = field(default_factory=list)
    clock_note: str = ""
    close_by: Sequence[str] = ()
    timing: Timing | None = None
    number: int = 0
    previews: Sequence[previews.Preview] = ()
    conflict: conflicts.Conflict | None = None

    @property
    def alike(self) -> Sequence[composing.Alike]:
        return composing.alike(self.checks)

    @property
    def price(self) -> str:
        """What all networks together take for it; "" where one account says it all."""
        costs = [row.cost for row in self.checks if row.cost]
        return budgets.dollars(sum(costs)) if len(costs) > 1 else ""


def _reason(sentence: Any, anchor: str, label: str = "", cure: str = "") -> Line:
    return Line(True, str(sentence), cure, label, anchor)


def build_panel(form: PostForm, now: datetime) -> Panel:
    """Run every rule of scheduling over the form as it stands."""
    panel = Panel(number=len(form.chosen))
    if form.is_bound:
        panel.conflict = conflicts.found(form, form.post, compare=False)
        form.is_valid()
        for name, errors in form.errors.items():
            label = form.fields[name].label if name in form.fields else _("Files")
            anchor = f"id_{name}" if name in form.fields else "media"
            panel.reasons += [_reason(str(e), anchor, str(label or "")) for e in errors]
    composition = form.composition()
    if composition is None:
        return panel
    if not composition.accounts and not (form.post and form.deliveries):
        panel.reasons.append(_reason(_("Choose at least one account."), "accounts"))
    panel.checks = composing.check(composition, cures=True, active=form.active_stops)
    panel.previews = previews.of_checks(composition, panel.checks)
    panel.reasons += _refusals(panel.checks)
    if form.is_bound and not form.errors:
        _judge_time(form, panel, composition, now)
    return panel


def _refusals(checks: Sequence[AccountChecks]) -> Iterator[Line]:
    """What accounts refuse; said once where several of a network say the same."""
    found: dict[tuple[str, Line], list[str]] = {}
    for row in checks:
        for line in row.refused:
            said = _reason(line.sentence, line.anchor, line.field, line.cure)
            found.setdefault((row.account.spec.name, said), []).append(row.account.name)
    for (network, line), names in found.items():
        who = names[0]
        if len(names) > 1:
            number = {"n": len(names)}
            who = ngettext("%(n)s account", "%(n)s accounts", len(names)) % number
        yield replace(line, sentence=f"{network} · {who}: {line.sentence}.")


def _judge_time(
    form: PostForm, panel: Panel, composition: Composition, now: datetime
) -> None:
    when = panel.timing = form.timing(now)
    if when is None:
        panel.reasons.append(
            _reason(_("Choose a date and a time, or Now."), "id_date", _("Date"))
        )
        return
    if not form.is_now:
        panel.clock_note = composing.clock_note(when.day, when.wall, when.zone)
        if when.due_at < now.replace(second=0, microsecond=0) and not _kept(form, when):
            panel.reasons.append(
                _reason(
                    _("%(time)s on %(date)s in %(zone)s is past.")
                    % {
                        "time": f"{when.wall:%H:%M}",
                        "date": date_format(when.day, _("D j M Y")),
                        "zone": when.zone,
                    },
                    "id_date",
                    _("Date"),
                    _("Choose a later time, or choose Now."),
                )
            )
    chosen = form.cleaned_data.get("useful_until")
    if chosen and when.useful_until <= max(when.due_at, now) and not _kept(form, when):
        panel.reasons.append(
            _reason(
                _("It would no longer be useful when it goes out."),
                "id_useful_until",
                _("Useful until"),
                _("Choose a later time, or leave it empty."),
            )
        )
    found = risk.of_draft(
        composition.accounts,
        composition.draft_for,
        when.due_at,
        when.useful_until,
        form.post,
        now,
    )
    panel.checks = [
        replace(row, held=row.held or reasons[0].sentence, risks=reasons)
        if (reasons := found.get(row.account.pk))
        else row
        for row in panel.checks
    ]
    elsewhere = composing.said_elsewhere(composition, when.due_at, form.post)
    panel.checks = [
        replace(row, lines=[*row.lines, line])
        if (line := elsewhere.get(row.account.pk))
        else row
        for row in panel.checks
    ]
    panel.close_by = slots.close_by(composition.accounts, when.due_at, form.post)
    panel.repeats = composing.repeats(composition, when.due_at, form.post)
    panel.native_repeats = composing.native_repeats(composition, when.due_at)
    if (panel.repeats or panel.native_repeats) and not form.cleaned_data.get(
        "repeat_ok"
    ):
        panel.reasons.append(
            _reason(
                _("The same post goes to the same account within a day.")
                if panel.repeats
                else _("The same was posted on the same account by hand within a day."),
                "id_repeat_ok",
                "",
                _("Change it, or tick “Send it all the same”."),
            )
        )


def _kept(form: PostForm, when: Timing) -> bool:
    """The time is the one that the post already has: its past is no mistake."""
    post = form.post
    return bool(
        post
        and post.state == Post.State.SCHEDULED
        and post.due_at == when.due_at
        and post.useful_until == when.useful_until
    )


# ---------------------------------------------------------------- pages


@role_required(can_write)
def compose(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        token = request.POST.get("token", "")
        # Sent twice (double click, back and again): go on with what the first made.
        return _submit(request, composing.post_of_form(request.user, token))
    return _page(request, PostForm(user=request.user, initial=_blank(request)), None)


#: A post to be shown; one that is written is read by itself.
_opened = Seen(
    lambda reader, pk: (
        Post.objects.visible_to(reader).filter(pk=pk).select_related("brand")
    ),
    SAMPLE_KEY - 1,  # another one than the reader's
    for_all=True,
)


@role_required(can_write)
def post_edit(request: HttpRequest, pk: int) -> HttpResponse:
    if request.method == "POST":
        posts = Post.objects.visible_to(request.user).select_related("brand")
        post = get_object_or_404(posts, pk=pk)
    elif found := _opened.objects(request.user, pk):
        [post] = found
        prefetch_related_objects([post], "deliveries")
    else:
        raise Http404
    if not _may_change(post):
        messages.info(
            request,
            _(
                "Nothing of this post can be changed any more. Copy it to send it again."
            ),
        )
        return redirect(post)
    if request.method == "POST":
        return _submit(request, post)
    form = PostForm(user=request.user, post=post, initial=_stored(post))
    return _page(request, form, post)


def _may_change(post: Post) -> bool:
    if post.state == Post.State.DRAFT:
        return True
    states = (*composing.CHANGEABLE, Delivery.Status.FAILED)
    return any(row.status in states for row in post.deliveries.all())


@require_POST
@role_required(can_write)
def compose_check(request: HttpRequest) -> HttpResponse:
    """The checks panel alone, for the page that refreshes it while one types."""
    post = post_named(request)
    form = PostForm(request.POST, user=request.user, post=post)
    trouble = ""
    composition = form.composition() if request.POST.get("action") == "names" else None
    if composition is not None:
        drafts = ((a, composition.draft_for(a.platform)) for a in composition.accounts)
        trouble = mentions.look_up(drafts)
    panel = build_panel(form, timezone.now())
    context = {"form": form, "panel": panel, "post": post, "live": True}
    context["names_trouble"] = trouble
    return render(request, "publishing/_panel.html", context)


@require_POST
@role_required(can_write)
def media_upload(request: HttpRequest) -> HttpResponse:
    """Store files, reorder or remove them; answer with the files part of the form."""
    data = request.POST.copy()
    problems = _files(request, data, post_named(request))
    form = PostForm(data, user=request.user, post=post_named(request))
    context = {"form": form, "file_problems": problems, "arriving": _arriving(data)}
    return render(request, "publishing/_files.html", context)


@require_POST
@role_required(can_write)
def compose_parts(request: HttpRequest) -> HttpResponse:
    """Add, move, remove or split parts; answer with that network's part of the form."""
    data, post = request.POST.copy(), post_named(request)
    slug, problems = _parts(request, data, post)
    form = PostForm(data, user=request.user, post=post)
    section = next((one for one in form.sections if one.spec.slug == slug), None)
    if section is None:
        raise Http404("no such network here")
    problems += incoming.refused_files(request)
    context = {"form": form, "section": section, "part_problems": problems}
    return render(request, "publishing/_network.html", {**context, "open": True})


@require_POST
@role_required(can_write)
def compose_choice(request: HttpRequest) -> HttpResponse:
    """Make one more choice at a network; answer with that network's part of the form."""
    data, post = request.POST.copy(), post_named(request)
    name, problems = _make_choice(request, data, post)
    form = PostForm(data, user=request.user, post=post)
    section = next(
        (one for one in form.sections if any(f.name == name for f in one.options)), None
    )
    if section is None:
        raise Http404("no such choice here")
    context = {"form": form, "section": section, "open": True}
    context |= {"choice_field": name, "choice_problems": problems}
    return render(request, "publishing/_network.html", context)


def _make_choice(
    request: HttpRequest, data: QueryDict, post: Post | None
) -> tuple[str, list[str]]:
    """The action is choice:FIELD. The field's name, and why nothing was made; what was
    made is chosen in the form's data."""
    name = str(data.get("action", "")).partition(":")[2]
    form = PostForm(data, user=request.user, post=post)
    fields = (field for section in form.sections for field in section.options)
    field = next((f for f in fields if f.name == name and f.making), None)
    if field is None or field.account is None:
        return name, []
    typed = str(data.get(field.new_name, ""))
    try:
        data[name] = new_choices.make(field.account, field.option, typed, request.user)
    except new_choices.NotMade as why:
        return name, [str(why)]
    data[field.new_name] = ""
    return name, []


def post_named(request: HttpRequest) -> Post | None:
    pk = request.POST.get("post", "")
    if not pk:
        return None
    posts = Post.objects.visible_to(request.user)
    return get_object_or_404(posts, pk=row_number(pk))


# ---------------------------------------------------------------- submitting


def _submit(request: HttpRequest, post: Post | None) -> HttpResponse:
    data = request.POST.copy()
    problems = _files(request, data, post)
    problems += _parts(request, data, post)[1]
    action = str(data.get("action", ""))
    if action.startswith("theirs:") and post is not None:
        conflicts.take(data, action.partition(":")[2], post)
    if action.startswith("leave_out:"):
        out = action.partition(":")[2].split()
        kept = [pk for pk in data.getlist("accounts") if pk not in out]
        data.setlist("accounts", kept)
    if action == "slot":
        problems += _take_slot(request, data, post)
    if action.startswith("fit:"):
        problems += _fit(request, data, post)
    if action.startswith("choice:"):
        problems += _make_choice(request, data, post)[1]
    form = PostForm(data, user=request.user, post=post)
    if action == "insert":
        _insert(form, data)
        form = PostForm(data, user=request.user, post=post)
    if action not in SAVING or problems:
        return _page(request, form, post, problems=problems)
    now = timezone.now()
    panel = build_panel(form, now)
    if post is None:
        # A twin of this request may have saved since; then its post is no repeat.
        first = composing.post_of_form(request.user, str(data.get("token", "")))
        if first is not None:
            return _submit(request, first)
    conflict = conflicts.found(form, post, compare=True)
    seen = conflict is not None and data.get("seen") == conflict.version
    stale = conflict is not None and not seen
    if stale:
        panel.reasons.insert(0, _reason(_CHANGED, "conflict"))
    # A scheduled post is never saved as a draft: it would go out unchecked.
    go = action in {"schedule", "following"} or (
        post is not None and post.state == Post.State.SCHEDULED
    )
    composition = form.composition()
    if composition is None or stale or form.errors or (go and panel.reasons):
        return _page(request, form, post, panel=panel)
    if post is not None and go and _is_echo(post, composition, form):
        return _saved(post, data)
    try:
        result = composing.save(
            composition,
            request.user,
            post=post,
            token=str(form.cleaned_data.get("token") or "") or new_token(),
            when=panel.timing,
            wall=form.wall(),
            go=go,
            twice_ok=bool(form.cleaned_data.get("repeat_ok")),
            replaced=conflict.differences if conflict else (),
            shown_open=form.shown_open,
        )
    except StaleState:
        assert post is not None
        read = conflicts.version_of(post)
        post.refresh_from_db()
        if composing.saved_composition(post) == composition:
            return _saved(post, data)  # a double click
        data["version"] = str(data.get("version") or read)
        panel.reasons.insert(0, _reason(_CHANGED, "conflict"))
        return _page(
            request, PostForm(data, user=request.user, post=post), post, panel=panel
        )
    except MediaAsset.DoesNotExist:
        return _page(request, form, post, panel=panel, problems=[str(_FILE_GONE)])
    except IntegrityError:
        # The same form was sent twice at once and the other one was first.
        first = composing.post_of_form(
            request.user, str(form.cleaned_data.get("token") or "")
        )
        if first is None:
            raise
        if go and first.state == Post.State.DRAFT:
            # The composer had just saved it by itself.
            return _submit(request, first)
        return _saved(first, data)
    _tell(request, result, panel, go)
    if action == "following" and result.post.series_id:
        # What that does to the others is looked at first.
        return _saved(result.post, data, "post_follow")
    return _saved(result.post, data)


def _saved(post: Post, data: QueryDict, view: str = "post_detail") -> HttpResponse:
    """On to the post; the browser learns that this form's typing need not be kept."""
    answer = redirect(view, pk=post.pk)
    token = str(data.get("token", ""))
    if re.fullmatch(r"[0-9a-f]{32}", token):
        answer.set_cookie("saved_form", token, max_age=600, samesite="Lax")
    return answer


def _take_slot(request: HttpRequest, data: QueryDict, post: Post | None) -> list[str]:
    """Put the next free slot of the queue that was chosen into the form's data.

    Free for the accounts that are ticked; without any, for all of the queue, which are
    ticked then.
    """
    form = PostForm(data, user=request.user, post=post)
    key = row_number(str(data.get("queue", "")))
    queue = next((one for one in form.queues if one.pk == key), None)
    if queue is None:
        return [_("Choose a queue first.")]
    accounts = {account.pk for account in form.chosen}
    if not accounts:
        accounts = {account.pk for account in queue.accounts.all()}
        data.setlist("accounts", [str(pk) for pk in sorted(accounts)])
    free = slots.next_free(queue, accounts, timezone.now(), post.pk if post else None)
    if free is None:
        words = _("%(name)s has no free slot in the next twelve weeks.")
        return [words % {"name": queue.name}]
    data["when"] = "at"
    data["date"], data["zone"] = free.when.day.isoformat(), free.when.zone
    data["time"] = f"{free.when.wall:%H:%M}"
    data["useful_until"] = ""
    return []


def _fit(request: HttpRequest, data: QueryDict, post: Post | None) -> list[str]:
    """Put in the place of a file one that a network takes, or have it made.

    The action is fit:FILE:ACCOUNT, and :PART (its key) of a later part of a thread. What
    is to be made is worked out anew. A video takes its time; the checks offer it when it
    is there.
    """
    form = PostForm(data, user=request.user, post=post)
    _verb, _sep, rest = str(data.get("action", "")).partition(":")
    file, chosen, key = (*rest.split(":"), "", "")[:3]
    account = next((one for one in form.chosen if str(one.pk) == chosen), None)
    composition = form.composition()
    if account is None or composition is None:
        return []
    slug, files, part = account.platform, form.attached, 1
    field, alt_field = "media", "alt"
    if key:
        later = composition.parts.get(slug, [])
        part = next((n for n, one in enumerate(later, 2) if one.key == key), 0)
        files = list(later[part - 2].files) if part else []
        field, alt_field = f"part_media_{slug}_{key}", f"part_alt_{slug}_{key}"
    pks = [asset.pk for asset, _alt in files]
    if row_number(file) not in pks:
        return []
    place = pks.index(row_number(file))
    asset, alt = files[place]
    draft = composition.draft_for(slug, account)
    found = fitting.cure_in_post(account, draft, place + 1, asset, part)
    if found is None or found.percent is not None:
        return []
    made = found.ready
    if made is None and found.recipe is not None:
        try:
            made = fitting.make(asset, found.recipe, request.user)
        except media.UploadRefused as refused:
            return [str(refused)]
    if made is None:
        return []
    leftovers.keep([asset.pk, made.pk])
    pks[place] = made.pk
    data.setlist(field, [str(pk) for pk in dict.fromkeys(pks)])
    data[f"{alt_field}_{made.pk}"] = alt
    return []


def _insert(form: PostForm, data: QueryDict) -> None:
    """Put the chosen template or hashtag set below the text."""
    key = row_number(str(data.get("snippet", "")))
    found = next((one.text for one in form.snippets if one.pk == key), "")
    data["text"] = "\n\n".join(
        filter(None, [str(data.get("text", "")).rstrip(), found])
    )


def _is_echo(post: Post, composition: Composition, form: PostForm) -> bool:
    """A new form that comes a second time and says nothing new."""
    return (
        not form.cleaned_data.get("version")
        and post.state == Post.State.SCHEDULED
        and composing.saved_composition(post) == composition
    )


_FILE_GONE = gettext_lazy(
    "A file of this post was deleted from the library meanwhile: it is gone."
)
_CHANGED = gettext_lazy(
    "Somebody has changed this post while you were writing. "
    "What you typed is kept: compare the two below. Saving once more replaces theirs."
)


def _tell(
    request: HttpRequest, result: composing.Result, panel: Panel, go: bool
) -> None:
    """Say what happened, in messages."""
    if not go:
        messages.success(request, _("The draft is saved."))
        return
    when = panel.timing
    assert when is not None
    waits = result.post.deliveries.filter(approvals_missing__gt=0).exists()
    if result.made:
        local = when.due_at.astimezone(ZoneInfo(when.zone))
        words = ngettext(
            "%(n)s post is scheduled for %(when)s (%(zone)s).",
            "%(n)s posts are scheduled for %(when)s (%(zone)s).",
            result.made,
        )
        if waits:
            words = ngettext(
                "%(n)s post waits for approval, planned for %(when)s (%(zone)s).",
                "%(n)s posts wait for approval, planned for %(when)s (%(zone)s).",
                result.made,
            )
        messages.success(
            request,
            words
            % {
                "n": result.made,
                "when": date_format(local, _("D j M Y, H:i")),
                "zone": when.zone,
            },
        )
    elif waits:
        text = _("Your changes are saved. Nothing is sent before they are approved.")
        messages.success(request, text)
    else:
        messages.success(request, _("Your changes are saved."))
    if panel.clock_note:
        messages.info(request, panel.clock_note)
    if result.cancelled:
        messages.info(
            request, _("Taken off: %(n)s accounts.") % {"n": result.cancelled}
        )
    if result.too_late:
        names = ", ".join(account.name for account in result.too_late)
        messages.warning(
            request,
            _("Too late to change for %(names)s: sending has begun.")
            % {"names": names},
        )
    held = [row.account.name for row in panel.checks if row.held]
    if held:
        messages.warning(
            request,
            _("Will be held as things stand: %(names)s.") % {"names": ", ".join(held)},
        )


def _files(request: HttpRequest, data: QueryDict, post: Post | None) -> list[str]:
    """Take what has arrived into the form's data, and do what its file buttons ask.

    Files of the form itself, and `upload`: those that came in parts. Returns sentences
    about files that were refused.
    """
    problems = list(incoming.refused_files(request))
    form = PostForm(data, user=request.user, post=post)
    kept = [asset.pk for asset, _alt in form.attached]
    for said in form.languages_said:
        # A fact of the file, whatever becomes of the post.
        said.save(update_fields=["facts"])
    if len(kept) < len(set(data.getlist("media"))):
        problems.append(str(_FILE_GONE))
    still: list[str] = []
    for name, take in arrivals(request, data, form.brand_now):
        if len(kept) >= composing.MAX_FILES:
            problems.append(
                _("%(name)s was left out: at most %(n)s files.")
                % {"name": name, "n": composing.MAX_FILES}
            )
            continue
        if form.brand_now is None:
            problems.append(_("Choose a brand first."))
            break
        try:
            asset = take()
        except media.UploadRefused as refused:
            problems.append(str(refused))
            continue
        except UploadBusy as busy:
            still.append(str(busy))
            problems.append(
                _("%(name)s is still being looked into. Wait a moment and try again.")
                % {"name": name}
            )
            continue
        if asset.pk in kept:
            problems.append(_("%(name)s is already in the post.") % {"name": name})
            continue
        kept.append(asset.pk)
    verb, _sep, number = str(data.get("action", "")).partition(":")
    if verb == "pick" and row_number(number) not in kept:
        if len(kept) >= composing.MAX_FILES:
            problems.append(
                _("At most %(n)s files go into a post.") % {"n": composing.MAX_FILES}
            )
        elif picked := (
            _library(request, form.brand_now).filter(pk=row_number(number)).first()
        ):
            kept.append(picked.pk)
            data[f"alt_{picked.pk}"] = picked.alt_text
    elif row_number(number) in kept:
        place = kept.index(row_number(number))
        if verb == "remove":
            kept.pop(place)
        elif verb in {"earlier", "later"}:
            other = place + (1 if verb == "later" else -1)
            if 0 <= other < len(kept):
                kept[place], kept[other] = kept[other], kept[place]
    data.setlist("media", [str(pk) for pk in kept])
    data.setlist("upload", still)
    return problems


def _parts(
    request: HttpRequest, data: QueryDict, post: Post | None
) -> tuple[str, list[str]]:
    """The same for the parts of threads: the network that was meant, and problems."""
    form = PostForm(data, user=request.user, post=post)
    buttons = part_forms.Buttons(request, data, form.brand_now)
    return buttons.press(form.chosen), buttons.problems


def _library(request: HttpRequest, brand: Brand | None) -> MediaQuerySet:
    return MediaAsset.objects.visible_to(request.user).filter(brand=brand)


@require_safe
@role_required(can_write)
def media_pick(request: HttpRequest) -> HttpResponse:
    """Files of the library to choose from while writing: the newest that fit."""
    brands = Brand.objects.visible_to(request.user)
    brand = get_object_or_404(brands, pk=row_number(request.GET.get("brand", "")))
    filters = LibraryFilters.read({"q": request.GET.get("library_q", "")})
    rows = filters.apply(_library(request, brand))
    context = {"assets": rows[:PICK_FROM], "brand": brand, "filters": filters}
    return render(request, "publishing/_pick.html", context)


def _arriving(data: QueryDict) -> list[str]:
    """Uploads that were not taken in yet: the form names them again."""
    return [str(key) for key in data.getlist("upload")]


# ---------------------------------------------------------------- showing


def _page(
    request: HttpRequest,
    form: PostForm,
    post: Post | None,
    *,
    panel: Panel | None = None,
    problems: Sequence[str] = (),
) -> HttpResponse:
    panel = panel or build_panel(form, timezone.now())
    if form.is_bound:
        panel.conflict = conflicts.found(form, post, compare=True)
    context: dict[str, Any] = {
        "form": form,
        "post": post,
        "panel": panel,
        "file_problems": problems,
        "arriving": _arriving(form.data) if isinstance(form.data, QueryDict) else [],
        "part_bytes": PART_BYTES,
        "zones": _zones(form.zone_now),
        "has_deliveries": bool(form.deliveries),
        "show_reasons": form.is_bound,
        "keep_words": {key: str(words) for key, words in KEEP_WORDS.items()},
        "may_admin": is_admin(request.user),
    }
    return render(request, "publishing/compose.html", context)


@lru_cache(maxsize=20)
def _zones(chosen: str) -> SafeString:
    """The options of a select. What people know their zone by: places and UTC, and
    whatever is chosen now."""
    places = {
        zone for zone in zone_names() if "/" in zone and not zone.startswith("Etc/")
    }
    named = [(zone, zone) for zone in sorted(places | {"UTC", chosen})]
    return options(named, {chosen})


def _blank(request: HttpRequest) -> dict[str, Any]:
    """A new form: from another post (?copy=), for a day and time (?date= &time= &zone=),
    for a brand."""
    initial: dict[str, Any] = {"token": new_token(), "when": "at"}
    copied = request.GET.get("copy", "")
    if copied:
        posts = Post.objects.visible_to(request.user)
        post = get_object_or_404(posts, pk=row_number(copied))
        initial |= _content(post)
        brand: Brand | None = post.brand
    else:
        brands = Brand.objects.visible_to(request.user).distinct()
        wanted = request.GET.get("brand", "")
        chosen = brands.filter(pk=row_number(wanted)).first() if wanted else None
        brand = chosen or brands.first()
        initial["brand"] = brand.pk if brand else None
        initial["accounts"] = request.GET.getlist("account")
        if picked := row_number(request.GET.get("media", "")):
            files = _library(request, brand).filter(pk=picked)
            initial["media"] = [(asset, asset.alt_text) for asset in files]
    zone = brand.time_zone if brand else "UTC"
    if request.GET.get("zone", "") in zone_names():
        zone = request.GET["zone"]
    soon = timezone.now().astimezone(ZoneInfo(zone)) + timedelta(minutes=90)
    initial["zone"] = zone
    initial["date"] = _day(request.GET.get("date", "")) or soon.date().isoformat()
    initial["time"] = _clock(request.GET.get("time", "")) or soon.strftime("%H:00")
    return initial


def _clock(text: str) -> str:
    try:
        return datetime.strptime(text, "%H:%M").strftime("%H:%M")
    except ValueError:
        return ""


def _day(text: str) -> str:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date().isoformat()
    except ValueError:
        return ""


def _content(post: Post) -> dict[str, Any]:
    saved = composing.saved_composition(post)
    return {
        "brand": post.brand_id,
        "text": saved.text,
        "link_url": saved.link_url,
        "link_title": saved.link_title,
        "link_description": saved.link_description,
        **polls.fields(saved.poll),
        "own": saved.own,
        "options": saved.options,
        "parts": saved.parts,
        "comments": saved.comments,
        "media": saved.files,
        "accounts": [account.pk for account in saved.accounts],
        "labels": ", ".join(saved.labels),
        "campaign": saved.campaign,
    }


def _stored(post: Post) -> dict[str, Any]:
    useful = ""
    if post.due_at and post.useful_until:
        if post.useful_until - post.due_at != composing.USEFUL_FOR:
            local = post.useful_until.astimezone(ZoneInfo(post.zone))
            useful = local.strftime("%Y-%m-%dT%H:%M")
    return {
        **_content(post),
        "version": conflicts.version_of(post),
        "token": new_token(),
        "repeat_ok": any(row.twice_allowed for row in post.deliveries.all()),
        "when": "at",
        "date": post.local_date.isoformat() if post.local_date else "",
        # Seconds only where there are some (a post that was sent with Now).
        "time": _wall(post),
        "zone": post.zone,
        "useful_until": useful,
    }


def _wall(post: Post) -> str:
    if post.local_time is None:
        return ""
    seconds = bool(post.local_time.second)
    return post.local_time.strftime("%H:%M:%S" if seconds else "%H:%M")
