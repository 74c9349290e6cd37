"""Where platforms send their events: no session, no person, only a signature."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from django_q.tasks import async_task

from accounts.models import Network
from platforms import registry

from . import platform_hooks

MAX_BODY = 256 * 1024
WORK = "monitoring.tasks.handle_webhooks"


@csrf_exempt
@never_cache
@require_http_methods(["GET", "POST"])
def platform_hook(request: HttpRequest, network: str, platform: str) -> HttpResponse:
    """GET: the handshake. POST: events; 200 at once, the work is a task's."""
    known = platform in registry.PLATFORMS and network in Network.values
    if not known or not registry.spec(platform).hook_name:
        raise Http404
    try:
        if request.method == "GET":
            query, now = request.GET.dict(), timezone.now()
            answer = platform_hooks.challenge(platform, network, query, now)
            return HttpResponse(answer.body, content_type=answer.content_type)
        length = str(request.META.get("CONTENT_LENGTH") or "0")
        if not length.isdecimal() or int(length) > MAX_BODY:
            return _plain("Too large.", 413)
        headers = {name.lower(): value for name, value in request.headers.items()}
        fresh = platform_hooks.take_in(
            platform, network, request.body, headers, timezone.now()
        )
    except LookupError:
        raise Http404 from None
    except ValueError as refused:
        if request.method == "POST" and registry.spec(platform).hook_by_account:
            # A hub sends again what is refused; it is not kept, and that is enough.
            return _plain("Ignored.", 202)
        return _plain(f"Refused: {refused}.", 403)
    if fresh:
        async_task(WORK, cluster="monitor")
    return _plain("Noted.", 200)


def _plain(words: str, status: int) -> HttpResponse:
    return HttpResponse(words, status=status, content_type="text/plain; charset=utf-8")
