"""Root causes: what is broken now, grouped so that one cause is one finding.

A platform's tree (a person's token, the page tokens made from it, the Instagram accounts
behind those) dies of one cause and is mended by one reconnect, so it is one finding,
whichever of its members was looked at first. What only one page lost is that page's own.
What the platform refuses our app is the app's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone

from accounts import breakers
from accounts.causes import Action, explain
from accounts.fixed_query import FixedQuery
from accounts.models import (
    LIKE_THE_APP,
    OF_THE_CONSENT,
    CircuitBreaker,
    ConnectedAccount,
    Credential,
    PlatformApp,
)
from accounts.paused import Paused
from platforms.errors import Cause

from .models import Incident

#: A person's consent ended: all that was made from it ends with it.
CONSENT_ENDED = frozenset(
    {
        Cause.TOKEN_EXPIRED,
        Cause.TOKEN_REVOKED,
        Cause.TOKEN_INVALID,
        Cause.PASSWORD_CHANGED,
        Cause.SIGN_IN_WANTED,
        Cause.DATA_ACCESS_ENDED,
        Cause.REFRESH_REFUSED,
        Cause.ROTATION_LOST,
        Cause.WRONG_PASSWORD,
        Cause.SECOND_FACTOR_WANTED,
        Cause.ACCOUNT_LOCKED,
    }
)
#: Of these, those that leave nothing alive: members that were not looked at since are
#: taken for dead. A page's token may outlive its person's that only ran out.
ALL_DEAD = CONSENT_ENDED - {Cause.TOKEN_EXPIRED, Cause.ROTATION_LOST}
#: The platform refuses our app, not an account.
OUR_APP = frozenset(
    {
        Cause.APP_REFUSED,
        Cause.APP_SUSPENDED,
        Cause.APP_GONE,
        Cause.VERSION_ENDED,
        Cause.CREDITS_USED_UP,
    }
)
#: What was found so long before its root broke may be the first sign of it.
SAME_TIME = timedelta(hours=1)
#: Roles of one person that are found lost within so long were taken at once.
AT_ONCE = timedelta(minutes=5)
#: All that one token acts for is asked about within so long.
ASKED_WITHIN = timedelta(minutes=1)

#: What nobody needs who only wants to know what hangs together.
_members = Credential.objects.defer(
    "access_token", "refresh_token", "granted_scopes", "abilities", "extra"
)
_accounts = ConnectedAccount.objects.connected().defer("extra", "server_limits")

_apps = FixedQuery(
    lambda pks: PlatformApp.objects.filter(pk__in=pks).defer(
        "client_secret", "hook_secret", "hook_token"
    ),
    [0],
)
_broken = FixedQuery(lambda: _members.filter(state=Credential.State.BROKEN))
_by_key = FixedQuery(lambda pks: _members.filter(pk__in=pks), [0])
_below = FixedQuery(
    lambda parents: _members.filter(parent__in=parents).exclude(
        state=Credential.State.DISCONNECTED
    ),
    [0],
)
_accounts_of = FixedQuery(
    lambda pks: _accounts.filter(credential__in=pks).order_by("name", "pk"), [0]
)
_in_trouble = FixedQuery(
    lambda: _accounts.exclude(trouble="").filter(
        credential__state=Credential.State.ACTIVE
    )
)


@dataclass
class Root:
    """One cause. credential: None for an app's; since: when it was first seen."""

    key: str
    kind: str
    cause: str
    detail: str
    credential: Credential | None
    since: datetime
    accounts: dict[int, ConnectedAccount] = field(default_factory=dict)
    #: every member of its tree has been looked at since
    is_complete: bool = True

    @property
    def needs_admin(self) -> bool:
        """Nothing that an account's owner could do."""
        return explain(self.cause).action == Action.OPERATOR

    @property
    def subject(self) -> str:
        """The one account, where its access is lost and no other's."""
        if self.kind != Incident.Kind.ACCESS or len(self.accounts) != 1:
            return ""
        (account,) = self.accounts.values()
        return str(account)

    @property
    def may_be_the_app(self) -> bool:
        """So some platforms answer a suspended app as well."""
        return self.credential is not None and self.cause in LIKE_THE_APP

    def may_be_the_app_of(self, apps: Collection[int]) -> bool:
        of = self.credential
        return of is not None and self.may_be_the_app and of.app_id in apps

    @property
    def covers_others(self) -> bool:
        """Its members' own troubles may have been the first signs of it."""
        if self.credential is None:
            return True
        return self.credential.parent_id is None and self.cause in CONSENT_ENDED

    def take(self, accounts: Iterable[ConnectedAccount]) -> None:
        self.accounts.update((account.pk, account) for account in accounts)


class Tree:
    """A topmost credential, all that was made from it, and their connected accounts."""

    def __init__(self, root: Credential) -> None:
        self.root = root
        self.members: list[Credential] = [root]
        self.accounts: dict[int, list[ConnectedAccount]] = {}

    @property
    def is_single(self) -> bool:
        return len(self.members) == 1

    @property
    def all_accounts(self) -> list[ConnectedAccount]:
        return [a for accounts in self.accounts.values() for a in accounts]

    def was_seen_since(self, at: datetime) -> bool:
        return all(_was_seen(member, at) for member in self.members)

    def root_was_seen_since(self, at: datetime) -> bool:
        return _was_seen(self.root, at)


def _was_seen(credential: Credential, at: datetime) -> bool:
    """Looked at since, or dead."""
    looked = credential.looked_at
    return not credential.is_active or bool(looked and looked >= at)


def trees_of(credentials: Sequence[Credential]) -> dict[int, Tree]:
    """The whole tree of each credential, by the credential's key; no tokens are read.

    A query per level of the deepest tree, not per credential. The people of the
    accounts are left to those who write to them.
    """
    if not credentials:
        return {}
    known = {row.pk: row for row in credentials}
    wanted = {row.parent_id for row in known.values() if row.parent_id} - set(known)
    while wanted:
        above = {row.pk: row for row in _by_key.objects(list(wanted))}
        known |= above
        wanted = {row.parent_id for row in above.values() if row.parent_id}
        wanted -= set(known)
    trees: dict[int, Tree] = {}
    for row in known.values():
        top = row
        while top.parent_id:
            top = known[top.parent_id]
        trees.setdefault(top.pk, Tree(top))
    by_member = {pk: tree for pk, tree in trees.items()}
    level = list(trees)
    while level:
        below = _below.objects(level)
        level = []
        for row in below:
            assert row.parent_id is not None
            tree = by_member[row.parent_id]
            tree.members.append(row)
            by_member[row.pk] = tree
            level.append(row.pk)
    give_apps(member for tree in trees.values() for member in tree.members)
    for account in _accounts_of.objects(list(by_member)):
        assert account.credential_id is not None
        tree = by_member[account.credential_id]
        tree.accounts.setdefault(account.credential_id, []).append(account)
    return by_member


def give_apps(credentials: Iterable[Credential]) -> None:
    """Each its app, without its secret; one query."""
    rows = [row for row in credentials if not Credential.app.is_cached(row)]
    if rows:
        apps = _apps.objects(list({row.app_id for row in rows}))
        by_pk = {app.pk: app for app in apps}
        for row in rows:
            row.app = by_pk[row.app_id]


def find(pauses: Sequence[Paused] = ()) -> dict[str, Root]:
    """What is broken now, by key. pauses: app breakers that cover what they hold."""
    broken, troubled = _broken.objects(), _in_trouble.objects()
    theirs = {account.credential_id for account in troubled}
    held = _by_key.objects(list(theirs)) if theirs else []
    by_member = trees_of([*broken, *held])
    taken_back = breakers.taken_back(timezone.now()) if broken else []
    search = _Search(pauses, taken_back)
    for tree in {id(tree): tree for tree in by_member.values()}.values():
        search.judge(tree)
    for account in sorted(troubled, key=_found_at):
        assert account.credential_id is not None
        search.judge_account(account, by_member[account.credential_id])
    return {key: root for key, root in search.found.items() if root.accounts}


class _Search:
    def __init__(
        self, pauses: Sequence[Paused], taken_back: Sequence[CircuitBreaker]
    ) -> None:
        self.found: dict[str, Root] = {}
        #: roles that were found lost last, by the topmost credential
        self.lost: dict[int, Root] = {}
        self.refused = {
            pause.breaker.subject_id: pause.breaker
            for pause in pauses
            if pause.scope == "app"
        }
        self.taken_back = {breaker.subject_id: breaker for breaker in taken_back}

    def judge(self, tree: Tree) -> None:
        root = tree.root
        root_is_dead = not root.is_active and root.cause in CONSENT_ENDED
        dead = [m for m in tree.members if m.state == Credential.State.BROKEN]
        ended: list[Credential] = []
        for member in sorted(dead, key=lambda one: (_about(one), one.pk)):
            if self._is_covered(member):
                continue
            if member.cause in CONSENT_ENDED or (
                root_is_dead and _about(member) >= _about(root) - SAME_TIME
            ):
                ended.append(member)
            elif member.cause in OUR_APP:
                self._of_app(member, tree)
            elif member.cause in OF_THE_CONSENT:
                key = f"access:{root.pk}:{member.cause}"
                self._take(key, member.cause, member, root, [member], tree)
            elif member.cause == Cause.ROLE_LOST:
                with_it = self._lost_with(tree, _about(member), member.proven_at)
                key = with_it.key if with_it else f"access:{member.pk}"
                self._take(key, member.cause, member, root, [member], tree)
                self.lost[root.pk] = self.found[key]
            else:
                key = f"access:{member.pk}"
                self._take(key, member.cause, member, member, [member], tree)
        if not ended:
            return
        teller = root if root in ended else _usual(ended)
        concerned = list(ended)
        if root in ended and root.cause in ALL_DEAD:
            concerned += [
                member
                for member in tree.members
                if member.is_active
                and not (member.proven_at and member.proven_at > _about(root))
            ]
        self._take(f"access:{root.pk}", teller.cause, teller, root, concerned, tree)

    def judge_account(self, account: ConnectedAccount, tree: Tree) -> None:
        """The credential lives, but may not post for this account."""
        credential = next(m for m in tree.members if m.pk == account.credential_id)
        cause, since = account.trouble, account.trouble_at or timezone.now()
        key, kind = f"account:{account.pk}", Incident.Kind.ACCESS
        if cause in OUR_APP:
            if credential.app_id in self.refused:
                return
            key, kind = _app_key(credential, cause), Incident.Kind.APP
        elif cause in OF_THE_CONSENT:
            key = f"access:{tree.root.pk}:{cause}"
        elif cause == Cause.ROLE_LOST and (with_it := self._lost_with(tree, since)):
            key = with_it.key
        # What a person's consent lacks is told as theirs, not as one Page's.
        of: Credential | None = credential
        if kind == Incident.Kind.APP:
            of = None
        elif cause in OF_THE_CONSENT:
            of = tree.root
        detail = account.trouble_detail
        found = self.found.setdefault(key, Root(key, kind, cause, detail, of, since))
        found.take([account])
        if cause in OF_THE_CONSENT:
            found.since = min(found.since, since)
            found.is_complete = tree.is_single or tree.was_seen_since(found.since)
        elif cause == Cause.ROLE_LOST:
            self.lost[tree.root.pk] = found
            alone = len(tree.accounts[credential.pk]) == 1
            found.is_complete = alone or since < timezone.now() - ASKED_WITHIN

    def _lost_with(
        self, tree: Tree, at: datetime, proven_at: datetime | None = None
    ) -> Root | None:
        """The roles of the same person that one act took with this one: whoever leaves a
        company loses all of its pages. Not with one that was proven in between."""
        found = self.lost.get(tree.root.pk)
        if found is None or at > found.since + AT_ONCE:
            return None
        return None if proven_at and proven_at > found.since else found

    def _is_covered(self, member: Credential) -> bool:
        """Our app's breaker tells of it: the accounts are not at fault.

        What only seemed withdrawn is asked again first when our app is taken back.
        """
        refused = self.refused.get(member.app_id)
        if refused and member.cause in OUR_APP:
            return True
        breaker = refused or self.taken_back.get(member.app_id)
        if breaker is None or breaker.many_lost_at is None:
            return False
        if _about(member) < breaker.many_lost_at - SAME_TIME:
            return False
        if refused:
            return True
        at, looked = breaker.closed_at, member.looked_at
        unseen = looked is None or bool(at and looked < at)
        return unseen and member.cause in LIKE_THE_APP

    def _of_app(self, member: Credential, tree: Tree) -> None:
        key = _app_key(member, member.cause)
        found = self.found.get(key)
        if found is None:
            kind, at = Incident.Kind.APP, _about(member)
            found = Root(key, kind, member.cause, member.detail, None, at)
            self.found[key] = found
        found.since = min(found.since, _about(member))
        found.take(tree.accounts.get(member.pk, ()))

    def _take(
        self,
        key: str,
        cause: str,
        teller: Credential,
        owner: Credential,
        members: Sequence[Credential],
        tree: Tree,
    ) -> None:
        since = min(_about(m) for m in members if not m.is_active)
        found = self.found.get(key)
        if found is None:
            kind = Incident.Kind.ACCESS
            found = Root(key, kind, cause, teller.detail, owner, since)
            self.found[key] = found
        found.since = min(found.since, since)
        for member in members:
            found.take(tree.accounts.get(member.pk, ()))
        if owner is tree.root:
            found.is_complete = tree.is_single or tree.was_seen_since(found.since)
        else:
            # Unless its root is found dead as well, it is a trouble of its own.
            found.is_complete = tree.root_was_seen_since(found.since)


def _found_at(account: ConnectedAccount) -> tuple[datetime, int]:
    return account.trouble_at or timezone.now(), account.pk


def _about(credential: Credential) -> datetime:
    return credential.broken_at or credential.looked_at or credential.connected_at


def _app_key(credential: Credential, cause: str) -> str:
    app = credential.app
    return f"{Incident.Kind.APP}:{app.platform}:{app.pk}:{cause}"


def _usual(members: Sequence[Credential]) -> Credential:
    """The first that has the commonest cause among them."""
    (cause, _count), *_rest = Counter(m.cause for m in members).most_common(1)
    first = [m for m in members if m.cause == cause]
    return min(first, key=lambda m: (_about(m), m.pk))
