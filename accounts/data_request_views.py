"""Addresses that platforms call by themselves, and what the person may look up."""

from __future__ import annotations

from allauth.core.internal import ratelimit
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST
from django_q.tasks import async_task

from platforms import registry

from . import data_requests
from .models import DataRequest, Network

#: A signed request has a few hundred bytes.
MAX_BODY = 8 * 1024
LOOKED_UP = {"data_deletion": "30/10m/ip"}
WORK = "monitoring.tasks.handle_data_request"


@csrf_exempt
@require_POST
@never_cache
def person_left(request: HttpRequest, network: str, platform: str) -> HttpResponse:
    """Somebody removed our app: what they gave it is over."""
    row = _taken_in(request, network, platform, DataRequest.Kind.DEAUTHORIZED)
    return row if isinstance(row, HttpResponse) else _plain("Noted.", 200)


@csrf_exempt
@require_POST
@never_cache
def data_deletion(request: HttpRequest, network: str, platform: str) -> HttpResponse:
    """Somebody wants their data deleted; the answer says where to look it up."""
    row = _taken_in(request, network, platform, DataRequest.Kind.DELETION)
    if isinstance(row, HttpResponse):
        return row
    return JsonResponse(
        {"url": data_requests.status_url(row), "confirmation_code": row.code}
    )


def _taken_in(
    request: HttpRequest, network: str, platform: str, kind: DataRequest.Kind
) -> DataRequest | HttpResponse:
    known = platform in registry.PLATFORMS and network in Network.values
    if not known or not registry.spec(platform).tells_who_left:
        raise Http404
    length = str(request.META.get("CONTENT_LENGTH") or "0")
    if not length.isdecimal() or int(length) > MAX_BODY:
        return _plain("Too large.", 413)
    signed = request.POST.get("signed_request", "")
    try:
        row = data_requests.take_in(platform, network, kind, signed)
    except LookupError:
        raise Http404 from None
    except ValueError as refused:
        return _plain(f"The signed_request was refused: {refused}.", 400)
    if row.done_at is None:
        async_task(WORK, row.pk, cluster="monitor")
    return row


def _plain(words: str, status: int) -> HttpResponse:
    return HttpResponse(words, status=status, content_type="text/plain; charset=utf-8")


@require_GET
@never_cache
def data_deletion_status(request: HttpRequest, code: str) -> HttpResponse:
    """For the person, by the code that the platform shows them. Names nobody."""
    usage = ratelimit.consume(
        request,
        app="accounts",
        action="data_deletion",
        config=LOOKED_UP,
        limit_get=True,
    )
    row = None
    if usage:
        row = DataRequest.objects.filter(
            code=code, kind=DataRequest.Kind.DELETION
        ).first()
    status = 200 if row else 404 if usage else 429
    context = {"row": row, "too_often": not usage}
    return render(request, "accounts/data_deletion.html", context, status=status)
