"""The page behind a link, shown while somebody writes."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST, require_safe

from accounts.released import in_a_row
from accounts.roles import can_write
from platforms import registry

from . import link_facts
from .access import role_required, row_number
from .models import LinkFacts


@require_POST
@role_required(can_write)
def compose_link(request: HttpRequest) -> HttpResponse:
    """What is known of `link_url`; asks for it, and asks again until it is there."""
    turn = row_number(request.POST.get("turn", ""))
    facts = link_facts.asked(request.POST.get("link_url", "").strip())
    # They show what they are given, and of the page nothing but its picture.
    given = [spec.name for spec in registry.all_specs() if not spec.reads_links]
    context = {"facts": facts, "turn": turn + 1, "given": in_a_row(given)}
    answer = render(request, "publishing/_link.html", context)
    if facts and facts.read_at and not facts.trouble:
        answer["HX-Trigger"] = "link-known"  # the previews show it, too
    return answer


@require_safe
@role_required(can_write)
def link_picture(request: HttpRequest, key: str) -> HttpResponse:
    """The small picture of a page, as we made it."""
    facts = get_object_or_404(
        LinkFacts.objects.defer("card"), key=key, has_picture=True
    )
    answer = HttpResponse(bytes(facts.picture), content_type="image/webp")
    answer["Cache-Control"] = "private, max-age=86400"
    answer["Content-Security-Policy"] = "default-src 'none'"
    return answer
