"""Brands, our registrations at platforms, and the credentials that let us act."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from platforms import registry
from platforms.base import (
    Ability,
    Access,
    Environment,
    Identity,
    PlatformClient,
    PlatformSpec,
    Proof,
    TokenSet,
)
from platforms.errors import ABOUT_ACCESS, Cause, PlatformError
from platforms.http import Http

from . import ends
from .addresses import address
from .ends import End
from .fields import EncryptedTextField
from .fixed_query import SAMPLE_KEY, SAMPLE_TIME, FixedQuery
from .zones import zone_names


def platform_choices() -> list[tuple[str, str]]:
    """Open list: a new platform needs no migration."""
    return [(spec.slug, spec.name) for spec in registry.all_specs()]


class Network(models.TextChoices):
    LIVE = "live", _("Real network")
    PRACTICE = "practice", _("Practice network")


class BrandQuerySet(models.QuerySet["Brand"]):
    def visible_to(self, user: Any) -> BrandQuerySet:
        """The brands a person belongs to; a superuser sees all."""
        if user.is_superuser:
            return self
        return self.filter(members=user.pk)


class Brand(models.Model):
    """Groups accounts and people."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default="UTC",
        help_text=_("Posts of this brand are written in this zone unless changed."),
    )
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        verbose_name=_("people"),
        related_name="brands",
        blank=True,
        help_text=_("Only these people see the brand."),
    )
    approval_steps = models.PositiveSmallIntegerField(
        _("approval"),
        choices=[
            (0, _("None: posts go out as scheduled")),
            (1, _("One step: one other person approves each post")),
            (2, _("Two steps: two people approve each post, one after the other")),
        ],
        default=0,
        help_text=_(
            "For posts that are scheduled or changed from now on. A changed text, file, "
            "account or time needs approval again."
        ),
    )
    own_approval = models.BooleanField(
        _("writers may approve their own posts"), default=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = BrandQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name = _("brand")
        verbose_name_plural = _("brands")

    def __str__(self) -> str:
        return self.name

    @classmethod
    def all_visible_to(cls, user: Any) -> bool:
        """Whether a person sees every brand. One query at most."""
        return user.is_superuser or not _unseen_brands.rows(user.pk)

    def clean(self) -> None:
        if self.time_zone not in zone_names():
            raise ValidationError(
                {"time_zone": _("Unknown zone. Write one such as Europe/Berlin.")}
            )


_unseen_brands = FixedQuery(
    lambda pk: (
        Brand.objects.exclude(
            pk__in=Brand.members.through.objects.filter(user=pk).values("brand")
        )
        .order_by()
        .values_list("pk")[:1]
    ),
    SAMPLE_KEY,
)


class Profile(models.Model):
    """What a person chose for their own reading."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="profile"
    )
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)
    #: a code of settings.LANGUAGES; empty: as the browser asks, mails as for everybody
    language = models.CharField(_("language"), max_length=10, blank=True)

    def __str__(self) -> str:
        return f"profile of {self.user}"


class PlatformApp(models.Model):
    """Our registration at a platform; at Mastodon, one per server."""

    class State(models.TextChoices):
        ACTIVE = "active", _("Active")
        IN_REVIEW = "in_review", _("In review")
        SUSPENDED = "suspended", _("Suspended")

    platform = models.CharField(max_length=30, choices=platform_choices)
    network = models.CharField(
        max_length=10, choices=Network.choices, default=Network.LIVE
    )
    instance_url = models.CharField(
        max_length=200,
        blank=True,
        help_text=_("Only where every server registers its own apps (Mastodon)."),
    )
    client_id = models.CharField(max_length=300, blank=True)
    client_secret = EncryptedTextField(blank=True)
    #: what signs events, where that is another secret (`spec.hook_secret_name`)
    hook_secret = EncryptedTextField(blank=True)
    #: a token of the app alone, by which events are asked for (`spec.hook_token_name`)
    hook_token = EncryptedTextField(blank=True)
    #: its number there, without which no events can be asked for
    #: (`spec.hook_app_number_name`)
    number_there = models.CharField(max_length=100, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.ACTIVE)
    api_version = models.CharField(
        max_length=30, blank=True, help_text=_("Empty: the version we tested with.")
    )
    #: scopes the platform has granted to our app; empty: those needing no review
    granted_scopes = models.JSONField(default=list, blank=True)
    #: it has `MentionRule.permission`, as an admin says
    may_mention = models.BooleanField(default=False)
    #: scope -> {"state": "asked", "granted" or "refused", "at": ISO date, "note": str}
    reviews = models.JSONField(default=dict, blank=True)
    #: addresses that replace the platform's own, by name (a self-hosted server)
    hosts = models.JSONField(default=dict, blank=True)
    #: what the server announced of itself, and when we read it
    facts = models.JSONField(default=dict, blank=True, editable=False)
    facts_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["platform", "network", "instance_url"]
        verbose_name = _("platform app")
        constraints = [
            models.UniqueConstraint(
                fields=["platform", "network", "instance_url"],
                name="platform_app_once_per_server",
            )
        ]

    def __str__(self) -> str:
        where = self.instance_url
        if self.is_practice and not where:
            where = str(Network.PRACTICE.label)
        return f"{self.spec.name} ({where})" if where else self.spec.name

    @property
    def spec(self) -> PlatformSpec:
        return registry.spec(self.platform)

    @property
    def is_practice(self) -> bool:
        return self.network == Network.PRACTICE

    def environment(self, platform: str = "") -> Environment:
        """Where and as whom calls of this app go.

        platform: for an account of another one that was connected through this app (an
        Instagram account through a Facebook app).
        """
        from urllib.parse import urlsplit

        own = platform in ("", self.platform)
        hosts = self.hosts if own else {}
        named = [
            *hosts.values(),
            *([self.instance_url] if self.instance_url else []),
        ]
        trusted = bool(named) and all(
            urlsplit(url).netloc in settings.ALLOWED_PRIVATE_HOSTS for url in named
        )
        return registry.environment(
            platform or self.platform,
            practice_url=settings.PRACTICE_NETWORK_URL if self.is_practice else "",
            client_id=self.client_id,
            client_secret=self.client_secret,
            api_version=self.api_version,
            app_url=settings.SITE_URL,
            instance_url=self.instance_url,
            hosts=hosts,
            allow_private=trusted,
            private_hosts=settings.ALLOWED_PRIVATE_HOSTS if trusted else (),
        )

    def version_end(self, platform: str = "") -> End | None:
        """When the interface that this app speaks is switched off, if that is known.

        platform: as for `environment`.
        """
        return ends.of_version(
            registry.spec(platform or self.platform), self.api_version
        )

    def client(
        self, access: Access | None = None, platform: str = ""
    ) -> PlatformClient:
        """platform: as for `environment`."""
        environment = self.environment(platform)
        http = Http(
            allow_private=environment.allow_private, total_s=settings.HTTP_TIMEOUT_S
        )
        made = registry.platform(platform or self.platform)
        return made.client(environment, access, http)


DAY_S = 86_400
#: Near the golden section of a day and prime to it: so numbers that follow each other
#: come far apart, and each second of the day has its turn.
SLOT_STEP = 53_399
#: One consent left it out, or ran out, for all that was made from it and needs it.
OF_THE_CONSENT = frozenset({Cause.SCOPE_MISSING, Cause.DATA_ACCESS_ENDED})
#: Causes that take a whole tree of credentials along.
ENDS_WITH_PARENT = {
    Cause.TOKEN_REVOKED,
    Cause.TOKEN_INVALID,
    Cause.PASSWORD_CHANGED,
    Cause.SIGN_IN_WANTED,
    Cause.ROTATION_LOST,
    Cause.REFRESH_REFUSED,
}
#: Only a person's consent mends it.
GRANT_IS_OVER = ENDS_WITH_PARENT | {Cause.TOKEN_EXPIRED, Cause.APP_GONE}
#: From here on an access token is kept alive, and a shorter one renewed when needed.
LIVES_LONG = timedelta(days=1)
#: An access token with less time left.
AS_GOOD_AS_OVER = timedelta(seconds=30)
#: The columns of a credential that tell of its access, and those of its app.
ACCESS_TOLD_BY = ("state", "cause", "proven_at", *ends.TOLD_BY)
APP_TOLD_BY = ("platform", "network", "api_version")
#: So long after a breakage its tree is looked at because of it.
SHAKEN_FOR = timedelta(hours=1)


#: So a platform says it to a person who withdrew the access, and some to a suspended app.
LIKE_THE_APP = frozenset(
    {Cause.TOKEN_REVOKED, Cause.TOKEN_INVALID, Cause.REFRESH_REFUSED}
)
#: Accesses of others that are asked whether it is the app: with the one that was found,
#: enough for its breaker.
STRANGERS = 3


class CredentialQuerySet(models.QuerySet["Credential"]):
    def proof_due(self, now: datetime) -> CredentialQuerySet:
        """Every stored credential whose next look has come, broken ones included.

        One whose tokens were deleted on the person's wish has nothing to ask with.
        """
        return (
            self.filter(next_proof_at__lte=now)
            .exclude(state=Credential.State.DISCONNECTED)
            .exclude(access_token="")
        )

    def shaken(self, now: datetime) -> list[int]:
        """Living ones whose parent, child or sibling was found broken, or lacking what
        the consent has to give, after they were looked at last: one failure makes the
        whole tree be checked. Two cheap queries, and three more after a failure.
        """
        lately = now - SHAKEN_FOR
        if not (_broken_since.rows(lately) or _troubled_since.rows(lately)):
            return []
        members = self.filter(Q(parent__isnull=False) | Q(children__isnull=False))
        broken = members.filter(state=Credential.State.BROKEN, broken_at__gte=lately)
        lacking = members.filter(
            accounts__trouble__in=OF_THE_CONSENT, accounts__trouble_at__gte=lately
        )
        since: dict[int, datetime] = {}
        for pk, parent, at in [
            *broken.values_list("pk", "parent", "broken_at"),
            *lacking.values_list("pk", "parent", "accounts__trouble_at"),
        ]:
            root = parent or pk
            since[root] = max(at, since.get(root, at))
        if not since:
            return []
        living = self.filter(
            Q(pk__in=since) | Q(parent__in=since), state=Credential.State.ACTIVE
        ).order_by("pk")
        return [
            pk
            for pk, parent, looked in living.values_list("pk", "parent", "looked_at")
            if looked is None or looked < since[parent or pk]
        ]

    def strangers(self, now: datetime) -> list[int]:
        """`strangers_by_app`, of all apps."""
        return [pk for pks in self.strangers_by_app(now).values() for pk in pks]

    def strangers_by_app(self, now: datetime) -> dict[int, list[int]]:
        """A few living ones of others where an app's access was just found withdrawn.

        Some platforms answer a suspended app as they answer a person who withdrew the
        access; if those of others are refused as well, it is the app. Whoever was looked
        at since, or lives on, has told enough. One cheap query; after a failure one
        more, and two for each app that it may concern.
        """
        lately = now - SHAKEN_FOR
        if not _broken_since.rows(lately):
            return {}
        since: dict[int, datetime] = {}
        lost: set[int] = set()
        broken = self.filter(
            state=Credential.State.BROKEN, broken_at__gte=lately, cause__in=LIKE_THE_APP
        )
        for pk, parent, app, at in broken.values_list(
            "pk", "parent", "app", "broken_at"
        ):
            since[app] = max(at, since.get(app, at))
            lost.add(parent or pk)
        found: dict[int, list[int]] = {}
        for app, at in since.items():
            others = self.filter(app=app, state=Credential.State.ACTIVE, parent=None)
            others = others.exclude(pk__in=lost)
            if others.filter(proven_at__gte=at).exists():
                continue
            unseen = others.filter(Q(looked_at=None) | Q(looked_at__lt=at))
            rows = unseen.order_by("looked_at", "pk").values_list("pk", flat=True)
            if few := list(rows[:STRANGERS]):
                found[app] = few
        return found

    def refresh_due(self, now: datetime) -> CredentialQuerySet:
        """To be renewed, and nobody is at it."""
        free = Q(refresh_lease_until=None) | Q(refresh_lease_until__lte=now)
        return self.filter(
            free, state=Credential.State.ACTIVE, refresh_after__lte=now
        ).exclude(refresh_token="")


class Credential(models.Model):
    """The secret that lets us act. Tokens are encrypted; `__str__` never shows one."""

    class State(models.TextChoices):
        ACTIVE = "active", _("Able to act")
        BROKEN = "broken", _("Reconnect needed")
        DISCONNECTED = "disconnected", _("Disconnected")

    app = models.ForeignKey(
        PlatformApp, on_delete=models.PROTECT, related_name="credentials"
    )
    parent = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="children"
    )
    kind = models.CharField(max_length=20, default="user")
    #: the person or profile that consented, as the platform names it
    subject_id = models.CharField(max_length=200, blank=True)
    subject_name = models.CharField(max_length=200, blank=True)
    access_token = EncryptedTextField(blank=True, editable=False)
    refresh_token = EncryptedTextField(blank=True, editable=False)
    granted_scopes = models.JSONField(default=list, blank=True)
    #: what the platform's client needs besides the token (PDS address, plan ...)
    extra = models.JSONField(default=dict, blank=True)
    issued_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    refresh_expires_at = models.DateTimeField(null=True, blank=True)
    #: the platform shows nothing of the person's after it unless they come back
    data_access_ends_at = models.DateTimeField(null=True, blank=True)
    #: renew at this time; null: nothing to renew
    refresh_after = models.DateTimeField(null=True, blank=True)
    #: the platform said a definite no to renewing these tokens: they are the last ones
    renewal_refused_at = models.DateTimeField(null=True, blank=True)
    #: one worker at a time: number of the current claim, and until when it holds
    refresh_fence = models.PositiveIntegerField(default=0)
    refresh_lease_until = models.DateTimeField(null=True, blank=True)
    connected_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )
    connected_at = models.DateTimeField(default=timezone.now)
    #: of a disconnected one whose platform could not be told: the next try, and how many
    #: there were; its access token waits for it
    revoke_after = models.DateTimeField(null=True, blank=True)
    revoke_tries = models.PositiveSmallIntegerField(default=0)

    state = models.CharField(max_length=15, choices=State.choices, default=State.ACTIVE)
    cause = models.CharField(max_length=40, blank=True)
    #: the platform's own words, redacted
    detail = models.TextField(blank=True)
    broken_at = models.DateTimeField(null=True, blank=True)
    #: last time a look told that the *posting* right is there
    proven_at = models.DateTimeField(null=True, blank=True)
    #: last look, whatever it told
    looked_at = models.DateTimeField(null=True, blank=True)
    next_proof_at = models.DateTimeField(default=timezone.now)
    #: ability -> {"ok": bool | null, "cause": str, "detail": str}
    abilities = models.JSONField(default=dict, blank=True)

    objects = CredentialQuerySet.as_manager()

    class Meta:
        verbose_name = _("credential")
        indexes = [
            models.Index(fields=["next_proof_at"], name="credential_proof_due"),
            models.Index(
                fields=["state", "refresh_after"], name="credential_refresh_due"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.app.spec.name}: {self.subject_name or self.subject_id}"

    # -- reading

    @property
    def is_active(self) -> bool:
        return self.state == self.State.ACTIVE

    def ends(self, platform: str = "", now: datetime | None = None) -> list[End]:
        """What ends unless a person acts, the first first: access, its renewal, data
        access. What we renew ourselves lives on.

        platform: of the account in question, where it is another than the app's (an
        Instagram account of a Facebook login).
        """
        return ends.of_credential(
            self, registry.spec(platform or self.app.platform), now
        )

    def ends_at(
        self, platform: str = "", now: datetime | None = None
    ) -> datetime | None:
        """The first of `ends` that stops publishing."""
        return ends.first_that_stops_publishing(self.ends(platform, now))

    @property
    def root(self) -> Credential:
        """The credential that this one was derived from in the end, or itself."""
        return self.parent.root if self.parent is not None else self

    def access(self, account: ConnectedAccount | None = None) -> Access:
        """What a client needs to act; for an account, or for the person who consented."""
        return Access(
            token=self.access_token,
            refresh_token=self.refresh_token,
            external_id=account.external_id if account else self.subject_id,
            kind=account.kind if account else self.kind,
            handle=account.handle if account else self.subject_name,
            scopes=tuple(self.granted_scopes),
            issued_at=self.issued_at,
            extra={**self.extra, **(account.extra if account else {})},
        )

    def ability(self, which: Ability) -> bool | None:
        return (self.abilities.get(which) or {}).get("ok")

    # -- verbs

    def store(self, tokens: TokenSet, *, now: datetime | None = None) -> None:
        """Take a whole new token set over; an empty refresh token overwrites nothing."""
        now = now or timezone.now()
        self.access_token = tokens.access_token
        is_another = tokens.refresh_token not in ("", self.refresh_token)
        if is_another:
            self.refresh_token = tokens.refresh_token
        if tokens.scopes:
            self.granted_scopes = list(tokens.scopes)
        self.issued_at = tokens.issued_at or now
        self.expires_at = tokens.expires_at
        if tokens.refresh_expires_at or is_another:
            self.refresh_expires_at = tokens.refresh_expires_at
        if tokens.data_access_ends_at:
            self.data_access_ends_at = tokens.data_access_ends_at
        self.extra = {**self.extra, **tokens.extra}
        self.refresh_after = self.due_for_renewal()
        self.renewal_refused_at = None
        self.mend(now)

    def due_for_renewal(self) -> datetime | None:
        """When to renew although nobody needs the access token right now.

        One that lives for days is renewed at three quarters of its life. One that lives
        for hours (X, Bluesky) is not kept alive around the clock: each renewal puts the
        refresh token at stake, and nobody uses the token at night. It is renewed when
        something needs it (a look, a post that is due soon), and else so often that the
        permission to renew never comes near its own end.
        """
        if not (self.refresh_token and self.expires_at and self.issued_at):
            return None
        life = self.expires_at - self.issued_at
        if life >= LIVES_LONG:
            at = self.expires_at - min(life / 4, timedelta(days=7))
        else:
            at = self.issued_at + timedelta(days=2)
        if self.refresh_expires_at:
            left = self.refresh_expires_at - self.issued_at
            at = min(at, self.issued_at + left * 3 / 4)
        return max(self.issued_at, at)

    def outlives_renewal(self, now: datetime) -> bool:
        """Its access token acts for days, whatever becomes of the permission to renew it.

        Not one that lives for hours: it is asked for anew each time it is needed, and may
        outlive what a person withdrew. Nor one that is its own permission to be renewed.
        """
        if not (self.refresh_token and self.expires_at and self.issued_at):
            return False
        if self.refresh_token == self.access_token:
            return False
        long = self.expires_at - self.issued_at >= LIVES_LONG
        return long and self.expires_at > now + AS_GOOD_AS_OVER

    def lose_renewal(self, now: datetime, again: timedelta) -> None:
        """It will not be renewed any more, and acts until its own end: an end to tell.

        again: when to try once more, at its end at the latest. What a platform refuses
        while our app is suspended it may grant again.
        """
        assert self.expires_at is not None
        self.renewal_refused_at = self.renewal_refused_at or now
        self.refresh_after = min(now + again, self.expires_at - AS_GOOD_AS_OVER)
        # Whether it acts as before, the next look is to tell.
        self.next_proof_at = now
        self.save(
            update_fields=["renewal_refused_at", "refresh_after", "next_proof_at"]
        )

    def mend(self, now: datetime) -> None:
        """A person or a refresh has renewed it: healthy until the next look."""
        self.state = self.State.ACTIVE
        self.cause = self.detail = ""
        self.broken_at = None
        self.next_proof_at = now
        self.refresh_lease_until = None

    def break_for(self, error: PlatformError) -> bool:
        """A definite answer ended it. True when it was healthy until now.

        Only AuthExpired (without a way to refresh), AuthRevoked, PermissionMissing and
        an account that is gone may come here; network trouble proves nothing.
        """
        gone = error.cause == Cause.ACCOUNT_GONE
        if error.outcome not in ABOUT_ACCESS and not gone:
            raise ValueError(f"{error.outcome} does not break a credential")
        if not error.ends_access:
            return False  # our app is at fault
        now = timezone.now()
        # Not the tokens that came meanwhile: what was refused is what we had read.
        same = Credential.objects.filter(
            pk=self.pk, state=self.State.ACTIVE, issued_at=self.issued_at
        )
        changed = same.update(
            state=self.State.BROKEN,
            cause=error.cause,
            detail=error.detail,
            broken_at=now,
        )
        self.refresh_from_db(fields=["state", "cause", "detail", "broken_at"])
        if changed:
            self.share_cause()
        return bool(changed)

    def lose_role(self, now: datetime) -> None:
        """A page was left out of a new consent: lost, until a look tells otherwise."""
        self.state, self.cause = self.State.BROKEN, Cause.ROLE_LOST
        self.detail = ""
        self.broken_at = self.broken_at or now
        self.next_proof_at = now
        self.save(
            update_fields=["state", "cause", "detail", "broken_at", "next_proof_at"]
        )

    def share_cause(self) -> None:
        """What ended a parent's access ended that of its children: one cause for all.

        The children's own answers are often less telling. Not of a user token whose
        time is over, which its pages outlive, and not of a page's lost role.
        """
        dead = Credential.objects.filter(
            state=self.State.BROKEN, cause__in=ENDS_WITH_PARENT | {Cause.TOKEN_EXPIRED}
        )
        if self.parent_id is None:
            if self.cause in ENDS_WITH_PARENT:
                dead.filter(parent=self.pk).update(cause=self.cause)
            return
        told = Credential.objects.filter(
            pk=self.parent_id, state=self.State.BROKEN, cause__in=ENDS_WITH_PARENT
        )
        if cause := told.values_list("cause", flat=True).first():
            dead.filter(pk=self.pk).update(cause=cause)
            self.refresh_from_db(fields=["cause"])

    def revive(self, tokens: TokenSet, proof: Proof) -> bool:
        """Take tokens that its parent derived anew, and that were proven. True: alive."""
        now = timezone.now()
        with transaction.atomic():
            row = Credential.objects.select_for_update().get(pk=self.pk)
            if row.state != self.State.BROKEN or row.issued_at != self.issued_at:
                return False  # reconnected or disconnected meanwhile
            row.store(tokens, now=now)
            row.take_proof(proof, now)
            row.refresh_fence += 1
            row.save()
        return True

    def take_proof(self, proof: Proof, now: datetime, *, lives: bool = False) -> None:
        """Store what a look told, ability by ability, and set the next one.

        lives: accounts of another platform act with it, so that its own platform's "no"
        to posts is its own account's trouble and not the end of the access.
        """
        self.abilities = {
            ability.value: {
                "ok": verdict.ok,
                "cause": verdict.cause or "",
                "detail": verdict.detail[:500],
            }
            for ability, verdict in proof.abilities.items()
        }
        if proof.scopes is not None:
            self.granted_scopes = list(proof.scopes)
        if proof.expires_at:
            self.expires_at = proof.expires_at
        if proof.data_access_ends_at or proof.tells_data_access:
            self.data_access_ends_at = proof.data_access_ends_at
        publish = proof.abilities.get(Ability.PUBLISH)
        self.looked_at = now
        if publish and (publish.ok or lives):
            if publish.ok:
                self.proven_at = now
            self.state = self.State.ACTIVE
            self.cause = self.detail = ""
            self.broken_at = None
        elif publish and publish.ok is False:
            self.broken_at = self.broken_at or now
            self.state = self.State.BROKEN
            self.cause = publish.cause or Cause.NOT_ALLOWED
            self.detail = publish.detail[:2000]
        self.next_proof_at = now + self.proof_gap(now)

    def proof_gap(self, now: datetime | None = None) -> timedelta:
        """Until its own second of the day, by its number: however many were connected
        at once, their looks make no peak. After a look within the last hour, tomorrow's.
        """
        slot = (self.pk or 0) * SLOT_STEP % DAY_S
        second = int((now or timezone.now()).timestamp()) % DAY_S
        wait = (slot - second) % DAY_S
        return timedelta(seconds=wait if wait > 3600 else wait + DAY_S)


class AccountQuerySet(models.QuerySet["ConnectedAccount"]):
    def visible_to(self, user: Any) -> AccountQuerySet:
        if user.is_superuser:
            return self
        return self.filter(brand__members=user.pk)

    def connected(self) -> AccountQuerySet:
        return self.filter(disconnected_at=None)

    def healthy(self) -> AccountQuerySet:
        return self.connected().filter(
            credential__state=Credential.State.ACTIVE, trouble=""
        )

    def broken(self) -> AccountQuerySet:
        return self.connected().filter(
            Q(credential__state=Credential.State.BROKEN) | ~Q(trouble="")
        )

    def unable(self) -> AccountQuerySet:
        """Those that nothing can go out of: broken, disconnected or without access."""
        gone = Q(disconnected_at__isnull=False) | Q(credential=None)
        return self.broken() | self.filter(gone)

    def without_access(self) -> AccountQuerySet:
        """Broken ones whose standby access lives."""
        return (
            self.broken()
            .filter(standby__isnull=False, standby__state=Credential.State.ACTIVE)
            .select_related("credential")
        )

    def with_health(self) -> AccountQuerySet:
        return self.select_related("credential__app", "brand", "owner")


class ConnectedAccount(models.Model):
    """A profile, page or channel. Keeps its history and queue over every reconnect."""

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="accounts")
    credential = models.ForeignKey(
        Credential,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="accounts",
    )
    #: another person's access, which takes over when the first one ends
    standby = models.ForeignKey(
        Credential,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="standby_for",
    )
    platform = models.CharField(max_length=30, choices=platform_choices)
    network = models.CharField(
        max_length=10, choices=Network.choices, default=Network.LIVE
    )
    external_id = models.CharField(max_length=300)
    kind = models.CharField(max_length=20, default="user")
    name = models.CharField(max_length=200)
    handle = models.CharField(max_length=200, blank=True)
    url = models.CharField(max_length=500, blank=True)
    avatar_url = models.CharField(max_length=1000, blank=True)
    extra = models.JSONField(default=dict, blank=True)
    #: what the account's own server allows (characters, media), and when we read it
    server_limits = models.JSONField(default=dict, blank=True, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="owned_accounts",
        help_text=_("Told first when something is wrong with the account."),
    )
    deputy = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="deputised_accounts",
    )
    connected_at = models.DateTimeField(default=timezone.now)
    disconnected_at = models.DateTimeField(null=True, blank=True)
    #: The credential lives, but may not post for this account (a page role was lost).
    trouble = models.CharField(max_length=40, blank=True)
    trouble_detail = models.TextField(blank=True)
    trouble_at = models.DateTimeField(null=True, blank=True)

    objects = AccountQuerySet.as_manager()

    class Meta:
        ordering = ["platform", "name"]
        verbose_name = _("connected account")
        constraints = [
            models.UniqueConstraint(
                fields=["platform", "network", "external_id"],
                name="account_once_per_platform",
            )
        ]
        indexes = [
            models.Index(
                fields=["trouble_at"],
                name="account_in_trouble",
                condition=Q(trouble_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.spec.name})"

    def get_absolute_url(self) -> str:
        return address("account_detail", self.pk)

    @property
    def spec(self) -> PlatformSpec:
        return registry.spec(self.platform)

    @property
    def is_practice(self) -> bool:
        return self.network == Network.PRACTICE

    @property
    def health(self) -> str:
        """healthy, broken, disconnected: the one word that pages colour by."""
        if self.disconnected_at or (credential := self.credential) is None:
            return "disconnected"
        healthy = credential.is_active and not self.trouble
        return "healthy" if healthy else "broken"

    @property
    def cause(self) -> str:
        """Why it is broken: a cause for `accounts.causes.explain`, or ""."""
        if self.credential is not None and not self.credential.is_active:
            return self.credential.cause
        return self.trouble

    def identity(self) -> Identity:
        return Identity(
            external_id=self.external_id,
            kind=self.kind,
            name=self.name,
            handle=self.handle,
            url=self.url,
            avatar_url=self.avatar_url,
            extra=self.extra,
        )

    def ends(self, now: datetime | None = None) -> list[End]:
        """What ends for this account, the version that our app speaks included.

        Credential and its app should have been selected.
        """
        if (credential := self.credential) is None:
            return []
        found = credential.ends(self.platform, now)
        version = credential.app.version_end(self.platform)
        if version is None:
            return found
        return sorted([*found, version]) if found else [version]

    def set_trouble(self, cause: str, detail: str) -> bool:
        """What keeps its living credential from posting for it; "": nothing any more.
        True when that is news."""
        if self.trouble == cause:
            return False
        self.trouble, self.trouble_detail = cause, detail[:2000]
        self.trouble_at = timezone.now() if cause else None
        self.save(update_fields=["trouble", "trouble_detail", "trouble_at"])
        return True

    def take_standby(self) -> bool:
        """Its standby access, proven just now, takes the place of the one that ended.

        The former stands by from now on. False when something changed meanwhile.
        """
        with transaction.atomic():
            row = (
                ConnectedAccount.objects.select_for_update(of=("self",))
                .without_access()
                .filter(pk=self.pk, standby=self.standby_id)
                .first()
            )
            if row is None or row.credential_id != self.credential_id:
                return False
            before, cause = row.credential_id, row.cause
            row.credential_id, row.standby_id = row.standby_id, before
            row.trouble = row.trouble_detail = ""
            row.trouble_at = None
            row.save(
                update_fields=[
                    "credential",
                    "standby",
                    "trouble",
                    "trouble_detail",
                    "trouble_at",
                ]
            )
            detail = {"from": before, "to": row.credential_id, "cause": cause}
            AuditEvent.write(None, "standby_took_over", row, **detail)
        return True

    def move_to(self, credential: Credential) -> None:
        """Act through this credential from now on, free of what was wrong before."""
        self.credential = credential
        if self.standby_id == credential.pk:
            self.standby = None
        self.trouble = self.trouble_detail = ""
        self.trouble_at = None
        self.save(
            update_fields=[
                "credential",
                "standby",
                "trouble",
                "trouble_detail",
                "trouble_at",
            ]
        )

    def client(self) -> PlatformClient:
        """A client that acts as this account. Credential must be there."""
        assert self.credential is not None
        access = self.credential.access(self)
        return self.credential.app.client(access, self.platform)


class PendingConnection(models.Model):
    """Tokens of a grant whose profiles a person has still to choose.

    They wait here, encrypted, and never in a session or a page. Deleted once used.
    """

    LIFE = timedelta(minutes=15)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    #: who signed in; null: whoever came by `link`
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True
    )
    link = models.ForeignKey(
        "accounts.ReconnectLink", on_delete=models.CASCADE, null=True, blank=True
    )
    app = models.ForeignKey(PlatformApp, on_delete=models.CASCADE)
    brand = models.ForeignKey(Brand, on_delete=models.CASCADE, null=True, blank=True)
    #: the account to reconnect; null: new accounts
    account = models.ForeignKey(
        ConnectedAccount, on_delete=models.CASCADE, null=True, blank=True
    )
    #: JSON of the token set and the identities that it may act for
    grant = EncryptedTextField(editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name = _("pending connection")

    def __str__(self) -> str:
        return f"{self.app} by {self.user or 'link'}"


class RefreshAttemptQuerySet(models.QuerySet["RefreshAttempt"]):
    def unfinished(self) -> RefreshAttemptQuerySet:
        """On their way, or their process died."""
        return self.filter(finished_at__isnull=True).order_by("started_at")


class RefreshAttempt(models.Model):
    """One try to renew a credential. Stored before the call: one that never finishes
    marks a process that died with the platform's answer."""

    credential = models.ForeignKey(
        Credential, on_delete=models.CASCADE, related_name="refresh_attempts"
    )
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=20, blank=True)
    cause = models.CharField(max_length=40, blank=True)
    detail = models.TextField(blank=True)

    objects = RefreshAttemptQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at"]
        indexes = [
            models.Index(
                fields=["started_at"],
                name="refresh_unfinished",
                condition=Q(finished_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"refresh of {self.credential_id}: {self.outcome or 'running'}"


class AuditEvent(models.Model):
    """Who did what to which row. Never edited."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField(default=timezone.now)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )
    verb = models.CharField(max_length=60)
    target_type = models.CharField(max_length=60)
    target_id = models.CharField(max_length=60)
    target_text = models.CharField(max_length=200)
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-at"]
        indexes = [
            models.Index(fields=["target_type", "target_id"], name="audit_by_target"),
            models.Index(fields=["verb", "at"], name="audit_by_verb"),
            # The newest of all, and of one person.
            models.Index(fields=["at"], name="audit_by_time"),
            models.Index(fields=["actor", "at"], name="audit_by_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.target_text}"

    @classmethod
    def write(
        cls, actor: Any, verb: str, target: models.Model, **detail: Any
    ) -> AuditEvent:
        """actor None: the system itself."""
        event = cls.about(actor, verb, target, **detail)
        event.save(force_insert=True)
        return event

    @classmethod
    def about(
        cls, actor: Any, verb: str, target: models.Model, **detail: Any
    ) -> AuditEvent:
        """Not saved, for those who write many at once."""
        return cls(
            actor=actor if actor and actor.pk else None,
            verb=verb,
            target_type=target._meta.label_lower,
            target_id=str(target.pk),
            target_text=str(target)[:200],
            detail=detail,
        )


_broken_since = FixedQuery(
    lambda since: (
        Credential.objects.filter(state=Credential.State.BROKEN, broken_at__gte=since)
        .order_by()
        .values_list("pk")[:1]
    ),
    SAMPLE_TIME,
)
_troubled_since = FixedQuery(
    lambda since: (
        ConnectedAccount.objects.filter(
            trouble__in=OF_THE_CONSENT, trouble_at__gte=since
        )
        .order_by()
        .values_list("pk")[:1]
    ),
    SAMPLE_TIME,
)

# Rows of the same app in a module of their own.
from .limit_models import CircuitBreaker as CircuitBreaker  # noqa: E402
from .limit_models import RateBucket as RateBucket  # noqa: E402
from .reconnect_models import CampaignItem as CampaignItem  # noqa: E402
from .reconnect_models import DataRequest as DataRequest  # noqa: E402
from .reconnect_models import ReconnectCampaign as ReconnectCampaign  # noqa: E402
from .reconnect_models import ReconnectLink as ReconnectLink  # noqa: E402
