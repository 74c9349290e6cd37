"""The media library: find, add, describe, cut and delete files."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, Min
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe
from PIL import Image

from accounts.models import Brand
from accounts.roles import can_write
from platforms.text import tidy

from . import approving, fitting, incoming, leftovers, library, media, recoding, reshape
from .access import role_required, row_number
from .job_views import line
from .library import LibraryFilters
from .library_forms import FileForm, make_form
from .measuring import UploadRefused
from .models import MediaAsset
from .upload_models import UploadBusy
from .upload_views import PART_BYTES, arrivals

PAGE_SIZE = 48


@role_required(can_write)
@require_safe
def media_library(request: HttpRequest) -> HttpResponse:
    brands = list(Brand.objects.visible_to(request.user).distinct().order_by("name"))
    context = _listed(request, request.GET.dict(), brands)
    context |= {
        "folders": library.folders(request.user),
        "kinds": MediaAsset.Kind.choices,
        **_adding(brands, context["filters"].brand),
    }
    return render(request, "publishing/media_library.html", context)


def _listed(
    request: HttpRequest, query: dict[str, str], brands: list[Brand]
) -> dict[str, Any]:
    """The files that the page of this query shows."""
    filters = LibraryFilters.read(query)
    rows = filters.apply(MediaAsset.objects.visible_to(request.user))
    paginator = Paginator(rows.select_related("brand"), PAGE_SIZE)
    page = paginator.get_page(query.get("page"))
    used = library.uses(page.object_list)
    return {
        "page": page,
        "page_query": filters.query(),
        "rows": [(asset, used.get(asset.pk, 0)) for asset in page.object_list],
        "filters": filters,
        "brands": brands,
        "several_brands": len(brands) > 1,
        "room": library.room(brands),
        **_going(request),
    }


def _going(request: HttpRequest) -> dict[str, Any]:
    """How many files go by themselves, and when the first of them does."""
    days = int(settings.MEDIA_UNUSED_DAYS)
    if not days:
        return {}
    rows = MediaAsset.objects.visible_to(request.user).loose()
    told = rows.filter(leftovers.soon()).aggregate(n=Count("pk"), at=Min("loose_since"))
    at = told["at"]
    return {
        "going": told["n"],
        "going_at": at + timedelta(days=days) if at else None,
        "unused_days": days,
    }


def _adding(brands: list[Brand], chosen: str) -> dict[str, Any]:
    return {
        "brands": brands,
        "brand_now": next((b for b in brands if str(b.pk) == chosen), None)
        or next(iter(brands), None),
        "part_bytes": PART_BYTES,
        "arriving": [],
    }


@role_required(can_write)
@require_POST
def media_add(request: HttpRequest) -> HttpResponse:
    """Take in files that were sent in parts, or with the form where scripts are off."""
    brands = list(Brand.objects.visible_to(request.user).distinct().order_by("name"))
    brand = next(
        (b for b in brands if b.pk == row_number(request.POST.get("brand", ""))), None
    )
    if brand is None:
        raise Http404
    problems = list(incoming.refused_files(request))
    added, still = [], []
    for name, take in arrivals(request, request.POST, brand):
        try:
            added.append(take())
        except UploadRefused as refused:
            problems.append(str(refused))
        except UploadBusy as busy:
            still.append(str(busy))
            words = _("%(name)s is still being looked into. It appears in a moment.")
            problems.append(words % {"name": name})
    leftovers.keep([asset.pk for asset in added])
    if request.headers.get("HX-Request"):
        context = {
            **_adding(brands, str(brand.pk)),
            "arriving": still,
            "file_problems": problems,
            "added": added,
        }
        if added:
            # The list of the page from which they came has them, too.
            shown = urlsplit(request.headers.get("HX-Current-URL", "")).query
            context |= _listed(request, dict(parse_qsl(shown)), brands)
            context |= {"folders": library.folders(request.user), "is_fresh": True}
        return render(request, "publishing/_library_files.html", context)
    for problem in problems:
        messages.error(request, problem)
    if added:
        words = ngettext("%(n)s file is added.", "%(n)s files are added.", len(added))
        messages.success(request, words % {"n": len(added)})
    return redirect(f"{reverse('media_library')}?brand={brand.pk}")


@role_required(can_write)
@require_POST
def media_change(request: HttpRequest) -> HttpResponse:
    """Move the picked files to a folder, or delete those of them that no post has."""
    filters = LibraryFilters.read(request.GET.dict())
    picked = [row_number(text) for text in request.POST.getlist("pick")][:500]
    assets = MediaAsset.objects.visible_to(request.user).filter(pk__in=picked)
    if not assets:
        messages.error(request, _("Nothing was picked. Tick the files first."))
    elif request.POST.get("action") == "delete":
        _delete(request, list(assets))
    elif request.POST.get("action") == "keep":
        number = leftovers.keep(list(assets.values_list("pk", flat=True)))
        words = ngettext("%(n)s file is kept.", "%(n)s files are kept.", number)
        messages.success(request, words % {"n": number})
    else:
        folder = " ".join(tidy(request.POST.get("folder", "")).split())[:80]
        pks = list(assets.values_list("pk", flat=True))
        number = MediaAsset.objects.filter(pk__in=pks).update(folder=folder)
        if folder:
            leftovers.keep(pks)
        words = ngettext(
            "%(n)s file lies in “%(folder)s” now.",
            "%(n)s files lie in “%(folder)s” now.",
            number,
        )
        if not folder:
            words = ngettext(
                "%(n)s file lies in no folder now.",
                "%(n)s files lie in no folder now.",
                number,
            )
        messages.success(request, words % {"n": number, "folder": folder})
    return redirect(f"{reverse('media_library')}?{filters.query()}")


def _delete(request: HttpRequest, assets: list[MediaAsset]) -> int:
    """Says in messages what was deleted and what stays. Returns how many are gone."""
    stay, gone = [], 0
    for asset in assets:
        try:
            media.remove(asset, request.user)
            gone += 1
        except media.StillUsed:
            stay.append(asset.name)
    if gone:
        words = ngettext("%(n)s file is deleted.", "%(n)s files are deleted.", gone)
        messages.success(request, words % {"n": gone})
    if stay:
        words = _("Kept, because posts have them: %(names)s.")
        shown = ", ".join(stay[:10]) + (" …" if len(stay) > 10 else "")
        messages.warning(request, words % {"names": shown})
    return gone


@role_required(can_write)
def media_details(request: HttpRequest, pk: int) -> HttpResponse:
    """One file: what it is, where it is used, its words; cut it, or delete it."""
    asset = _asset(request, pk)
    action = request.POST.get("action", "") if request.method == "POST" else ""
    form = FileForm(request.POST if action == "save" else None, instance=asset)
    make = make_form(asset, request.POST if action == "make" else None)
    if action == "save" and form.is_valid():
        with transaction.atomic():
            form.save()
            if "alt_text" in form.changed_data:
                approving.file_described(request.user, asset)
        leftovers.keep([pk])
        messages.success(request, _("Your changes are saved."))
        return redirect("media_details", pk)
    if action == "make" and make is not None and make.is_valid():
        asset.focus_x, asset.focus_y = make.focus
        asset.save(update_fields=["focus_x", "focus_y"])
        recipe = make.recipe(asset)
        if recipe and (answer := _make(request, asset, recipe)):
            return answer
    if action == "keep":
        leftovers.keep([pk])
        messages.success(request, _("The file is kept."))
        return redirect("media_details", pk)
    if action == "delete" and _delete(request, [asset]):
        return redirect("media_library")
    fits = fitting.fits_of_brand(asset)
    if action.startswith("fit:"):
        wanted = [fit for fit in fits if fit.spec.slug == action.removeprefix("fit:")]
        recipe = wanted[0].recipe if wanted else None
        if recipe and (answer := _make(request, asset, recipe)):
            return answer
    posts, number = library.newest_with(asset)
    if request.method == "POST":
        # What was typed, and refused, stands in the form alone.
        asset = _asset(request, pk)
    context = {
        "asset": asset,
        "form": form,
        "make": make,
        "jobs": [line(job) for job in recoding.to_show(asset, request.user)],
        "fits": fits,
        "made": library.made_of(asset),
        "posts": posts,
        "number": number,
        "folders": library.folders(request.user),
    }
    refused = action in {"save", "make"} and not (
        form.is_valid() or (make is not None and make.is_valid())
    )
    status = 422 if refused else 200
    return render(request, "publishing/media_details.html", context, status=status)


def _make(
    request: HttpRequest, asset: MediaAsset, recipe: fitting.AnyRecipe
) -> HttpResponse | None:
    try:
        made = fitting.make(asset, recipe, request.user)
    except UploadRefused as refused:
        messages.error(request, str(refused))
        return None
    if made is None:
        words = _("It is being made of %(name)s, which stays as it is.")
        messages.success(request, words % {"name": asset.name})
        return redirect("media_details", asset.pk)
    leftovers.keep([asset.pk, made.pk])
    words = _("%(name)s is made: %(details)s. The original stays as it is.")
    if made.pk == asset.pk:
        words = _("That would be the same file: nothing was made.")
    messages.success(request, words % {"name": made.name, "details": made.details})
    return redirect("media_details", made.pk)


@role_required(can_write)
@require_safe
def media_cut(request: HttpRequest, pk: int) -> HttpResponse:
    """What would come out, small: ?shape=4:5&x=50&y=50 (percent), &mime_type= of an
    image; ?ratio=0.8 for a shape that has no name."""
    asset = _asset(request, pk)
    form = make_form(asset, request.GET)
    ratio = _ratio(request.GET.get("ratio", ""))
    if form is None or not asset.preview or ratio is None or not form.is_valid():
        raise Http404
    wanted = {"ratio": ratio or form.ratio, "focus": form.focus, "max_side": None}
    out = io.BytesIO()
    try:
        file = asset.preview.storage.open(str(asset.preview.name), "rb")
    except FileNotFoundError:
        # As for the preview itself: a file may be gone from the storage.
        raise Http404 from None
    with file, Image.open(file, formats=["WEBP"]) as image:
        made = reshape.reshaped(image, wanted)
        if form.is_opaque(asset):
            made = reshape.on_paper(made)
        made.save(out, "WEBP", quality=80)
    response = HttpResponse(out.getvalue(), content_type="image/webp")
    response["Cache-Control"] = "private, max-age=86400, immutable"
    return response


def _ratio(said: str) -> float | None:
    """Width by height; 0: none is said. None: it is no such number."""
    try:
        ratio = float(said or 0)
    except ValueError:
        return None
    return ratio if ratio == 0 or 0.01 <= ratio <= 100 else None


def _asset(request: HttpRequest, pk: int) -> MediaAsset:
    assets = MediaAsset.objects.visible_to(request.user)
    named = assets.select_related("brand", "original", "uploaded_by")
    return get_object_or_404(named, pk=pk)
