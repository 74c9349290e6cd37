"""How a browser sends a large file in parts, and goes on after a break.

    POST   media/uploads/       brand, name, size, changed  -> 201 {"address", "id"}
    HEAD   media/uploads/<id>/  -> Upload-Offset: where to go on
    PUT    media/uploads/<id>/  Upload-Offset and bytes     -> 204 Upload-Offset
    DELETE media/uploads/<id>/  -> 204

The last step is the form's: it names the id in `upload`, and the composer measures and
keeps the file. The same file begun again goes on where it was. Answers that are no
success hold {"problem": sentence}; 409 says in Upload-Offset where to go on, 423 that
another request (another tab) is writing it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, Any, cast

from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.http.request import UnreadablePostError
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import Brand
from accounts.roles import can_write

from . import media
from .access import role_required, row_number
from .measuring import UploadRefused
from .models import MediaAsset
from .upload_models import Upload, UploadBusy, WrongOffset

#: What the page sends at once: little enough to be repeated, much enough to be fast.
PART_BYTES = 8 << 20


def upload_of(user: Any, key: str) -> Upload | None:
    try:
        return Upload.objects.of(user).filter(pk=uuid.UUID(key)).first()
    except ValueError:
        return None


def arrivals(
    request: HttpRequest, data: QueryDict, brand: Brand | None
) -> Iterator[tuple[str, Callable[[], MediaAsset]]]:
    """Name of each new file, and what takes it in."""
    for file in request.FILES.getlist("files"):
        if brand is not None:
            yield str(file.name), partial(media.take_upload, file, brand, request.user)
    for key in dict.fromkeys(data.getlist("upload")):
        upload = upload_of(request.user, str(key))
        if upload is not None:
            yield upload.name, upload.finish


@require_POST
@role_required(can_write)
def upload_begin(request: HttpRequest) -> HttpResponse:
    brands = Brand.objects.visible_to(request.user)
    brand = get_object_or_404(brands, pk=row_number(request.POST.get("brand", "")))
    try:
        upload = Upload.begin(
            request.user,
            brand,
            request.POST.get("name", ""),
            row_number(request.POST.get("size", "")),
            request.POST.get("changed", ""),
        )
    except UploadRefused as refused:
        return _problem(str(refused), 422)
    address = reverse("upload_part", args=[upload.pk])
    answer = {"id": str(upload.pk), "address": address}
    return _at(upload, JsonResponse(answer, status=201))


@require_http_methods(["HEAD", "PUT", "DELETE"])
@role_required(can_write)
def upload_part(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    upload = get_object_or_404(Upload.objects.of(request.user), pk=pk)
    if request.method == "HEAD":
        return _at(upload, HttpResponse(status=200))
    try:
        if request.method == "DELETE":
            upload.cancel()
            return HttpResponse(status=204)
        offset = request.headers.get("Upload-Offset", "")
        if not offset.isdecimal():
            return _problem(_("The header Upload-Offset is missing."), 400)
        upload.receive(int(offset), cast(IO[bytes], request))
    except UploadBusy:
        return _problem(_("Another tab is sending this file."), 423)
    except WrongOffset:
        return _at(upload, _problem(_("Go on at another place."), 409))
    except UploadRefused as refused:
        return _at(upload, _problem(str(refused), 507))
    except UnreadablePostError:
        # The browser is gone; what had come is kept.
        return _at(upload, _problem(_("The connection broke."), 400))
    return _at(upload, HttpResponse(status=204))


def _problem(sentence: str, status: int) -> JsonResponse:
    return JsonResponse({"problem": sentence}, status=status)


def _at(upload: Upload, response: HttpResponse) -> HttpResponse:
    response["Upload-Offset"] = str(upload.received_bytes)
    response["Upload-Length"] = str(upload.size_bytes)
    response["Cache-Control"] = "no-store"
    return response
