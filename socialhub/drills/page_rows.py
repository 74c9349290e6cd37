"""The rows that stand behind the pages of a busy team, made in bulk.

A world can be made twice as large and larger again, so that what a page asks of the
database can be compared: `grow` adds, and everything that a page lists grows with it.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import F
from django.utils import timezone
from django_q.models import OrmQ, Schedule, Task

from accounts.models import (
    AuditEvent,
    Brand,
    CampaignItem,
    CircuitBreaker,
    ConnectedAccount,
    Credential,
    DataRequest,
    Network,
    PendingConnection,
    PlatformApp,
    Profile,
    RateBucket,
    ReconnectCampaign,
    ReconnectLink,
    RefreshAttempt,
)
from accounts.roles import ADMIN, MARKETING, REVIEWER, ROLES
from monitoring.models import (
    Alert,
    AlertChannel,
    AlertPreference,
    Answer,
    CheckResult,
    HealthDay,
    Heartbeat,
    HookAddress,
    HookSubscription,
    Incident,
    Intervention,
    Message,
    MetricSnapshot,
    NativeReading,
    PostComment,
    ReportMail,
    Watch,
    WebhookEvent,
    WeekFigures,
)
from platforms import parts, registry
from platforms.base import Draft, Level
from platforms.errors import Cause, Outcome
from publishing import bulk_runs, bulk_undo, threatened
from publishing.models import (
    Approval,
    Attempt,
    BulkChange,
    Care,
    Delivery,
    Import,
    ImportRow,
    Job,
    Label,
    LeftUpload,
    LinkFacts,
    LinkRule,
    MediaAsset,
    NativePost,
    Note,
    PartMedia,
    Post,
    PostMedia,
    Pump,
    Queue,
    QueueSlot,
    Remark,
    Review,
    SavedView,
    Series,
    Snippet,
    Stop,
    Upload,
    Variant,
)

from .history import fill
from .loopback import WORDS, make_deliveries

#: Finished deliveries come as often as leaves so many of them in a month.
MONTH = timedelta(days=30)
#: Over so many days the posts to come are spread; the month view shows them all.
AHEAD_DAYS = 28
#: Waking hours of a day.
HOURS = range(7, 22)
#: Days with a look at each access.
LOOKED_DAYS = 30
#: One of so many finished deliveries needed a second try.
TRIED_TWICE = 30

Status = Delivery.Status


@dataclass(frozen=True)
class Size:
    """How much there is: accounts, deliveries that are over, posts of the month."""

    accounts: int
    deliveries: int
    posts: int


class World:
    """reader: an admin of SocialHub, who belongs to all brands but is no superuser."""

    def __init__(self) -> None:
        self.now = timezone.now().replace(microsecond=0)
        self.size = Size(0, 0, 0)
        for name in ROLES:
            Group.objects.get_or_create(name=name)
        people = get_user_model().objects
        self.root = people.create_superuser(
            "root", "root@example.com", uuid.uuid4().hex
        )
        self.reader = people.create_user("ada", "ada@example.com", uuid.uuid4().hex)
        self.reader.is_staff = True
        self.reader.save(update_fields=["is_staff"])
        self.reader.groups.set(Group.objects.filter(name=ADMIN))
        # As at home: every visitor has chosen a clock.
        for person in (self.root, self.reader):
            Profile.objects.create(user=person, time_zone="Europe/Berlin")
        self.brands = Brand.objects.bulk_create(
            Brand(name=f"Brand {n}", time_zone="Europe/Berlin") for n in range(1, 6)
        )
        for brand in self.brands:
            brand.members.add(self.reader)
        LinkRule.objects.bulk_create(
            LinkRule(brand=brand, source="{network}", medium="social", only_own=False)
            for brand in self.brands
        )
        self.apps = {
            slug: PlatformApp.objects.create(
                platform=slug,
                network=Network.LIVE,
                client_id="bench",
                client_secret=uuid.uuid4().hex,
                facts_at=self.now,
                instance_url="https://social.example" if slug == "mastodon" else "",
            )
            for slug in registry.PLATFORMS
        }
        for cluster in ("publish", "monitor"):
            Heartbeat.beat(cluster, "bench")
        Pump.objects.create(host="bench", pid=1)
        self._once()

    def grow(self, to: Size) -> None:
        """Add what is missing to this size."""
        had, self.size = self.size, to
        people = self._people(had.accounts // 5, to.accounts // 5)
        accounts = self._accounts(had.accounts, to.accounts)
        month = MONTH * (to.deliveries / max(1, to.posts))
        fill(
            accounts,
            to.deliveries - had.deliveries,
            max(1, int(month.total_seconds() / to.deliveries)),
        )
        self._mixed(to.deliveries - had.deliveries)
        self._month(accounts, to.posts - had.posts)
        self._after(accounts)
        self._accesses(accounts)
        self._told(accounts)
        self._planning(accounts, to.posts)
        self._campaigns(accounts, people)
        self._tables((to.posts - had.posts) // 4)
        self._said()
        self._records(accounts, (to.deliveries - had.deliveries) // 5)
        self.judge()

    def judge(self) -> None:
        """As the monitor cluster does while people work."""
        threatened.renew()

    # -- accounts and people

    def _people(self, had: int, wanted: int) -> list[Any]:
        model = get_user_model()
        made = model.objects.bulk_create(
            model(
                username=f"person{n}",
                first_name="Person",
                last_name=str(n),
                email=f"person{n}@example.com",
            )
            for n in range(had, max(wanted, had + 2))
        )
        groups = {group.name: group for group in Group.objects.all()}
        for n, person in enumerate(made):
            person.groups.add(groups[REVIEWER if n % 4 == 0 else MARKETING])
            self.brands[n % len(self.brands)].members.add(person)
        EmailAddress.objects.bulk_create(
            EmailAddress(user=person, email=person.email, primary=True, verified=True)
            for person in made
        )
        AlertPreference.objects.bulk_create(
            AlertPreference(user=person) for person in made
        )
        ReportMail.objects.bulk_create(ReportMail(user=person) for person in made)
        Authenticator.objects.bulk_create(
            Authenticator(user=person, type=Authenticator.Type.RECOVERY_CODES, data={})
            for person in made
        )
        return made

    def _accounts(self, had: int, wanted: int) -> list[ConnectedAccount]:
        """On all networks in turn; of 40 one is broken and two end soon."""
        slugs = list(registry.PLATFORMS)
        numbers = range(had, wanted)
        credentials = Credential.objects.bulk_create(
            Credential(
                app=self.apps[slugs[n % len(slugs)]],
                subject_id=f"subject-{n}",
                subject_name=f"Person {n}",
                access_token=f"token-{n}-{uuid.uuid4().hex}",
                granted_scopes=[
                    scope
                    for call in registry.spec(slugs[n % len(slugs)]).calls
                    for scope in call.scopes
                ],
                issued_at=self.now - timedelta(days=20),
                expires_at=self.now + timedelta(days=10 if n % 20 == 3 else 80),
                connected_by=self.reader,
                proven_at=self.now - timedelta(hours=5),
                looked_at=self.now - timedelta(hours=5),
                next_proof_at=self.now + timedelta(hours=n % 24 + 1),
                state=Credential.State.BROKEN
                if n % 40 == 2
                else Credential.State.ACTIVE,
                cause=Cause.TOKEN_REVOKED if n % 40 == 2 else "",
                broken_at=self.now - timedelta(days=1) if n % 40 == 2 else None,
            )
            for n in numbers
        )
        made = ConnectedAccount.objects.bulk_create(
            ConnectedAccount(
                brand=self.brands[n % len(self.brands)],
                credential=credential,
                platform=slugs[n % len(slugs)],
                network=Network.LIVE,
                external_id=f"account-{n}",
                name=f"Account {n}",
                handle=f"account{n}",
                owner=self.reader,
            )
            for n, credential in zip(numbers, credentials, strict=True)
        )
        RateBucket.objects.bulk_create(
            RateBucket(
                platform=account.platform,
                key=bucket.key,
                subject=f"{bucket.partition}:{number}",
                used=3,
                started_at=self.now,
                opened_by=self.now,
                resets_at=self.now + timedelta(minutes=15),
            )
            for account in made
            for bucket in registry.spec(account.platform).buckets
            for number in (
                [account.pk]
                if bucket.partition == "account"
                else [account.credential_id]
                if bucket.partition == "token"
                else []
            )
        )
        return made

    # -- posts

    def _mixed(self, count: int) -> None:
        """Not all that is over went well: make it so of the newest `count`."""
        newest = Delivery.objects.order_by("-pk").values_list("pk", flat=True)
        first = newest[0] - count + 1
        rows = Delivery.objects.filter(pk__gte=first)
        rows.annotate(turn=F("pk") % TRIED_TWICE).filter(turn=0).update(attempt_count=2)
        few = max(8, min(120, count // 500))
        keys = list(rows.order_by("-pk").values_list("pk", flat=True)[: few * 4])
        never = {"external_id": "", "permalink": "", "published_at": None}
        failed = {
            **never,
            "status": Status.FAILED,
            "outcome": Outcome.INVALID_CONTENT,
            "cause": Cause.TEXT_TOO_LONG,
            "detail": "Validation failed: Text character limit of 500 exceeded",
            "failed_at": self.now - timedelta(hours=2),
        }
        changes: list[dict[str, Any]] = [
            failed,
            {**failed, "dismissed_at": self.now - timedelta(hours=1)},
            {
                **never,
                "status": Status.HELD,
                "hold": Delivery.Hold.ACCESS,
                "held_at": self.now,
                "cause": Cause.TOKEN_REVOKED,
            },
            {**never, "status": Status.CANCELLED},
        ]
        for number, change in enumerate(changes):
            rows.filter(pk__in=keys[number::4]).update(**change)
        care = keys[0 : 4 * (few // 2) : 4]
        Care.objects.bulk_create(
            Care(delivery_id=key, assignee=self.reader) for key in care
        )
        Note.objects.bulk_create(
            Note(delivery_id=key, author=self.reader, text="I ask the agency.")
            for key in care
        )
        Attempt.objects.bulk_create(
            Attempt(
                delivery_id=key,
                number=2,
                opened_at=self.now - timedelta(hours=2),
                closed_at=self.now - timedelta(hours=2),
                outcome=Outcome.INVALID_CONTENT,
                cause=Cause.TEXT_TOO_LONG,
                step="post",
                http_status=422,
            )
            for key in keys[0::4]
        )

    def _month(self, accounts: Sequence[ConnectedAccount], count: int) -> None:
        """Posts over the days and hours of the coming weeks, and drafts among them."""
        accounts = [account for account in accounts if _takes_text(account)]
        zone = timezone.get_default_timezone()
        start = self.now.date() + timedelta(days=1)
        times = [
            datetime.combine(start + timedelta(days=day), time(hour), zone)
            for day in range(AHEAD_DAYS)
            for hour in HOURS
        ]
        each, rest = divmod(count, len(times))
        posts: list[Post] = []
        used = 0
        for place, at in enumerate(times):
            number = each + (place < rest)
            if number:
                some = [accounts[(used + n) % len(accounts)] for n in range(number)]
                made = make_deliveries(some, at, f"Planned {place}")
                posts += [row.post for row in made]
                used += number
        written = timezone.localtime(posts[-1].due_at, zone)
        Post.objects.filter(pk=posts[-1].pk).update(
            local_date=written.date(), local_time=written.time(), zone=str(zone)
        )
        pictures = MediaAsset.objects.bulk_create(
            MediaAsset(
                brand=self.brands[n % len(self.brands)],
                file=f"assets/{n}.jpg",
                preview=f"previews/{n}.webp",
                name=f"Picture {n}.jpg",
                folder=f"Folder {n % 5}",
                mime_type="image/jpeg",
                size_bytes=200_000,
                width=1200,
                height=800,
                sha256=uuid.uuid4().hex * 2,
                uploaded_by=self.reader,
            )
            for n in range(max(5, count // 4))
        )
        PostMedia.objects.bulk_create(
            PostMedia(post=post, asset=pictures[n % len(pictures)], position=0)
            for n, post in enumerate(posts[::3])
        )
        variants = Variant.objects.bulk_create(
            Variant(post=post, platform="x", text=f"Shorter. {post.text[:80]}")
            for post in posts[::10]
        )
        threads = Variant.objects.bulk_create(
            Variant(post=post, platform="mastodon", text=post.text, parts=["More."])
            for post in posts[::20]
        )
        PartMedia.objects.bulk_create(
            PartMedia(variant=variant, part=2, asset=pictures[0], position=0)
            for variant in threads[: len(variants)]
        )
        labels = Label.objects.bulk_create(
            Label(brand=brand, name=f"Label {self.size.posts}-{n}")
            for brand in self.brands
            for n in range(3)
        )
        through = Post.labels.through
        through.objects.bulk_create(
            through(post_id=post.pk, label_id=labels[n % len(labels)].pk)
            for n, post in enumerate(posts[::4])
        )
        LinkFacts.objects.bulk_create(
            LinkFacts(
                key=uuid.uuid4().hex * 2,
                url=f"https://example.com/{n}",
                read_at=self.now,
                title=f"Page {n}",
            )
            for n in range(max(5, count // 4))
        )
        drafts = Post.objects.bulk_create(
            Post(
                brand=self.brands[n % len(self.brands)],
                author=self.reader,
                text=f"Draft {n}. {WORDS}",
                due_at=times[n % len(times)],
                useful_until=times[n % len(times)] + timedelta(hours=2),
            )
            for n in range(max(5, count // 20))
        )
        chosen = Post.accounts.through
        chosen.objects.bulk_create(
            chosen(post_id=draft.pk, connectedaccount_id=accounts[n % len(accounts)].pk)
            for n, draft in enumerate(drafts)
        )
        Upload.objects.bulk_create(
            Upload(
                user=self.reader,
                brand=self.brands[0],
                name=f"Film {n}.mp4",
                mark=f"film-{self.size.posts}-{n}",
                size_bytes=10**9,
                received_bytes=10**8,
            )
            for n in range(max(2, count // 200))
        )

    def _after(self, accounts: Sequence[ConnectedAccount]) -> None:
        """Figures and comments of what went out lately."""
        lately = Delivery.objects.filter(
            status=Status.PUBLISHED, watch=None, account__in=accounts
        ).order_by("-pk")[: 15 * len(accounts)]
        rows = list(lately.only("pk", "account"))
        Watch.objects.bulk_create(
            Watch(
                delivery=row,
                state=Watch.State.TOLD,
                read_at=self.now,
                next_at=self.now + timedelta(days=1),
            )
            for row in rows
        )
        MetricSnapshot.objects.bulk_create(
            MetricSnapshot(
                delivery=row,
                at=self.now - timedelta(days=day),
                values={"views": 100 - day, "likes": 10 - day},
            )
            for row in rows
            for day in range(3)
        )
        NativePost.objects.bulk_create(
            NativePost(
                account_id=row.account_id,
                external_id=f"there-{row.pk}",
                text="Posted by hand, with a photo",
                permalink=f"https://network.example/{row.pk}",
                posted_at=self.now - timedelta(hours=row.pk % 500),
            )
            for row in rows[::4]
        )
        NativeReading.objects.bulk_create(
            [
                NativeReading(account_id=pk, state=NativeReading.State.TOLD)
                for pk in {row.account_id for row in rows}
            ],
            ignore_conflicts=True,
        )
        PostComment.objects.bulk_create(
            PostComment(
                delivery=row,
                external_id=f"comment-{row.pk}",
                text="How much is it?",
                author="Somebody",
                published_at=self.now,
                read_at=self.now,
            )
            for row in rows[::4]
        )
        Answer.objects.bulk_create(
            Answer(
                delivery=row,
                comment_id=f"comment-{row.pk}",
                quoted="How much is it?",
                text="Nine euros.",
                author=self.reader,
                form_key=uuid.uuid4(),
                state=Answer.State.PUBLISHED,
                next_at=None,
                sent_at=self.now,
            )
            for row in rows[::20]
        )

        LeftUpload.objects.bulk_create(
            LeftUpload(
                delivery=row,
                external_id=f"upload-{row.pk}",
                state=LeftUpload.State.GONE,
                ended_at=self.now,
            )
            for row in rows[::20]
        )

        Intervention.objects.bulk_create(
            Intervention(
                delivery=row,
                kind=Intervention.Kind.HIDE,
                comment_id=f"comment-{row.pk}",
                quoted="How much is it?",
                author=self.reader,
                state=Intervention.State.PUBLISHED,
                next_at=None,
                sent_at=self.now,
            )
            for row in rows[::20]
        )

    # -- health

    def _accesses(self, accounts: Sequence[ConnectedAccount]) -> None:
        keys = [a.credential_id for a in accounts if a.credential_id is not None]
        CheckResult.objects.bulk_create(
            (
                CheckResult(
                    credential_id=key,
                    at=self.now - timedelta(days=day, minutes=number),
                    verdict="proven",
                    duration_ms=210,
                )
                for day in range(LOOKED_DAYS)
                for number, key in enumerate(keys)
            ),
            batch_size=5000,
        )
        RefreshAttempt.objects.bulk_create(
            RefreshAttempt(
                credential_id=key,
                started_at=self.now - timedelta(days=day),
                finished_at=self.now - timedelta(days=day),
                outcome="refreshed",
            )
            for day in range(5)
            for key in keys
        )
        CircuitBreaker.objects.bulk_create(
            CircuitBreaker(
                platform=account.platform,
                subject=f"token:{account.credential_id}",
                state=CircuitBreaker.State.OPEN,
                cause=Cause.TOO_MANY_REQUESTS,
                open_count=1,
                opened_at=self.now,
                retry_at=self.now + timedelta(hours=3),
            )
            for account in accounts[5::40]
        )

    def _told(self, accounts: Sequence[ConnectedAccount]) -> None:
        """Lost accesses, now and in former months, and what people were told of them."""
        broken = [
            account
            for account in accounts
            if account.credential
            and account.credential.state == Credential.State.BROKEN
        ]
        former = [account for account in accounts if account not in broken]
        incidents = Incident.objects.bulk_create(
            Incident(
                dedup_key=f"access:{account.credential_id}:{turn}",
                kind=Incident.Kind.ACCESS,
                credential=account.credential,
                cause=Cause.TOKEN_REVOKED,
                opened_at=self.now - timedelta(days=1 + 10 * turn),
                state=Incident.State.RESOLVED if turn else Incident.State.OPEN,
                resolved_at=self.now - timedelta(days=10 * turn) if turn else None,
                account_count=1,
                post_count=3,
                first_due_at=self.now + timedelta(hours=3),
            )
            for account, turn in [
                *((account, 0) for account in broken),
                *((account, turn) for account in former for turn in (1, 2)),
            ]
        )
        by_credential = {account.credential_id: account for account in accounts}
        link = Incident.accounts.through
        link.objects.bulk_create(
            link(
                incident_id=incident.pk,
                connectedaccount_id=by_credential[incident.credential_id].pk,
            )
            for incident in incidents
        )
        Alert.objects.bulk_create(
            Alert(
                incident=incident,
                user=self.reader,
                kind=kind,
                created_at=incident.opened_at,
                sent_at=incident.opened_at,
                tries=1,
                read_at=None if incident.is_open else self.now,
                subject="Access was lost",
                body="The access was lost. Reconnect it.",
            )
            for incident in incidents
            for kind in (Alert.Kind.OPENED, Alert.Kind.RESOLVED)
            if kind == Alert.Kind.OPENED or not incident.is_open
        )

    # -- planning

    def _planning(self, accounts: Sequence[ConnectedAccount], wanted: int) -> None:
        first = Queue.objects.count()
        for number in range(first, max(wanted // 200, first + 2)):
            brand = self.brands[number % len(self.brands)]
            queue = Queue.objects.create(
                brand=brand, name=f"Queue {number}", zone="Europe/Berlin"
            )
            queue.accounts.set([a for a in accounts if a.brand_id == brand.pk][:3])
            QueueSlot.objects.bulk_create(
                QueueSlot(queue=queue, weekday=day, wall=time(hour, 30))
                for day in range(7)
                for hour in (9, 14)
            )
            pattern = Post.objects.create(
                brand=brand,
                author=self.reader,
                text=f"Each Monday {number}. {WORDS}",
                state=Post.State.PATTERN,
            )
            account = next(a for a in accounts if a.brand_id == brand.pk)
            pattern.accounts.set([account])
            series = Series.objects.create(
                brand=brand,
                author=self.reader,
                pattern=pattern,
                weekdays="0",
                wall=time(9, 5),
                zone="Europe/Berlin",
                first_on=self.now.date(),
            )
            start = self.now + timedelta(days=2)
            for turn in range(4):
                (row,) = make_deliveries(
                    [account], start + timedelta(weeks=turn), f"Monday {number}"
                )
                day = row.due_at.date()
                Post.objects.filter(pk=row.post_id).update(
                    series=series,
                    occurrence_on=day,
                    local_date=day,
                    local_time=time(9, 5),
                    zone="Europe/Berlin",
                )
            Snippet.objects.create(
                brand=brand,
                kind=Snippet.Kind.values[0],
                name=f"Text {number}",
                text="#news #today",
            )
            for page in SavedView.Page.values:
                SavedView.objects.create(
                    person=self.reader, page=page, name=f"View {number}", query="a=1"
                )
            Stop.objects.create(
                scope=Stop.Scope.BRAND,
                brand=brand,
                reason="A press matter",
                started_by=self.reader,
                started_at=self.now - timedelta(days=20 + number),
                ended_by=self.reader,
                ended_at=self.now - timedelta(days=19 + number),
            )
            AlertChannel.objects.create(
                name=f"Room {number}",
                kind=AlertChannel.Kind.WEBHOOK,
                url="https://ops.example/socialhub",
                secret=AlertChannel.new_secret(),
                is_active=False,
            )

    def _campaigns(
        self, accounts: Sequence[ConnectedAccount], people: Sequence[Any]
    ) -> None:
        for brand in self.brands:
            campaign = ReconnectCampaign.objects.create(
                name=f"Reconnect {self.size.accounts}",
                brand=brand,
                created_by=self.reader,
            )
            asked = [a for a in accounts if a.brand_id == brand.pk]
            CampaignItem.objects.bulk_create(
                CampaignItem(
                    campaign=campaign,
                    account=account,
                    person=people[n % len(people)],
                    state=CampaignItem.State.ASKED,
                    asked_at=self.now,
                )
                for n, account in enumerate(asked)
            )
        ReconnectLink.objects.bulk_create(
            ReconnectLink(
                secret_hash=uuid.uuid4().hex * 2,
                account=account,
                created_by=self.reader,
                person=people[0],
                email="person@example.com",
                expires_at=self.now + timedelta(days=7),
            )
            for account in accounts
        )
        PendingConnection.objects.bulk_create(
            PendingConnection(
                user=self.reader,
                app=self.apps["mastodon"],
                brand=self.brands[0],
                grant="{}",
                expires_at=self.now + timedelta(minutes=15),
            )
            for _ in range(max(2, len(accounts) // 20))
        )
        DataRequest.objects.bulk_create(
            DataRequest(
                platform="facebook",
                app=self.apps["facebook"],
                kind=DataRequest.Kind.DELETION,
                subject_id="1",
                code=uuid.uuid4().hex,
                digest=uuid.uuid4().hex * 2,
                done_at=self.now,
            )
            for _ in accounts[::10]
        )

    def _said(self) -> None:
        """Approvals, what was said about them, and who was told."""
        posts = Post.objects.filter(state=Post.State.SCHEDULED).order_by("-pk")[:20]
        for number, post in enumerate(posts):
            review = Review.objects.create(
                post=post,
                fingerprint=uuid.uuid4().hex * 2,
                says={"due_at": self.now.isoformat(), "accounts": {}, "drafts": {}},
                state=Review.State.APPROVED,
                asked_by=self.reader,
                is_current=False,
            )
            Approval.objects.create(review=review, person=self.reader, step=1)
            Remark.objects.create(post=post, author=self.reader, text=WORDS)
            Message.objects.create(
                user=self.reader,
                key=uuid.uuid4().hex,
                subject=f"Approved: {number}",
                link=post.get_absolute_url(),
            )

    def _tables(self, rows: int) -> None:
        """Tables that were imported: the newest with so many rows, and the work."""
        self._whole_list()
        for number in range(3):
            table = Import.objects.create(
                person=self.reader,
                brand=self.brands[0],
                name=f"Plan {number}.csv",
                sha256=uuid.uuid4().hex * 2,
                state=Import.State.LOOKED,
                facts={"format": "csv", "columns": ["date", "time", "text"]},
            )
            table.job = Job.objects.create(
                kind="import_read",
                brand=table.brand,
                person=self.reader,
                state=Job.State.DONE,
                asked={"table": table.pk, "name": table.name},
                ended_at=self.now,
            )
            table.save(update_fields=["job"])
        ImportRow.objects.bulk_create(
            ImportRow(
                table=table,
                number=number,
                state=ImportRow.State.GOOD,
                cells={"date": "2030-03-02", "time": "09:00", "text": WORDS},
                becomes="scheduled",
            )
            for number in range(2, max(5, rows) + 2)
        )

    def _whole_list(self) -> None:
        """What would happen to all posts of a list, as many as one look takes; and the
        same done, which can be undone still."""
        keys = list(Post.objects.values_list("pk", flat=True)[: bulk_runs.MOST])
        due = self.now.isoformat()
        why = "It is published: what is out stays where it is."
        Job.objects.create(
            kind=bulk_runs.LOOK,
            person=self.reader,
            state=Job.State.DONE,
            asked={"action": "move", "back": "/posts/"},
            result={
                "effects": [
                    [
                        key,
                        *(("", why) if place % 5 == 0 else ("Tue 1 Dec, 10:00", "")),
                        due,
                    ]
                    for place, key in enumerate(keys)
                ]
            },
            ended_at=self.now,
        )
        done = Job.objects.create(
            kind=bulk_undo.DO,
            person=self.reader,
            state=Job.State.DONE,
            asked={"action": "move", "back": "/posts/"},
            result={"number": len(keys), "stays": []},
            ended_at=self.now,
        )
        coming = Post.objects.filter(due_at__gt=self.now).order_by("pk")
        was = {"useful_until": "2030-03-02T11:00:00+00:00", "zone": "UTC"}
        was |= {"day": "2030-03-02", "wall": "09:00:00"}
        was["due_at"] = "2030-03-02T09:00:00+00:00"
        BulkChange.objects.bulk_create(
            BulkChange(
                job=done,
                number=place,
                post=post,
                kind=BulkChange.Kind.MOVED,
                was={**was, "to": post.due_at.isoformat() if post.due_at else ""},
                version_before=post.changed_at,
                version=post.changed_at,
            )
            for place, post in enumerate(coming[: bulk_runs.MOST])
        )

    def _records(self, accounts: Sequence[ConnectedAccount], count: int) -> None:
        AuditEvent.objects.bulk_create(
            (
                AuditEvent(
                    at=self.now - timedelta(minutes=30 * n),
                    actor=self.reader,
                    verb="post.moved" if n % 3 else "account.reconnected",
                    target_type="accounts.connectedaccount",
                    target_id=str(accounts[n % len(accounts)].pk),
                    target_text=accounts[n % len(accounts)].name,
                )
                for n in range(count)
            ),
            batch_size=5000,
        )
        HookSubscription.objects.bulk_create(
            HookSubscription(account=account, ends_at=self.now)
            for account in accounts[:5]
        )
        WebhookEvent.objects.bulk_create(
            WebhookEvent(
                app=self.apps["tiktok"],
                digest=uuid.uuid4().hex * 2,
                object_id="1",
                handled_at=self.now,
            )
            for _ in range(max(5, count // 100))
        )
        Task.objects.bulk_create(
            Task(
                id=uuid.uuid4().hex,
                name=f"task-{n}",
                func="monitoring.tasks.check_credentials",
                started=self.now,
                stopped=self.now,
                success=bool(n % 4),
            )
            for n in range(max(8, count // 1000))
        )
        payload = _signed_task()
        OrmQ.objects.bulk_create(
            OrmQ(key="monitor", payload=payload, lock=self.now + timedelta(days=1))
            for _ in range(max(3, count // 2000))
        )

    def _once(self) -> None:
        """What grows with time and brands alone."""
        if not Schedule.objects.exists():
            Schedule.objects.create(name="bench", func="monitoring.tasks.check")
        HookAddress.objects.create(app=self.apps["tiktok"], received_at=self.now)
        today = self.now.date()
        monday = today - timedelta(days=today.weekday())
        HealthDay.objects.bulk_create(
            HealthDay(brand=brand, day=today - timedelta(days=back), able=40, broken=1)
            for brand in self.brands
            for back in range(365)
        )
        WeekFigures.objects.bulk_create(
            WeekFigures(
                brand=brand,
                network=Network.LIVE,
                week=monday - timedelta(weeks=back),
                due=100,
                on_time=98,
                late=1,
                failed=1,
                median_delay_s=3,
                causes={"timed_out": 1},
                computed_at=self.now,
            )
            for brand in self.brands
            for back in range(1, 104)
        )


def _takes_text(account: ConnectedAccount) -> bool:
    """Nobody could have scheduled a text alone where a network wants a file with it."""
    platform = registry.platform(account.platform)
    findings = parts.check(platform, Draft(text=WORDS), account.identity(), {})
    return all(finding.level != Level.REFUSED for finding in findings)


def _signed_task() -> str:
    """A task as it stands in the queue; nobody works in this sandbox."""
    from django_q.signing import SignedPackage

    task = {
        "id": "0" * 32,
        "name": "bench",
        "func": "monitoring.tasks.check",
        "args": (),
    }
    payload: str = SignedPackage.dumps(task)
    return payload
