"""Runs inside a sandbox: publish to the official Bluesky server, print what became of it."""

from __future__ import annotations

import io
import json
import os
import sys

import django

django.setup()

from datetime import timedelta  # noqa: E402

from django.core.files.base import ContentFile  # noqa: E402
from django.utils import timezone  # noqa: E402
from PIL import Image  # noqa: E402

from accounts.models import (  # noqa: E402
    ConnectedAccount,
    Credential,
    Network,
    PlatformApp,
)
from publishing.models import (  # noqa: E402
    Delivery,
    MediaAsset,
    Post,
    PostMedia,
    Variant,
    schedule,
)
from socialhub.drills.world import make_people  # noqa: E402
from socialhub.sandbox import wait_for  # noqa: E402

server = json.loads(os.environ["BLUESKY"])
handle, secret = sys.argv[1:]
user, brand = make_people()
hosts = {"entryway": server["pds"], "public": server["pds"], "plc": server["plc"]}
app = PlatformApp.objects.create(platform="bluesky", network=Network.LIVE, hosts=hosts)
# The directory leads from the handle to the data server; nothing else is told.
tokens, identity = app.client().sign_in(handle, secret)  # type: ignore[attr-defined]
credential = Credential(app=app, subject_id=identity.external_id, subject_name=handle)
credential.store(tokens)
credential.save()
account = ConnectedAccount.objects.create(
    brand=brand,
    credential=credential,
    platform="bluesky",
    external_id=identity.external_id,
    name=identity.name or handle,
    handle=handle,
    owner=user,
    extra=dict(identity.extra),
)


def post(text: str, **fields: object) -> Post:
    now = timezone.now()
    return Post.objects.create(
        brand=brand,
        author=user,
        text=text,
        due_at=now,
        useful_until=now + timedelta(hours=2),
        **fields,
    )


card = post(
    "Grüße 🌱 with a card #spring",
    link_url="https://acme.example/sow",
    link_title="How to sow",
    link_description="In three steps",
)
picture = post("Two seedlings 👨‍👩‍👧‍👦 and a link", link_url="https://acme.example/s")
buffer = io.BytesIO()
Image.new("RGB", (640, 480), "seagreen").save(buffer, "PNG")
data = buffer.getvalue()
asset = MediaAsset(
    brand=brand,
    name="green.png",
    mime_type="image/png",
    size_bytes=len(data),
    width=640,
    height=480,
    sha256="a" * 64,
)
asset.file.save("green.png", ContentFile(data))
asset.save()
PostMedia.objects.create(post=picture, asset=asset, position=0, alt_text="Green field")
thread = post("One of three 🧵")
Variant.objects.create(
    post=thread,
    platform="bluesky",
    has_text=False,
    parts=["Two of three", "Three of three"],
    options={
        "reply_control": "mentionRule+followingRule",
        "label": "nudity",
        "tags": ["practice"],
    },
)
for made in (card, picture, thread):
    made.accounts.add(account)
    schedule(made, [account])

open_rows = Delivery.objects.exclude(status__in=Delivery.ENDED)
wait_for(lambda: not open_rows.exists(), 60, name="the end of all deliveries")
print(
    json.dumps(
        {
            "did": account.external_id,
            "rows": [
                {
                    "status": row.status,
                    "cause": row.cause,
                    "detail": row.detail,
                    "external_id": row.external_id,
                    "permalink": row.permalink,
                    "parts": [part["id"] for part in row.witness.get("parts_out", ())],
                }
                for row in Delivery.objects.order_by("pk")
            ],
        }
    )
)
