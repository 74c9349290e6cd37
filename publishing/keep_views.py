"""Saving by itself while somebody writes, answered in JSON (static: keeping.js)."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import time_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.roles import can_write

from . import composing, conflicts
from .access import role_required
from .compose_views import post_named
from .forms import PostForm, new_token
from .models import MediaAsset, Post, StaleState

#: A draft need not know its time yet; whatever else is wrong is said and not written.
MAY_BE_WRONG = {"date", "time", "zone", "useful_until"}


@require_http_methods(["GET", "POST"])
@role_required(can_write)
def compose_keep(request: HttpRequest) -> HttpResponse:
    """Write what stands in the form into its draft.

    state: "saved"; "nothing" (there is nothing to save yet); "kept" (the post is no
    draft: it changes only when a person says so); "refused" (a field cannot be stored);
    "conflict" (somebody was faster); "again". words: for the person. GET: whether the
    server is there and knows the reader.
    """
    if request.method == "GET":
        return JsonResponse({"state": "there"})
    token = str(request.POST.get("token", ""))
    post = post_named(request) or composing.post_of_form(request.user, token)
    form = PostForm(request.POST, user=request.user, post=post)
    form.is_valid()
    composition = form.composition()
    is_draft = post is None or post.state == Post.State.DRAFT
    # What stands there already was this form's: its answer got lost on the way.
    arrived = (
        post is not None
        and is_draft
        and composition is not None
        and _same(post, composition, form)
    )
    conflict = None if arrived else conflicts.found(form, post, compare=False)
    if conflict is not None:
        words = _("%(what)s Yours is not saved yet: compare the two.")
        return _answer("conflict", words % {"what": conflict.sentence})
    if not is_draft:
        words = _("Kept in this browser %(time)s. The post changes when you save.")
        return _answer("kept", words % {"time": _clock()})
    wrong = [name for name in form.errors if name not in MAY_BE_WRONG]
    if wrong or composition is None:
        words = _("Not saved yet: %(why)s What you typed is kept in this browser.")
        return _answer("refused", words % {"why": _why(form, wrong)})
    if post is None and composition.is_empty:
        return _answer("nothing", "")
    if post is None or not arrived:
        try:
            post = composing.save(
                composition,
                request.user,
                post=post,
                token=token or new_token(),
                when=form.timing(),
                wall=form.wall(),
                go=False,
                by_itself=True,
            ).post
        except (StaleState, IntegrityError):
            # Another request of this form, or a person, was first: asked again.
            return _answer("again", "")
        except MediaAsset.DoesNotExist:
            return _answer("refused", _("A file of this post was deleted meanwhile."))
    return _answer(
        "saved",
        _("Saved %(time)s") % {"time": _clock()},
        post=post.pk,
        version=conflicts.version_of(post),
        url=reverse("post_edit", args=[post.pk]),
    )


def _answer(state: str, words: str, **more: Any) -> JsonResponse:
    return JsonResponse({"state": state, "words": words, **more})


def _clock() -> str:
    return time_format(timezone.localtime(), "H:i")


def _why(form: PostForm, wrong: list[str]) -> str:
    if not wrong:
        return _("Choose a brand.")
    name = wrong[0]
    label = form.fields[name].label if name in form.fields else ""
    return " ".join(
        f"{label}: {error}" if label else str(error) for error in form.errors[name]
    )


def _same(post: Post, composition: composing.Composition, form: PostForm) -> bool:
    if composing.saved_composition(post) != composition:
        return False
    when = form.timing()
    if when is None:
        return (post.local_date, post.local_time, post.zone) == form.wall()
    return (post.due_at, post.useful_until) == (when.due_at, when.useful_until)
