"""Pages about incidents, messages and channels: who sees what, and what buttons do."""

from __future__ import annotations

import re
from datetime import time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import responses
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from accounts.models import Brand, Credential, Profile
from accounts.roles import ADMIN, MARKETING
from monitoring import incidents, letters
from monitoring.models import Alert, AlertChannel, AlertPreference, Incident

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("script")]

ROOM = "https://hooks.chat.example/services/room-key"


@pytest.fixture
def person(django_user_model: Any, brand: Brand) -> Any:
    def make(name: str, role: str = MARKETING, inside: bool = True) -> Any:
        user = django_user_model.objects.create_user(name, f"{name}@example.com")
        user.groups.add(Group.objects.get(name=role))
        if inside:
            brand.members.add(user)
        return user

    return make


@pytest.fixture
def mia(person: Any) -> Any:
    return person("mia")


@pytest.fixture
def incident(make_account: Any, mia: Any) -> Incident:
    account = make_account("scripted", "a", owner=mia)
    Credential.objects.update(
        state="broken", cause="token_revoked", broken_at=timezone.now()
    )
    incidents.review()
    assert account.owner == mia
    return Incident.objects.get()


def page_of(client: Client, user: Any, name: str, *args: Any) -> str:
    client.force_login(user)
    answer = client.get(reverse(name, args=args))
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_owner_finds_it_everywhere(
    client: Client, incident: Incident, mia: Any
) -> None:
    head = "Acme Tools (Scripted): Access was withdrawn"
    for name, args in (
        ("incident_list", ()),
        ("incident_detail", (incident.pk,)),
        ("alert_list", ()),
        ("home", ()),
    ):
        assert head in page_of(client, mia, name, *args), name
    page = page_of(client, mia, "incident_detail", incident.pk)
    assert "mia" in page
    assert "Mail" in page
    # Only an admin may reconnect.
    assert "/reconnect/" not in page
    assert reverse("account_links", args=[incident.accounts.get().pk]) in page


def test_an_admin_finds_the_button_that_mends_it(
    client: Client, incident: Incident, author: Any
) -> None:
    page = page_of(client, author, "incident_list")
    assert reverse("account_reconnect", args=[incident.accounts.get().pk]) in page


@pytest.mark.parametrize("verb", ["acknowledge", "dismiss"])
def test_strangers_get_404(
    client: Client, incident: Incident, person: Any, verb: str
) -> None:
    stranger = person("eve", inside=False)
    client.force_login(stranger)
    assert client.get(incident.get_absolute_url()).status_code == 404
    url = reverse(f"incident_{verb}", args=[incident.pk])
    assert client.post(url).status_code == 404
    assert "Access was withdrawn" not in page_of(client, stranger, "incident_list")
    alert = Alert.objects.get()
    assert client.get(reverse("alert_open", args=[alert.pk])).status_code == 404
    incident.refresh_from_db()
    assert incident.state == Incident.State.OPEN


def test_i_am_on_it_names_the_person(
    client: Client, incident: Incident, mia: Any
) -> None:
    client.force_login(mia)
    url = reverse("incident_acknowledge", args=[incident.pk])
    assert client.get(url).status_code == 405
    answer = client.post(url, {"next": "https://evil.example/"})
    assert answer["Location"] == incident.get_absolute_url()
    assert "mia is on it" in page_of(client, mia, "incident_list")
    incident.refresh_from_db()
    assert incident.acknowledged_by == mia


@pytest.mark.parametrize("name", ["incident_list", "account_list"])
def test_a_card_says_what_a_person_can_do_and_brings_them_back(
    client: Client, incident: Incident, mia: Any, name: str
) -> None:
    Incident.objects.update(subject="<b>Acme</b>")
    page = page_of(client, mia, name)
    head = "&lt;b&gt;Acme&lt;/b&gt;: Access was withdrawn"
    assert f'<a class="sh-link" href="{incident.get_absolute_url()}">{head}</a>' in page
    assert "<b>Acme" not in page
    url = reverse("incident_acknowledge", args=[incident.pk])
    form = page.partition(f'<form method="post" action="{url}">')[2]
    form = form.partition("</form>")[0]
    assert 'name="csrfmiddlewaretoken"' in form
    assert f'name="next" value="{reverse(name)}"' in form
    assert f'I am on it<span class="sh-hidden">: {head}</span>' in form
    assert "no post waits · since <time" in page
    incident.resolve()
    assert url not in page_of(client, mia, name)


def test_the_banner_is_on_every_page_until_its_reader_dismisses_it(
    client: Client, incident: Incident, mia: Any, person: Any
) -> None:
    deputy = person("dev")
    incident.accounts.update(deputy=deputy)
    client.force_login(mia)
    assert "See what to do" in page_of(client, mia, "profile")
    back = reverse("profile")
    url = reverse("incident_dismiss", args=[incident.pk])
    assert client.post(url, {"next": back})["Location"] == back
    assert "See what to do" not in page_of(client, mia, "profile")
    assert "See what to do" in page_of(client, deputy, "profile")
    assert "See what to do" not in page_of(client, person("rhea"), "profile")


def test_the_accounts_page_tells_of_an_incident_once(
    client: Client, incident: Incident, mia: Any
) -> None:
    page = page_of(client, mia, "account_list")
    assert page.count(f'href="{incident.get_absolute_url()}"') == 1
    assert "Access that was lost" not in page


def test_the_banner_goes_with_the_brand(
    client: Client, incident: Incident, mia: Any, brand: Brand
) -> None:
    brand.members.remove(mia)
    assert "See what to do" not in page_of(client, mia, "profile")


def test_opening_a_message_marks_it_as_read(
    client: Client, incident: Incident, mia: Any
) -> None:
    assert '<span class="sh-count">1<' in page_of(client, mia, "profile")
    alert = Alert.objects.get()
    answer = client.get(reverse("alert_open", args=[alert.pk]))
    assert answer["Location"] == incident.get_absolute_url()
    assert '<span class="sh-count">1<' not in page_of(client, mia, "profile")


def test_all_messages_can_be_marked_as_read(
    client: Client, incident: Incident, mia: Any, author: Any
) -> None:
    others = Alert.objects.create(incident=incident, user=author)
    client.force_login(mia)
    client.post(reverse("alerts_read"))
    assert not Alert.objects.unread_by(mia).exists()
    others.refresh_from_db()
    assert others.read_at is None


def test_a_part_leads_to_the_whole(
    client: Client, incident: Incident, author: Any
) -> None:
    part = Incident.objects.create(
        dedup_key=f"part:{incident.dedup_key}",
        kind="access",
        cause="role_lost",
        state="resolved",
        resolved_at=timezone.now(),
    )
    client.force_login(author)
    answer = client.get(part.get_absolute_url())
    assert answer["Location"] == incident.get_absolute_url()


def test_what_was_solved_stands_under_solved(
    client: Client, incident: Incident, mia: Any
) -> None:
    Credential.objects.update(state="active", cause="")
    incidents.review(timezone.now() + timedelta(minutes=1))
    assert "Acme Tools (Scripted)" not in page_of(client, mia, "incident_list")
    client.force_login(mia)
    page = client.get(reverse("incident_list"), {"tab": "solved"}).content.decode()
    assert "Acme Tools (Scripted): Access was withdrawn" in page
    assert "It is solved" in page_of(client, mia, "alert_list")


@pytest.mark.parametrize("kind", [Alert.Kind.TAKEN_OVER, Alert.Kind.STANDBY])
@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("is_sent", [True, False])
def test_a_message_about_a_standby_says_so_once(
    client: Client,
    incident: Incident,
    mia: Any,
    kind: str,
    language: str,
    is_sent: bool,
) -> None:
    Profile.objects.update_or_create(user=mia, defaults={"language": language})
    of = {"taken_over": "standby", "standby": "standby_lost"}
    Incident.objects.update(kind=of[kind])
    Alert.objects.update(kind=kind, subject="", sent_at=None)
    if is_sent:
        with override(language):
            letter = letters.compose(
                Alert.objects.get(), ZoneInfo("Europe/Berlin"), timezone.now()
            )
        assert letter is not None
        Alert.objects.update(subject=letter.subject)
    page = page_of(client, mia, "alert_list")
    card = page.partition('<li class="sh-card')[2].partition("</li>")[0]
    assert "Acme Tools (Scripted)" in card
    with override(language):
        label = str(Alert.Kind(kind).label)
    assert f"{label}: " not in card
    if kind == Alert.Kind.TAKEN_OVER:
        assert card.lower().count(label.lower()) == 1


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        (Alert.Kind.OPENED, "Acme Tools (Scripted): Access was withdrawn"),
        (
            Alert.Kind.ESCALATED,
            "Nobody has acted yet. Acme Tools (Scripted): Access was withdrawn",
        ),
        (Alert.Kind.RESOLVED, "Solved: Acme Tools (Scripted): Access was withdrawn"),
    ],
)
def test_a_message_that_was_not_sent_reads_as_its_mail_would(
    client: Client, incident: Incident, mia: Any, kind: str, head: str
) -> None:
    Alert.objects.update(kind=kind, subject="")
    assert f"<strong>{head}</strong>" in page_of(client, mia, "alert_list")


# ---------------------------------------------------------------- preferences

WISH = {"mail": "digest", "digest_at": "09:30", "quiet_from": "22:00"}


def test_one_chooses_how_one_is_told(client: Client, mia: Any) -> None:
    client.force_login(mia)
    url = reverse("alert_preferences")
    answer = client.post(url, {**WISH, "quiet_until": "06:30"})
    assert answer.status_code == 302
    row = AlertPreference.objects.get(user=mia)
    assert (row.mail, row.digest_at) == ("digest", time(9, 30))
    assert (row.quiet_from, row.quiet_until) == (time(22), time(6, 30))
    assert not row.urgent_breaks_quiet
    assert 'value="22:00"' in page_of(client, mia, "alert_preferences")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (WISH, "Enter both times"),
        ({**WISH, "quiet_until": "22:00"}, "choose Never"),
        ({**WISH, "quiet_until": "25:00"}, "Enter a valid time"),
        ({**WISH, "quiet_until": "06:00", "mail": "sometimes"}, "valid choice"),
    ],
)
def test_a_wish_that_cannot_be_is_explained_and_nothing_typed_is_lost(
    client: Client, mia: Any, given: dict[str, str], words: str
) -> None:
    client.force_login(mia)
    answer = client.post(reverse("alert_preferences"), given)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert words in page
    assert 'value="09:30"' in page
    assert not AlertPreference.objects.exists()


@pytest.fixture
def shared(
    incident: Incident, make_account: Any, make_delivery: Any, person: Any
) -> Any:
    """The same incident reaches into a brand that its first reader does not see."""
    globex = Brand.objects.create(name="Globex")
    gil = person("gil", inside=False)
    globex.members.add(gil)
    other = make_account("scripted", "b", name="secret-launch", owner=gil)
    other.brand = globex
    other.save(update_fields=["brand"])
    make_delivery(other)
    incident.accounts.add(other)
    Alert.objects.create(
        incident=incident, user=gil, kind="opened", subject="secret-launch: lost"
    )
    Incident.objects.update(account_count=2, post_count=1, first_due_at=timezone.now())
    incident.refresh_from_db()
    return gil


def test_nobody_sees_of_an_incident_what_belongs_to_other_brands(
    client: Client, incident: Incident, shared: Any, mia: Any, person: Any
) -> None:
    pages = [
        page_of(client, mia, "incident_list"),
        page_of(client, mia, "incident_detail", incident.pk),
        page_of(client, mia, "profile"),
    ]
    for page in pages:
        # A name, and no letters of a token.
        assert not re.search(r"\bgil\b", page)
        assert "secret-launch" not in page
        assert "2 accounts" not in page
        assert "2 Scripted" not in page
        assert "1 post waits" not in page
    assert "1 Scripted account" in pages[0]
    shown = page_of(client, shared, "incident_detail", incident.pk)
    assert "secret-launch" in shown
    assert not re.search(r"\bmia\b", shown)
    incident.refresh_from_db()
    assert (incident.account_count, incident.post_count) == (2, 1)


def test_an_admin_of_one_brand_reads_no_messages_of_others(
    client: Client, incident: Incident, shared: Any, person: Any
) -> None:
    admin = person("ada", ADMIN)
    admin.is_staff = True
    admin.save()
    globex = Brand.objects.get(name="Globex")
    AlertChannel.objects.create(name="Hush", kind="slack", url=ROOM, brand=globex)
    page = page_of(client, admin, "admin:monitoring_incident_change", incident.pk)
    assert "mia" in page
    assert "gil" not in page
    assert "secret-launch" not in page
    assert "Hush" not in page_of(
        client, admin, "admin:monitoring_alertchannel_changelist"
    )


# ---------------------------------------------------------------- channels


@pytest.fixture
def admin(client: Client, person: Any) -> Any:
    admin = person("ada", ADMIN)
    client.force_login(admin)
    return admin


def test_a_signed_channels_secret_is_shown_once(client: Client, admin: Any) -> None:
    values = {"name": "Ops", "kind": "webhook", "url": "https://ops.example/in/key"}
    answer = client.post(reverse("channel_add"), values)
    channel = AlertChannel.objects.get()
    assert len(channel.secret) == 64
    assert channel.secret in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    for name, args in (("channel_list", ()), ("channel_edit", (channel.pk,))):
        page = page_of(client, admin, name, *args)
        assert channel.secret not in page
        assert "ops.example" in page
        assert "in/key" not in page
    answer = client.post(reverse("channel_secret", args=[channel.pk]))
    former, channel = channel.secret, AlertChannel.objects.get()
    assert channel.secret != former
    assert channel.secret in answer.content.decode()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://hooks.chat.example/x", "must begin with https://"),
        ("hooks.chat.example/x", "must begin with https://"),
        ("https://", "must begin with https://"),
        ("https://a:b@hooks.chat.example/x", "name and password"),
        ("https://10.0.0.1/x", "private network"),
        ("https://localhost/x", "private network"),
        ("https://[fe80::1/x", "This is no address"),
        ("https://hooks.chat.example:99999999/x", "This is no address"),
        ("https://<b x-data x-init='go'>.example/x", "This is no address"),
    ],
)
def test_an_address_that_cannot_be_called_is_refused_with_the_reason(
    client: Client, admin: Any, url: str, words: str
) -> None:
    values = {"name": "Room", "kind": "slack", "url": url}
    answer = client.post(reverse("channel_add"), values)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert words in page
    assert 'value="Room"' in page
    assert not AlertChannel.objects.exists()


def test_an_empty_address_keeps_the_stored_one(client: Client, admin: Any) -> None:
    room = AlertChannel.objects.create(name="Room", kind="slack", url=ROOM)
    url = reverse("channel_edit", args=[room.pk])
    client.post(url, {"name": "Our room", "url": ""})
    room.refresh_from_db()
    assert (room.name, room.url, room.kind) == ("Our room", ROOM, "slack")


def test_a_test_message_tells_what_came_of_it(client: Client, admin: Any) -> None:
    room = AlertChannel.objects.create(name="Room", kind="slack", url=ROOM)
    url = reverse("channel_test", args=[room.pk])
    with responses.RequestsMock() as wire:
        wire.post(ROOM, status=403, body="invalid_token")
        client.post(url)
        page = page_of(client, admin, "channel_list")
        assert "It answered 403: invalid_token" in page
        assert "room-key" not in page
        wire.replace(responses.POST, ROOM, body="ok")
        client.post(url)
    assert "Works" in page_of(client, admin, "channel_list")


def test_a_channel_can_be_switched_and_deleted(client: Client, admin: Any) -> None:
    room = AlertChannel.objects.create(name="Room", kind="slack", url=ROOM)
    client.post(reverse("channel_switch", args=[room.pk]))
    assert "Switch on" in page_of(client, admin, "channel_list")
    client.post(reverse("channel_delete", args=[room.pk]))
    assert not AlertChannel.objects.exists()


def test_channels_of_other_brands_are_no_business_of_an_admin(
    client: Client, admin: Any
) -> None:
    other = Brand.objects.create(name="Globex")
    room = AlertChannel.objects.create(name="Room", kind="slack", url=ROOM, brand=other)
    assert "Room" not in page_of(client, admin, "channel_list")
    for name in ("edit", "test", "switch", "secret", "delete"):
        url = reverse(f"channel_{name}", args=[room.pk])
        assert client.post(url).status_code == 404


def test_a_stored_host_is_no_markup_on_the_page(client: Client, admin: Any) -> None:
    room = AlertChannel.objects.create(
        name="Room", kind="slack", url="https://<b x-data x-init=go>.example/x"
    )
    page = page_of(client, admin, "channel_edit", room.pk)
    assert "<b x-data" not in page
    assert "&lt;b x-data" in page


def test_a_room_of_all_brands_is_for_who_sees_them_all(
    client: Client, admin: Any, brand: Brand
) -> None:
    room = AlertChannel.objects.create(name="Room", kind="slack", url=ROOM)
    Brand.objects.create(name="Globex")
    values = {"name": "Spy", "kind": "slack", "url": "https://spy.example/x"}
    assert client.post(reverse("channel_add"), values).status_code == 422
    for name in ("edit", "test", "switch", "secret", "delete"):
        url = reverse(f"channel_{name}", args=[room.pk])
        assert client.post(url, values).status_code == 404
    assert AlertChannel.objects.get().url == ROOM
    page = page_of(client, admin, "channel_list")
    assert "For who sees all brands" in page
    assert reverse("channel_switch", args=[room.pk]) not in page
    client.post(reverse("channel_add"), {**values, "brand": brand.pk})
    assert AlertChannel.objects.get(name="Spy").brand == brand


@pytest.mark.parametrize("name", ["channel_list", "channel_add"])
def test_channels_are_for_admins(client: Client, mia: Any, name: str) -> None:
    client.force_login(mia)
    assert client.get(reverse(name)).status_code == 403
