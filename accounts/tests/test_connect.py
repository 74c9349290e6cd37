"""From a grant to accounts and back: each once, nothing overwritten by mistake."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import connect as connecting
from accounts import refresh
from accounts.connect import (
    AlreadyConnected,
    AsksFirst,
    CannotPost,
    ChangedMeanwhile,
    Grant,
    NobodyThere,
    OfferState,
    OtherIdentity,
    ScopesRefused,
    connect,
    features_without,
    is_allowed,
    may_publish,
    missing_scopes,
    offers,
    park,
    parked,
    receive,
    reconnect,
)
from accounts.disconnect import disconnect
from accounts.models import (
    AuditEvent,
    Brand,
    ConnectedAccount,
    Credential,
    Network,
    PendingConnection,
    PlatformApp,
)
from monitoring import incidents
from monitoring.models import Incident
from platforms import registry
from platforms.base import Ability, Call, Identity, Proof, TokenSet, Verdict
from platforms.errors import AuthRevoked, Cause, PermissionMissing, PlatformDown
from tests.scripted_platform import SPEC

pytestmark = pytest.mark.django_db

ME = Identity("me", "member", "Ana Lopez", "ana", "https://s.example/ana")
PAGE = Identity("page", "organization", "Acme Tools", "", "https://s.example/acme")
OTHER = Identity("other", "organization", "Acme Bakery", "", "https://s.example/bake")


@pytest.fixture
def app(script):
    return PlatformApp.objects.create(platform="scripted", client_id="c")


@pytest.fixture
def grant_of(app):
    def make(*identities, token="new-access", refresh_token="", scopes=("all",)):
        tokens = TokenSet(token, refresh_token, scopes=scopes)
        return receive(app, tokens, ("all",), identities)

    return make


def connect_all(grant, brand, user):
    return connect(grant, [(i, brand) for i in grant.identities], user)


# -- permissions


def test_a_whole_scope_covers_its_parts():
    spec = registry.spec("mastodon")
    assert may_publish(spec, ["profile", "write"])
    assert missing_scopes(spec, ["write:media", "write:statuses"], ["write"]) == []
    assert not may_publish(spec, ["profile", "read"])


def test_a_missing_scope_names_what_will_not_work():
    spec = registry.spec("x")
    granted = ["tweet.read", "users.read", "tweet.write"]
    assert may_publish(spec, granted)
    assert "Images" in features_without(spec, "media.write", granted)
    assert is_allowed(spec.call("POST /2/tweets"), granted)
    assert not is_allowed(spec.call("POST /2/media/upload"), granted)


def test_nothing_is_asked_of_a_platform_that_did_not_allow_posting():
    app = PlatformApp.objects.create(platform="x", client_id="c")
    asked = ("tweet.read", "users.read", "tweet.write")
    with pytest.raises(ScopesRefused) as refused:
        receive(app, TokenSet("t", scopes=("tweet.read", "users.read")), asked)
    assert [scope.name for scope in refused.value.missing] == ["tweet.write"]


def test_a_platform_that_names_no_scopes_gave_what_was_asked(app):
    grant = receive(app, TokenSet("t"), ("one", "two"), [ME])
    assert grant.tokens.scopes == ("one", "two")
    assert grant.missing == []


def test_a_sign_in_without_any_profile_is_refused(app):
    with pytest.raises(NobodyThere):
        receive(app, TokenSet("t"), ("one",))


# -- new accounts


def test_profiles_of_one_sign_in_share_one_credential(grant_of, brand, author):
    accounts = connect_all(grant_of(ME, PAGE), brand, author)
    assert {account.credential for account in accounts} == {Credential.objects.get()}
    assert Credential.objects.get().subject_id == "me"
    assert [event.verb for event in AuditEvent.objects.all()] == ["connected"] * 2


@pytest.mark.trap("youtube", 4)
@pytest.mark.trap("linkedin", 8)
def test_a_later_page_of_the_same_person_uses_the_same_credential(
    grant_of, brand, author
):
    connect_all(grant_of(ME), brand, author)
    later = grant_of(ME, PAGE, token="later-access")
    connect(later, [(PAGE, brand)], author)
    assert Credential.objects.get().access_token == "later-access"
    accounts = ConnectedAccount.objects.all()
    assert [a.credential.access_token for a in accounts] == ["later-access"] * 2


@pytest.mark.trap("tiktok", 13)
@pytest.mark.trap("linkedin", 14)
def test_each_account_keeps_the_app_that_knows_it_by_that_name(
    grant_of, brand, author, app
):
    connect_all(grant_of(ME), brand, author)
    second = PlatformApp.objects.create(
        platform="scripted", network=Network.PRACTICE, client_id="d"
    )
    # Whom another app calls so is somebody else.
    assert receive(app, TokenSet("t"), ("all",), [ME]).credential()
    assert receive(second, TokenSet("t"), ("all",), [ME]).credential() is None
    again = Identity("me-of-d", "member", "Ana Lopez", "ana", "https://s.example/ana")
    connect_all(receive(second, TokenSet("t"), ("all",), [again, PAGE]), brand, author)
    apps = {a.external_id: a.credential.app for a in ConnectedAccount.objects.all()}
    assert apps == {"me": app, "me-of-d": second, "page": second}


def test_each_profile_is_connected_once(grant_of, brand, author):
    connect_all(grant_of(ME), brand, author)
    with pytest.raises(AlreadyConnected) as refused:
        connect_all(grant_of(ME, token="second"), brand, author)
    assert refused.value.account == ConnectedAccount.objects.get()
    assert Credential.objects.get().access_token == "new-access"


@pytest.mark.trap("outstand", 5)
def test_offers_tell_a_seen_brand_from_an_unseen_one(
    grant_of, brand, author, django_user_model
):
    hidden = Brand.objects.create(name="Hidden")
    connect(grant_of(ME, PAGE), [(ME, brand), (PAGE, hidden)], author)
    ida = django_user_model.objects.create_user("ida")
    brand.members.add(ida)
    found = offers(grant_of(ME, PAGE, OTHER), ida)
    assert [offer.state for offer in found] == [
        OfferState.CONNECTED,
        OfferState.ELSEWHERE,
        OfferState.NEW,
    ]
    assert found[1].account is None


def test_a_disconnected_account_comes_back_with_its_row(grant_of, brand, author):
    account = connect_all(grant_of(ME), brand, author)[0]
    disconnect(account, author)
    other_brand = Brand.objects.create(name="Another")
    back = connect_all(grant_of(ME, token="back"), other_brand, author)[0]
    assert (back.pk, back.brand, back.health) == (account.pk, brand, "healthy")
    assert AuditEvent.objects.first().verb == "reconnected"


def test_a_profile_that_may_not_post_is_not_offered(grant_of, author):
    reader = Identity("r", "organization", "Read only", "", "", can_publish=False)
    assert offers(grant_of(ME, reader), author)[1].can_choose is False


def test_a_definite_no_is_shown_on_the_new_account(script, grant_of, brand, author):
    script.answers["prove"] = [PermissionMissing(cause=Cause.ACCOUNT_SUSPENDED)]
    account = connect_all(grant_of(ME), brand, author)[0]
    assert account.health == "broken"
    assert account.cause == Cause.ACCOUNT_SUSPENDED


def test_a_first_look_that_told_nothing_is_repeated_soon(
    script, grant_of, brand, author
):
    script.answers["prove"] = [PlatformDown()]
    account = connect_all(grant_of(ME), brand, author)[0]
    assert account.health == "healthy"
    assert account.credential.proven_at is None
    assert account.credential.next_proof_at <= timezone.now()


# -- reconnecting


@pytest.fixture
def connected(grant_of, brand, author):
    """Ana's profile and a page, with access that has ended."""
    accounts = connect_all(
        grant_of(ME, PAGE, token="old", refresh_token="old-refresh"), brand, author
    )
    accounts[0].credential.break_for(AuthRevoked())
    return ConnectedAccount.objects.get(external_id="page")


def stored():
    return Credential.objects.get()


def test_reconnecting_mends_in_place_and_its_siblings(grant_of, connected, author):
    done = reconnect(grant_of(ME, PAGE), connected, author)
    assert {account.external_id for account in done.accounts} == {"me", "page"}
    assert stored().access_token == "new-access"
    assert all(a.health == "healthy" for a in ConnectedAccount.objects.all())
    assert ConnectedAccount.objects.count() == 2


def test_the_incident_is_over_as_soon_as_all_of_it_is_mended(
    grant_of, connected, author
):
    incidents.review()
    reconnect(grant_of(ME, PAGE), connected, author)
    incident = Incident.objects.get()
    assert incident.state == Incident.State.RESOLVED
    incidents.review()
    assert set(incident.alerts.values_list("kind", flat=True)) == {"opened", "resolved"}


def test_the_incident_stays_while_a_part_of_it_is_not_mended(
    grant_of, connected, author
):
    incidents.review()
    reconnect(
        grant_of(ME), ConnectedAccount.objects.get(external_id="me"), author, yes=True
    )
    assert Incident.objects.open().exists()


def test_another_person_who_may_act_for_the_page_can_mend_it(
    grant_of, connected, author
):
    ben = Identity("ben", "member", "Ben", "ben", "")
    with pytest.raises(AsksFirst) as asked:
        reconnect(grant_of(ben, PAGE), connected, author)
    assert (asked.value.signed_in_as, asked.value.before) == ("ben", "ana")
    assert stored().access_token == "old"
    reconnect(grant_of(ben, PAGE), connected, author, yes=True)
    connected.refresh_from_db()
    assert connected.credential.subject_id == "ben"
    ana = ConnectedAccount.objects.get(external_id="me")
    assert ana.health == "broken"
    assert ana.credential.subject_id == "me"


@pytest.mark.trap("youtube", 12)
def test_somebody_else_changes_nothing(grant_of, connected, author):
    stranger = Identity("x", "member", "Xaver", "xaver", "")
    with pytest.raises(OtherIdentity) as refused:
        reconnect(grant_of(stranger, OTHER), connected, author)
    assert (refused.value.signed_in_as, refused.value.belongs_to) == (
        "xaver",
        "Acme Tools",
    )
    assert stored().access_token == "old"
    assert not stored().is_active


def test_fewer_rights_need_a_yes(app, connected, author):
    Credential.objects.update(granted_scopes=["all", "figures"])
    connected.refresh_from_db()
    grant = receive(app, TokenSet("new-access", scopes=("all",)), ("all",), [ME, PAGE])
    with pytest.raises(AsksFirst) as refused:
        reconnect(grant, connected, author)
    assert [scope.name for scope in refused.value.lost] == ["figures"]
    assert stored().access_token == "old"
    reconnect(grant, connected, author, yes=True)
    assert stored().access_token == "new-access"


@pytest.mark.parametrize(
    "answer",
    [
        AuthRevoked(),
        PermissionMissing(cause=Cause.ACCOUNT_LOCKED),
        Proof({Ability.PUBLISH: Verdict(False, Cause.SCOPE_MISSING)}),
    ],
)
def test_access_that_cannot_post_replaces_nothing(
    script, grant_of, connected, author, answer
):
    script.answers["prove"] = [answer]
    with pytest.raises(CannotPost):
        reconnect(grant_of(ME, PAGE), connected, author)
    assert stored().access_token == "old"


def test_a_lost_role_replaces_nothing(grant_of, connected, author):
    lost = Identity("page", "organization", "Acme", "", "", can_publish=False)
    with pytest.raises(CannotPost):
        reconnect(grant_of(ME, lost), connected, author)
    assert stored().access_token == "old"


def test_network_trouble_does_not_hinder_a_reconnect(
    script, grant_of, connected, author
):
    script.answers["prove"] = [PlatformDown()]
    reconnect(grant_of(ME, PAGE), connected, author)
    assert stored().is_active


def test_the_old_refresh_token_goes_with_the_old_consent(grant_of, connected, author):
    reconnect(grant_of(ME, PAGE), connected, author)
    assert stored().refresh_token == ""


def test_a_renewal_that_was_on_its_way_cannot_overwrite_a_reconnect(
    script, grant_of, connected, author
):
    past = timezone.now() - timedelta(minutes=1)
    Credential.objects.update(state="active", refresh_after=past)
    ticket = refresh.begin(stored().pk)
    reconnect(grant_of(ME, PAGE), connected, author)
    assert refresh.finish(ticket, TokenSet("late", "late-refresh")) is False
    assert stored().access_token == "new-access"


def test_what_is_disconnected_during_the_sign_in_stays_so(
    grant_of, connected, author, monkeypatch
):
    """Its held posts would go out by themselves."""
    asks = connecting.look_at

    def meanwhile(*args):
        disconnect(ConnectedAccount.objects.get(pk=connected.pk), author)
        return asks(*args)

    monkeypatch.setattr(connecting, "look_at", meanwhile)
    with pytest.raises(ChangedMeanwhile):
        reconnect(grant_of(ME, PAGE), connected, author)
    connected.refresh_from_db()
    assert connected.health == "disconnected"
    assert stored().access_token == "old"


def test_a_sibling_that_is_disconnected_meanwhile_is_left_alone(
    grant_of, connected, author, monkeypatch
):
    asks, profile = connecting.look_at, ConnectedAccount.objects.get(external_id="me")

    def meanwhile(*args):
        disconnect(profile, author)
        return asks(*args)

    monkeypatch.setattr(connecting, "look_at", meanwhile)
    done = reconnect(grant_of(ME, PAGE), connected, author)
    assert [account.external_id for account in done.accounts] == ["page"]
    profile.refresh_from_db()
    assert profile.health == "disconnected"


def test_who_looks_after_it_is_changed_by_no_reconnect(
    grant_of, connected, author, monkeypatch
):
    asks = connecting.look_at

    def meanwhile(*args):
        ConnectedAccount.objects.update(deputy=author)
        return asks(*args)

    monkeypatch.setattr(connecting, "look_at", meanwhile)
    reconnect(grant_of(ME, PAGE), connected, author)
    connected.refresh_from_db()
    assert (connected.deputy, connected.health) == (author, "healthy")


# -- disconnecting


def test_disconnecting_ends_the_access_that_a_reconnect_has_just_brought(
    grant_of, connected, author
):
    read = ConnectedAccount.objects.get(pk=connected.pk)
    assert read.credential.subject_id == "me"
    ben = Identity("ben", "member", "Ben", "ben", "")
    reconnect(grant_of(ben, PAGE), connected, author, yes=True)
    disconnect(read, author)
    bens = Credential.objects.get(subject_id="ben")
    assert (bens.state, bens.access_token) == ("disconnected", "")


@pytest.mark.trap("youtube", 15)
def test_disconnecting_deletes_tokens_and_keeps_the_account(grant_of, brand, author):
    account = connect_all(grant_of(ME), brand, author)[0]
    disconnect(account, author)
    account.refresh_from_db()
    assert account.health == "disconnected"
    assert stored().access_token == stored().refresh_token == ""
    assert stored().state == Credential.State.DISCONNECTED


def test_the_sign_in_stays_while_another_account_needs_it(grant_of, brand, author):
    profile, page = connect_all(grant_of(ME, PAGE), brand, author)
    disconnect(page, author)
    assert stored().access_token == "new-access"
    disconnect(ConnectedAccount.objects.get(pk=profile.pk), author)
    assert stored().access_token == ""


# -- waiting grants


def test_a_grant_waits_encrypted_and_comes_back_whole(grant_of, author, brand, caplog):
    caplog.set_level(logging.DEBUG)
    now = timezone.now()
    grant = grant_of(ME, PAGE)
    tokens = TokenSet("secret-a", "secret-r", now, now, None, ("all",), {"pds": "p"})
    grant = Grant(grant.app, tokens, ("all",), grant.identities)
    row = park(grant, author, brand=brand)
    found = parked(row.pk, author)
    assert found is not None
    assert found[1].tokens == tokens
    assert found[1].identities == grant.identities
    assert "secret" not in caplog.text + repr(grant) + str(row)


def test_a_waiting_grant_is_its_persons_alone_and_ends(
    grant_of, author, brand, django_user_model
):
    row = park(grant_of(ME), author, brand=brand)
    assert parked(row.pk, django_user_model.objects.create_user("tom")) is None
    PendingConnection.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert parked(row.pk, author) is None
    park(grant_of(ME), author, brand=brand)
    assert PendingConnection.objects.count() == 1


def test_a_call_that_no_code_makes_yet_is_no_way_to_publish():
    calls = (
        Call("POST /posts", "Publish", ("write",), mutates=True),
        Call("POST /stories", "Stories", ("stories",), mutates=True, later=True),
    )
    spec = replace(SPEC, calls=calls)
    assert may_publish(spec, ["write"])
    assert not may_publish(spec, ["stories"])
