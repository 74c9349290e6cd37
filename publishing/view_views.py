"""Keeping a view of the calendar or the list under a name, and forgetting it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import Brand
from accounts.roles import can_review, can_write
from platforms.text import tidy

from .access import row_number
from .listing import Filters
from .models import SavedView

#: One person's; more are no help.
MOST = 50
#: What a view keeps of the page besides the filters.
KEPT = ("view", "tab")


@login_required
@require_POST
def view_save(request: HttpRequest) -> HttpResponse:
    """POST page, name, the filters, and share: a brand's key, "" for oneself alone.

    The same name again replaces the view of that name.
    """
    page = request.POST.get("page", "")
    if page not in SavedView.Page.values:
        page = SavedView.Page.CALENDAR
    kept = {name: request.POST.get(name, "")[:20] for name in KEPT}
    query = Filters.read(request.POST.dict()).query(**kept)
    back = redirect(f"{redirect(page).url}?{query}")
    name = " ".join(tidy(request.POST.get("name", "")).split())[:60]
    if not name:
        messages.error(request, _("Name of the view: write one, such as “My week”."))
        return back
    brand = None
    if request.POST.get("share") and (
        can_write(request.user) or can_review(request.user)
    ):
        brands = Brand.objects.visible_to(request.user)
        brand = brands.filter(pk=row_number(request.POST["share"])).first()
    mine = SavedView.objects.filter(person=request.user.pk)
    if mine.count() >= MOST and not mine.filter(page=page, name=name).exists():
        messages.error(
            request, _("You have %(n)s views. Forget one first.") % {"n": MOST}
        )
        return back
    SavedView.objects.update_or_create(
        person_id=request.user.pk,
        page=page,
        name=name,
        defaults={"query": query, "brand": brand},
    )
    if brand:
        said = _("“%(name)s” is saved, and everybody of %(brand)s sees it.")
        messages.success(request, said % {"name": name, "brand": brand.name})
    else:
        messages.success(request, _("“%(name)s” is saved.") % {"name": name})
    return back


@login_required
@require_POST
def view_forget(request: HttpRequest, pk: int) -> HttpResponse:
    """Only whoever saved it may."""
    view = get_object_or_404(SavedView, pk=pk, person=request.user.pk)
    address = view.get_absolute_url()
    view.delete()
    said = _("“%(name)s” is forgotten. The filters stand as they were.")
    messages.success(request, said % {"name": view.name})
    return redirect(address)
