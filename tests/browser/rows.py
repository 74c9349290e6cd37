"""Runs inside the sandbox: posts in states that the engine would not stay in.

Prints the addresses of what was made, as JSON. The clusters leave these rows alone:
nothing of them is due.
"""

from __future__ import annotations

import io
import json

import django

django.setup()

from datetime import time, timedelta  # noqa: E402
from urllib.parse import urlencode  # noqa: E402
from zoneinfo import ZoneInfo  # noqa: E402

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.files.uploadedfile import SimpleUploadedFile  # noqa: E402
from django.utils import timezone  # noqa: E402
from PIL import Image  # noqa: E402

from accounts.models import (  # noqa: E402
    Brand,
    CampaignItem,
    CircuitBreaker,
    ConnectedAccount,
    Credential,
    DataRequest,
    PlatformApp,
    RateBucket,
    ReconnectCampaign,
)
from monitoring.models import (  # noqa: E402
    Alert,
    AlertChannel,
    HealthDay,
    Incident,
    WeekFigures,
)
from platforms.errors import Cause, Outcome  # noqa: E402
from publishing import media, repeating  # noqa: E402
from publishing.models import (  # noqa: E402
    Attempt,
    Delivery,
    Post,
    Queue,
    QueueSlot,
    Series,
    schedule,
)

now = timezone.now()
brand = Brand.objects.get(name="Acme")
author = get_user_model().objects.get(username="mara")
accounts = {
    account.platform: account
    for account in ConnectedAccount.objects.filter(brand=brand).order_by("-pk")
}
Status = Delivery.Status


def post(text: str, *platforms: str, **fields: object) -> Post:
    due = now + timedelta(days=2)
    wall = due.astimezone(ZoneInfo("Europe/Berlin"))
    made = Post.objects.create(
        brand=brand,
        author=author,
        text=text,
        zone="Europe/Berlin",
        local_date=wall.date(),
        local_time=wall.time(),
        due_at=due,
        useful_until=due + timedelta(hours=2),
        **fields,
    )
    made.accounts.set([accounts[slug] for slug in platforms])
    return made


def delivery(text: str, slug: str, **fields: object) -> Delivery:
    made = schedule(post(text, slug), [accounts[slug]])[0]
    Delivery.objects.filter(pk=made.pk).update(next_attempt_at=None, **fields)
    return Delivery.objects.get(pk=made.pk)


draft = post("A draft for the summer\n" + "with many words " * 30, "x", "bluesky")
coming = post(
    "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverordnung "
    "https://example.com/" + "a-very-long-address-" * 8,
    "x",
    "bluesky",
    "mastodon",
    "linkedin",
)
schedule(coming, list(coming.accounts.all()))
unclear = delivery(
    "Is this live or not?",
    "linkedin",
    status=Status.UNCERTAIN,
    due_at=now - timedelta(minutes=20),
    intent_at=now - timedelta(minutes=20),
    commit_count=1,
    attempt_count=2,
)
for number, kind in enumerate((Attempt.Kind.PUBLISH, Attempt.Kind.LOOK), start=1):
    Attempt.objects.create(
        delivery=unclear,
        number=number,
        kind=kind,
        opened_at=now - timedelta(seconds=30),
        closed_at=now - timedelta(seconds=29),
        outcome=Outcome.AMBIGUOUS,
        step="post",
    )
late = delivery(
    "Good morning, only in the morning",
    "bluesky",
    status=Status.HELD,
    hold=Delivery.Hold.TOO_LATE,
    held_at=now,
    due_at=now - timedelta(hours=5),
    useful_until=now - timedelta(hours=3),
)
failed = delivery(
    "A text that the network finds too long",
    "mastodon",
    status=Status.FAILED,
    due_at=now - timedelta(minutes=30),
    failed_at=now,
    attempt_count=1,
    outcome=Outcome.INVALID_CONTENT,
    cause=Cause.TEXT_TOO_LONG,
    detail="Validation failed: Text character limit of 500 exceeded " * 5,
)
Attempt.objects.create(
    delivery=failed,
    number=1,
    opened_at=now - timedelta(milliseconds=420),
    closed_at=now,
    outcome=Outcome.INVALID_CONTENT,
    cause=Cause.TEXT_TOO_LONG,
    step="post",
    http_status=422,
    request_id="6f1c2d3e-4b5a-6978-8796-a5b4c3d2e1f0",
    detail=failed.detail,
    calls=[{"call": "POST /api/v1/statuses", "step": "post", "status": 422, "ms": 180}],
)
# Windows that no post of these tests draws on: full, and nearly.
x_account = accounts["x"]
for key, used in (("GET /2/tweets:user", 5000), ("GET /2/users/me:user", 60)):
    RateBucket.objects.create(
        platform="x",
        key=key,
        subject=f"account:{x_account.pk}",
        used=used,
        started_at=now,
        opened_by=now,
        resets_at=now + timedelta(minutes=15),
    )
CircuitBreaker.objects.create(
    platform="x",
    subject="platform:live",
    state=CircuitBreaker.State.OPEN,
    cause=Cause.UNREACHABLE,
    open_count=1,
    opened_at=now,
    retry_at=now + timedelta(hours=3),
)
campaign = ReconnectCampaign.objects.create(
    name="Reconnect by Christmas", brand=brand, created_by=author
)
for slug, state, fields in (
    ("linkedin", "asked", {"asked_at": now, "reminded_at": now, "reminders": 2}),
    ("x", "done", {"asked_at": now, "done_at": now}),
    ("bluesky", "skipped", {}),
):
    CampaignItem.objects.create(
        campaign=campaign,
        account=accounts[slug],
        person=author,
        state=state,
        **fields,
    )
deletion = DataRequest.objects.create(
    platform="x",
    app=PlatformApp.objects.filter(platform="x").first(),
    kind=DataRequest.Kind.DELETION,
    code="0123456789abcdef01234567",
    digest="0" * 64,
    done_at=now,
)
limit = {
    "platform": "x",
    "key": "GET /2/tweets:user",
    "subject": f"account:{x_account.pk}",
}
# A month in which a login ended and was mended, for the chart.
for back in range(30):
    HealthDay.objects.update_or_create(
        brand=brand,
        day=(now - timedelta(days=back)).date(),
        defaults={
            "able": 4 if 5 < back < 9 else 6,
            "broken": 2 if 5 < back < 9 else 0,
            "ending": back % 3,
        },
    )
# Weeks of the reliability report: far enough back that no count touches them.
monday = now.date() - timedelta(days=now.weekday())
for back in range(6, 12):
    WeekFigures.objects.update_or_create(
        brand=brand,
        network="live",
        week=monday - timedelta(weeks=back),
        defaults={
            "due": 40 + back,
            "on_time": 36 + back,
            "late": 2,
            "failed": 1,
            "waiting": 1,
            "median_delay_s": 3 * back,
            "repaired": 2,
            "median_repair_s": 700 * back,
            "causes": {"timed_out": 2, "text_refused": 1, "hold:access": 1},
            "computed_at": now,
        },
    )
credential = accounts["linkedin"].credential
linkedin_app = credential.app_id if credential else 0
# An access that another one stands in for, and one that was lost and is back.
former = Credential.objects.create(
    app=x_account.credential.app,
    subject_name="Jo Weber",
    state=Credential.State.BROKEN,
    cause=Cause.PASSWORD_CHANGED,
    next_proof_at=now + timedelta(days=30),
)
incident = Incident.objects.create(
    dedup_key="standby:browser",
    kind=Incident.Kind.STANDBY,
    credential=former,
    cause=former.cause,
    account_count=2,
    detail="The session has been invalidated because the user changed the password. "
    * 3,
)
incident.accounts.set([accounts["linkedin"], accounts["x"]])
solved = Incident.objects.create(
    dedup_key="access:browser",
    kind=Incident.Kind.ACCESS,
    credential=accounts["mastodon"].credential,
    cause=Cause.TOKEN_REVOKED,
    opened_at=now - timedelta(days=2),
    state=Incident.State.RESOLVED,
    resolved_at=now - timedelta(days=1),
    account_count=1,
)
solved.accounts.set([accounts["mastodon"]])
for row, kind in (
    (incident, Alert.Kind.TAKEN_OVER),
    (solved, Alert.Kind.OPENED),
    (solved, Alert.Kind.RESOLVED),
):
    Alert.objects.create(
        incident=row, user=author, kind=kind, created_at=now, sent_at=now, tries=1
    )
channel = AlertChannel.objects.create(
    name="Operations",
    kind=AlertChannel.Kind.WEBHOOK,
    url="https://ops.example/socialhub",
    secret=AlertChannel.new_secret(),
    is_active=False,
    last_ok_at=now,
    last_error="It answered 503: Service Unavailable",
)
queue = Queue.objects.create(brand=brand, name="News", zone="Europe/Berlin")
queue.accounts.set([accounts["mastodon"]])
QueueSlot.objects.bulk_create(
    QueueSlot(queue=queue, weekday=day, wall=time(hour, 30))
    for day in range(7)
    for hour in (9, 14)
)
for day in (20, 21):
    queued = post(f"Waits in the queue, {day}", "mastodon")
    wall = now.astimezone(ZoneInfo("Europe/Berlin")).date() + timedelta(days=day)
    queued.set_time(wall, time(9, 30), "Europe/Berlin")
    queued.save()
    schedule(queued, [accounts["mastodon"]])
again = post("Comes again", "mastodon")
again.set_time(wall, time(16, 30), "Europe/Berlin")
again.save()
schedule(again, [accounts["mastodon"]])
series = repeating.start(
    author,
    again,
    Series(wall=time(16, 30), zone="Europe/Berlin", first_on=wall, count=2),
)

files = []
for number, colour in enumerate(("teal", "orange", "purple", "navy")):
    drawn = io.BytesIO()
    Image.new("RGB", (1200, 300 + 150 * number), colour).save(drawn, "PNG")
    upload = SimpleUploadedFile(
        f"A {colour} square of the summer.png", drawn.getvalue()
    )
    files.append(media.take_upload(upload, brand, author))
files[0].alt_text, files[0].folder = "All of it is teal", "Summer"
files[0].save()

print(
    json.dumps(
        {
            "series": f"/series/{series.pk}/",
            "again": again.get_absolute_url(),
            "queue": f"/queues/{queue.pk}/",
            "account": accounts["linkedin"].get_absolute_url(),
            "page": ConnectedAccount.objects.get(
                brand=brand, platform="linkedin", name="Acme Tools"
            ).get_absolute_url(),
            "app": f"/accounts/apps/{accounts['x'].credential.app_id}/",
            "brand": f"/brands/{brand.pk}/",
            "file": f"/media/{files[0].pk}/details/",
            "incident": incident.get_absolute_url(),
            "channel": f"/health/channels/{channel.pk}/",
            "limit_size": f"/limits/size/?{urlencode(limit)}",
            "permission_review": f"/accounts/permissions/{linkedin_app}/"
            "?scope=w_organization_social",
            "campaign": f"/accounts/campaigns/{campaign.pk}/",
            "deletion": f"/accounts/deletion/{deletion.code}/",
            "draft": draft.get_absolute_url(),
            "coming": coming.get_absolute_url(),
            "unclear": unclear.get_absolute_url(),
            "late": late.get_absolute_url(),
            "failed": failed.get_absolute_url(),
        }
    )
)
