"""The admin: everything to be found, nothing past the verbs, no secret shown."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import unfold
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection
from django.template import Context, Template
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation
from unfold.forms import ActionForm
from unfold.templatetags import unfold_list

from accounts.admin_pages import BoundedPaginator, FastAdmin
from accounts.models import (
    AuditEvent,
    Brand,
    CircuitBreaker,
    ConnectedAccount,
    Credential,
    PendingConnection,
    PlatformApp,
    Profile,
    RateBucket,
    RefreshAttempt,
)
from accounts.reading import zone_of
from accounts.roles import ADMIN
from monitoring.models import (
    Alert,
    Answer,
    CheckResult,
    Heartbeat,
    Incident,
    MetricSnapshot,
    PostComment,
    Watch,
)
from publishing.admin import DeliveryTable
from publishing.models import (
    Attempt,
    Delivery,
    MediaAsset,
    PartMedia,
    Post,
    PostMedia,
    Pump,
    Variant,
)
from socialhub.templatetags.admin_rows import filter_box

OURS = [
    model
    for label in ("accounts", "publishing", "monitoring")
    for model in apps.get_app_config(label).get_models()
]
READ_ONLY = [
    Alert,
    Answer,
    Attempt,
    AuditEvent,
    CheckResult,
    CircuitBreaker,
    Credential,
    Delivery,
    Heartbeat,
    Incident,
    MetricSnapshot,
    PendingConnection,
    Post,
    PostComment,
    PartMedia,
    PostMedia,
    Pump,
    RateBucket,
    RefreshAttempt,
    Variant,
    Watch,
]
SECRETS = ["access-42", "refresh-42-secret", "app-secret", "grant-secret", "upload-url"]


UNFOLDS_FILTER = Path(unfold.__file__).parent / "templates/admin/filter.html"


def url_of(model: Any, page: str, *args: Any) -> str:
    opts = model._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{page}", args=args)


@pytest.fixture
def root(client: Client, author: Any) -> Client:
    client.force_login(author)
    return client


@pytest.fixture
def world(brand: Brand, author: Any, make_account: Any, make_delivery: Any) -> Any:
    """One row of every model."""
    account = make_account("x", refresh_token="refresh-42-secret")
    delivery = make_delivery(account, "Hello")
    Delivery.objects.filter(pk=delivery.pk).update(witness={"url": "upload-url"})
    credential = account.credential
    incident = Incident.objects.create(
        dedup_key="access:1", kind="access", credential=credential, cause="revoked"
    )
    asset = MediaAsset.objects.create(
        brand=brand, name="a.png", mime_type="image/png", size_bytes=1, sha256="0" * 64
    )
    rows = [
        Attempt.objects.create(delivery=delivery, number=1),
        variant := Variant.objects.create(
            post=delivery.post, platform="x", text="Hi", parts=["More"]
        ),
        PartMedia.objects.create(variant=variant, part=2, asset=asset, position=0),
        PostMedia.objects.create(post=delivery.post, asset=asset, position=1),
        Alert.objects.create(incident=incident, user=author),
        CheckResult.objects.create(credential=credential, verdict="proven"),
        CircuitBreaker.objects.create(platform="x", subject="platform:live"),
        RateBucket.objects.create(
            platform="x", key="posts:user:24h", subject="ip:live"
        ),
        RefreshAttempt.objects.create(credential=credential),
        Watch.objects.create(delivery=delivery),
        MetricSnapshot.objects.create(delivery=delivery, at=timezone.now()),
        PostComment.objects.create(delivery=delivery, read_at=timezone.now()),
        Answer.objects.create(delivery=delivery, form_key=uuid.uuid4()),
        Pump.objects.create(host="h", pid=1),
        AuditEvent.write(author, "made", delivery),
        PendingConnection.objects.create(
            user=author,
            app=credential.app,
            grant="grant-secret",
            expires_at=timezone.now(),
        ),
    ]
    Heartbeat.beat("publish")
    Profile.objects.create(user=author)
    return {"account": account, "delivery": delivery, "rows": rows}


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_model_of_ours_is_searchable_and_filterable(model: Any) -> None:
    page = admin.site._registry[model]
    assert page.search_fields
    assert page.list_filter
    foreign = {f.name for f in model._meta.fields if f.is_relation}
    shown = foreign & set(page.list_display)
    assert shown <= set(page.list_select_related or [])


@pytest.mark.parametrize("model", READ_ONLY, ids=lambda model: model.__name__)
def test_what_verbs_rule_cannot_be_added_changed_or_deleted(
    model: Any, root: Client, world: Any
) -> None:
    row = model._default_manager.first()
    assert root.get(url_of(model, "add")).status_code == 403
    assert root.post(url_of(model, "change", row.pk), {}).status_code == 403
    assert root.get(url_of(model, "delete", row.pk)).status_code == 403
    assert root.get(url_of(model, "change", row.pk)).status_code == 200
    chosen = {"action": "delete_selected", "_selected_action": [row.pk]}
    root.post(url_of(model, "changelist"), chosen)
    assert model._default_manager.filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_no_page_shows_a_token_or_a_secret(
    model: Any, root: Client, world: Any
) -> None:
    pages = [url_of(model, "changelist"), url_of(model, "changelist") + "?q=a"]
    row = model._default_manager.first()
    if row is not None:
        pages += [url_of(model, "change", row.pk), url_of(model, "history", row.pk)]
    for page in pages:
        answer = root.get(page)
        assert answer.status_code == 200, page
        text = answer.content.decode()
        assert not [secret for secret in SECRETS if secret in text], page


def test_lists_open_although_no_key_opens_the_secrets(
    root: Client, world: Any, settings: Any
) -> None:
    from cryptography.fernet import Fernet

    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    for model in (Credential, ConnectedAccount, PlatformApp, CheckResult, Delivery):
        assert root.get(url_of(model, "changelist")).status_code == 200, model


def test_the_state_of_an_account_cannot_be_posted(root: Client, world: Any) -> None:
    account = world["account"]
    form = {"owner": "", "deputy": "", "trouble": "hacked", "external_id": "other"}
    answer = root.post(url_of(ConnectedAccount, "change", account.pk), form)
    assert answer.status_code == 302
    account.refresh_from_db()
    assert (account.owner, account.trouble, account.external_id) == (None, "", "42")


def act(client: Client, model: Any, action: str, *rows: Any) -> str:
    form = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(url_of(model, "changelist"), form, follow=True).content.decode()


def test_deliveries_are_cancelled_by_the_verb_and_counted(
    root: Client, make_account: Any, make_delivery: Any
) -> None:
    account = make_account("x")
    waiting, gone = make_delivery(account, "a"), make_delivery(account, "b")
    Delivery.objects.filter(pk=gone.pk).update(
        status=Delivery.Status.PUBLISHED, external_id="1"
    )
    page = act(root, Delivery, "cancel", waiting, gone)
    waiting.refresh_from_db()
    gone.refresh_from_db()
    assert waiting.status == Delivery.Status.CANCELLED
    assert gone.status == Delivery.Status.PUBLISHED
    assert "1 cancelled" in page
    assert "1 left as they are" in page
    assert AuditEvent.objects.filter(target_id=str(waiting.pk)).exists()


def test_failed_deliveries_are_sent_again_but_not_those_that_are_too_late(
    root: Client, make_account: Any, make_delivery: Any
) -> None:
    account = make_account("x")
    fresh, late = make_delivery(account, "a"), make_delivery(account, "b")
    Delivery.objects.update(status=Delivery.Status.FAILED, failed_at=timezone.now())
    Delivery.objects.filter(pk=late.pk).update(
        useful_until=timezone.now() - timedelta(hours=1)
    )
    page = act(root, Delivery, "send_again", fresh, late)
    fresh.refresh_from_db()
    late.refresh_from_db()
    assert fresh.status == Delivery.Status.SCHEDULED
    assert late.status == Delivery.Status.FAILED
    assert "1 sent again" in page
    assert "past their useful time" in page


def test_failed_deliveries_are_dismissed(
    root: Client, make_account: Any, make_delivery: Any
) -> None:
    delivery = make_delivery(make_account("x"))
    Delivery.objects.update(status=Delivery.Status.FAILED)
    assert "1 dismissed" in act(root, Delivery, "dismiss", delivery)
    delivery.refresh_from_db()
    assert delivery.dismissed_at is not None


def test_check_now_makes_credentials_due_and_leaves_disconnected_ones(
    root: Client, make_account: Any
) -> None:
    living = make_account("x").credential
    gone = make_account("x", "43").credential
    Credential.objects.filter(pk=gone.pk).update(state=Credential.State.DISCONNECTED)
    page = act(root, Credential, "check_now", living, gone)
    due = Credential.objects.proof_due(timezone.now())
    assert list(due) == [living]
    assert "1 will be checked" in page
    assert "1 are disconnected" in page


def app_form(**changes: Any) -> dict[str, Any]:
    return {
        "platform": "x",
        "network": "live",
        "client_id": "client",
        "new_secret": "",
        "state": "active",
        "granted_scopes": "[]",
        "hosts": "{}",
        **changes,
    }


def test_an_empty_secret_keeps_the_stored_one_and_a_new_one_replaces_it(
    root: Client, db: Any
) -> None:
    app = PlatformApp.objects.create(platform="x", client_id="a", client_secret="old")
    url = url_of(PlatformApp, "change", app.pk)
    assert root.post(url, app_form(client_id="b")).status_code == 302
    app = PlatformApp.objects.get(pk=app.pk)
    assert (app.client_id, app.client_secret) == ("b", "old")
    root.post(url, app_form(new_secret="newer"))
    assert PlatformApp.objects.get(pk=app.pk).client_secret == "newer"


def test_an_app_is_added_with_its_secret(root: Client) -> None:
    answer = root.post(url_of(PlatformApp, "add"), app_form(new_secret="s3"))
    assert answer.status_code == 302
    assert PlatformApp.objects.get().client_secret == "s3"


def test_a_zone_that_does_not_exist_is_refused(root: Client, author: Any) -> None:
    profile = Profile.objects.create(user=author)
    url = url_of(Profile, "change", profile.pk)
    assert "Unknown zone" in root.post(url, {"time_zone": "Mars"}).content.decode()


# ---------------------------------------------------------------- admins of a brand


@pytest.fixture
def as_admin(client: Client, db: Any) -> Client:
    """An admin who is no superuser and belongs to no brand yet."""
    user = User.objects.create_user("adam", "adam@x.example", "pw", is_staff=True)
    user.groups.add(Group.objects.get(name=ADMIN))
    client.force_login(user)
    return client


@pytest.mark.parametrize(
    "model",
    [Brand, Credential, ConnectedAccount, Post, Delivery, Attempt, CheckResult],
    ids=lambda model: model.__name__,
)
def test_an_admin_finds_only_rows_of_their_own_brands(
    as_admin: Client, world: Any, brand: Brand, model: Any
) -> None:
    row = model._default_manager.first()
    url = url_of(model, "change", row.pk)
    assert as_admin.get(url).status_code == 302  # "does not exist", back to the index
    assert as_admin.get(url_of(model, "changelist")).context["cl"].result_count == 0
    brand.members.add(User.objects.get(username="adam"))
    assert as_admin.get(url).status_code == 200
    assert as_admin.get(url_of(model, "changelist")).context["cl"].result_count == 1


def test_when_somebody_came_and_was_here_last_is_no_field(
    root: Client, author: Any
) -> None:
    page = root.get(url_of(User, "change", author.pk)).content.decode()
    assert 'name="email"' in page
    assert 'name="date_joined_0"' not in page
    assert 'name="last_login_0"' not in page
    assert "Date joined" in page


@pytest.mark.parametrize("model", [User, Group, Authenticator])
def test_people_and_groups_are_for_superusers(as_admin: Client, model: Any) -> None:
    assert as_admin.get(url_of(model, "changelist")).status_code == 403
    assert as_admin.get(url_of(model, "add")).status_code == 403


def test_staff_without_the_role_see_nothing(client: Client, world: Any) -> None:
    clerk = User.objects.create_user("clerk", "c@x.example", "pw", is_staff=True)
    client.force_login(clerk)
    for model in (Brand, Credential, Delivery, PlatformApp):
        assert client.get(url_of(model, "changelist")).status_code == 403


def test_a_second_factor_can_be_taken_away_but_its_secret_is_not_shown(
    root: Client, author: Any
) -> None:
    row = Authenticator.objects.create(
        user=author, type=Authenticator.Type.TOTP, data={"secret": "TOTPSECRET"}
    )
    page = root.get(url_of(Authenticator, "change", row.pk)).content.decode()
    assert "TOTPSECRET" not in page
    root.post(url_of(Authenticator, "delete", row.pk), {"post": "yes"})
    assert not Authenticator.objects.exists()


def test_sign_in_tables_of_networks_are_not_in_the_admin() -> None:
    names = {model._meta.label for model in admin.site._registry}
    assert not {name for name in names if name.startswith("socialaccount.")}


def test_every_page_of_the_admin_wears_unfolds_skin() -> None:
    from unfold.admin import ModelAdmin

    plain = [
        page
        for page in admin.site._registry.values()
        if not isinstance(page, ModelAdmin)
    ]
    assert plain == []


def test_a_list_counts_to_a_bound_that_moves_on_with_the_page(
    root: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedPaginator, "bound", 1)
    monkeypatch.setattr(FastAdmin, "list_per_page", 1)
    names = ["a", "b", "c", "d"]
    for name in names:
        Brand.objects.create(name=name)
    url = url_of(Brand, "changelist")
    first = root.get(url)
    assert first.context["cl"].paginator.is_more
    assert "1+" in first.content.decode()
    pages = [root.get(f"{url}?p={n}").context["cl"] for n in (1, 2, 3, 4)]
    assert [page.result_list[0].name for page in pages] == names
    assert not pages[-1].paginator.is_more


def test_the_heads_of_a_list_are_worked_out_once_and_not_for_each_row(
    root: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, asked = unfold_list.label_for_field, []

    def label(name: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(name)
        return known(name, *args, **kwargs)

    monkeypatch.setattr(unfold_list, "label_for_field", label)
    for name in "abc":
        Brand.objects.create(name=name)
    page = root.get(url_of(Brand, "changelist"))
    assert asked == list(page.context["cl"].list_display)
    assert page.content.decode().count('data-label="name"') >= 3


# ---------------------------------------------------------------- lists as they are drawn


def squeezed(html: str) -> str:
    return re.sub(r'\s*([<>"])\s*', r"\1", re.sub(r"\s+", " ", html))


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
@pytest.mark.parametrize("query", ["", "?_popup=1"])
def test_rows_are_drawn_as_unfold_would_draw_them(
    model: Any, query: str, root: Client, world: Any
) -> None:
    page = root.get(url_of(model, "changelist") + query)
    drawn = squeezed(page.content.decode())
    changes = page.context["cl"]
    with translation.override("en"), timezone.override(zone_of(page.context["user"])):
        for row in changes.result_list:
            cells = unfold_list.items_for_result(changes, row, None)
            assert squeezed("".join(cells)) in drawn


def test_lists_of_the_admin_use_nothing_that_ours_do_not_draw() -> None:
    for page in admin.site._registry.values():
        for name in ("list_editable", "list_sections", "actions_row", "ordering_field"):
            assert not getattr(page, name, None), (page, name)
        for name in page.list_display:
            shown = getattr(page, name, None) if isinstance(name, str) else name
            assert not getattr(shown, "header", False), (page, name)
            assert not getattr(shown, "dropdown", False), (page, name)


def test_a_name_in_a_list_or_a_filter_cannot_hold_markup(root: Client) -> None:
    brand = Brand.objects.create(name="<b>Loud</b>")
    Brand.objects.create(name="Quiet")
    text = root.get(url_of(Brand, "changelist")).content.decode()
    assert "<b>Loud" not in text
    assert "&lt;b&gt;Loud&lt;/b&gt;" in text
    text = root.get(url_of(Post, "changelist")).content.decode()
    assert f"brand__id__exact={brand.pk}" in text
    assert "<b>Loud" not in text
    assert "&lt;b&gt;Loud&lt;/b&gt;" in text


def test_a_list_of_deliveries_asks_nothing_more_for_each_row(
    root: Client, world: Any, make_delivery: Any
) -> None:
    url = url_of(Delivery, "changelist")
    root.get(url)
    with CaptureQueriesContext(connection) as few:
        root.get(url)
    for number in range(5):
        make_delivery(world["account"], f"More {number}")
    with CaptureQueriesContext(connection) as many:
        text = root.get(url).content.decode()
    assert all(f"More {number} → " in text for number in range(5))
    assert len(many) == len(few)


def test_a_filter_shows_what_is_chosen_and_keeps_it(root: Client, world: Any) -> None:
    """As unfold's own template, which is several times as slow, would."""
    url = url_of(Delivery, "changelist")
    page = root.get(url, {"status__exact": "scheduled"})
    own, text = page.context["cl"], page.content.decode()
    theirs = Template(UNFOLDS_FILTER.read_text())
    with translation.override("en"):
        for spec in own.filter_specs:
            said = {
                "title": spec.title,
                "choices": list(spec.choices(own)),
                "spec": spec,
            }
            drawn = filter_box(**said)
            assert drawn in text
            as_theirs = theirs.render(Context(said)).replace(" />", ">")
            assert _in_order(drawn) == _in_order(as_theirs)
    assert '<input type="hidden" name="status__exact" value="scheduled">' in text


def test_the_actions_of_a_list_are_drawn_as_unfold_would_draw_them(
    root: Client, world: Any
) -> None:
    page = root.get(url_of(Delivery, "changelist"))
    own = page.context["action_form"]
    theirs = ActionForm(auto_id=None, initial=own.initial)
    theirs.fields["action"].choices = own.fields["action"].choices
    with translation.override("en"):
        drawn = str(own["action"])
        assert _attributes(drawn) == _attributes(str(theirs["action"]))
    assert drawn in page.content.decode()
    assert "Cancel</option>" in drawn


def _attributes(html: str) -> list[list[str]]:
    """Each tag and what stands between two, with its attributes in one order."""
    return [
        [re.sub("[ /].*", "", part), *sorted(re.findall('[a-z-]+(?:="[^"]*")?', part))]
        for part in re.split("[<>]", squeezed(html))
    ]


def _in_order(html: str) -> str:
    """Squeezed, with the names of classes in one order."""
    return re.sub(
        '(?<=class=")[^"]*',
        lambda found: " ".join(sorted(found[0].split())),
        squeezed(html),
    )


def test_the_newest_events_are_on_top(root: Client, author: Any, brand: Brand) -> None:
    for number in range(20):
        AuditEvent.write(author, f"step {number}", brand)
    shown = root.get(url_of(AuditEvent, "changelist")).context["cl"].result_list
    assert [row.verb for row in shown] == [f"step {n}" for n in range(19, -1, -1)]


def test_values_of_all_filters_are_read_at_once(root: Client, world: Any) -> None:
    url = url_of(Attempt, "changelist")
    root.get(url)
    with CaptureQueriesContext(connection) as caught:
        page = root.get(url)
    newest = [q for q in caught.captured_queries if "LIMIT 1000" in q["sql"]]
    assert len(newest) == 1
    titles = {spec.title for spec in page.context["cl"].filter_specs}
    assert {"kind", "outcome", "cause"} <= titles


# ---------------------------------------------------------------- pages of one row


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_what_cannot_be_changed_is_shown_as_unfold_would_show_it(
    model: Any, root: Client, world: Any
) -> None:
    row = model._default_manager.first()
    if row is None:
        return
    page = root.get(url_of(model, "change", row.pk))
    drawn = squeezed(page.content.decode())
    with translation.override("en"), timezone.override(zone_of(page.context["user"])):
        for fieldset in page.context["adminform"]:
            for field in (field for line in fieldset for field in line):
                if field.is_readonly and not field.is_file:
                    contents = field.contents()
                    said = "-" if contents in ("", None, "None") else str(contents)
                    width = "max-w-4xl" if field.is_json else "max-w-2xl"
                    assert (
                        squeezed(f'{width} *:rounded-default">{said}</div>') in drawn
                    ), field.field["name"]
                    assert squeezed(field.label_tag()) in drawn


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_pages_of_the_admin_use_nothing_that_ours_do_not_draw(model: Any) -> None:
    page = admin.site._registry[model]
    assert page.compressed_fields
    assert not page.readonly_preprocess_fields


def test_rows_that_hang_on_another_stand_below_it_and_lead_to_their_pages(
    root: Client, world: Any
) -> None:
    delivery = world["delivery"]
    Delivery.objects.filter(pk=delivery.pk).update(permalink="https://x.example/1")
    text = root.get(url_of(Post, "change", delivery.post.pk)).content.decode()
    below = text.partition("<section")[2]
    assert url_of(Delivery, "change", delivery.pk) in below
    assert url_of(ConnectedAccount, "change", world["account"].pk) in below
    assert "https://x.example/1" in below
    assert delivery.get_absolute_url() in below
    assert below.count("<section") == 2  # variants, media, deliveries
    text = root.get(url_of(Delivery, "change", delivery.pk)).content.decode()
    attempt = delivery.attempts.get()
    assert url_of(Attempt, "change", attempt.pk) in text.partition("<section")[2]


def test_rows_that_hang_on_another_are_read_in_one_query(
    root: Client, world: Any, make_delivery: Any
) -> None:
    delivery = world["delivery"]
    url = url_of(Delivery, "change", delivery.pk)
    root.get(url)
    with CaptureQueriesContext(connection) as few:
        root.get(url)
    for number in range(2, 12):
        Attempt.objects.create(delivery=delivery, number=number)
    with CaptureQueriesContext(connection) as many:
        text = root.get(url).content.decode()
    assert text.count('class="form-row"') == 11
    assert len(many) == len(few)


def test_only_what_hangs_on_a_row_stands_below_it_and_in_its_order(
    root: Client, world: Any, make_account: Any, make_delivery: Any
) -> None:
    other = make_delivery(make_account("mastodon"), "Another")
    post = world["delivery"].post
    second = make_delivery(other.account, "Another still")
    Delivery.objects.filter(pk=second.pk).update(post=post)
    # Asked for twice: by one question, with another key.
    for shown in (post, other.post):
        tables = root.get(url_of(Post, "change", shown.pk)).context["tables"]
        for table in tables:
            owned = table.model._default_manager.filter(post=shown)
            assert table.rows == list(owned if owned.ordered else owned.order_by("pk"))
            assert all(row.post is table.owner for row in table.rows)
    deliveries = DeliveryTable(post, SimpleNamespace(user=None)).rows
    assert [row.pk for row in deliveries] == [world["delivery"].pk, second.pk]
    assert deliveries[0].due_at == world["delivery"].due_at
    assert deliveries[0].witness == {"url": "upload-url"}


def test_a_page_of_an_incident_names_nobody_whom_its_reader_does_not_see(
    root: Client, as_admin: Client, world: Any, brand: Brand
) -> None:
    """A superuser and an admin ask after each other."""
    adam, stranger = User.objects.get(username="adam"), User.objects.create_user("sam")
    brand.members.add(adam)
    incident = Incident.objects.get()
    incident.accounts.add(world["account"])
    own, others = (
        Alert.objects.create(incident=incident, user=user) for user in (adam, stranger)
    )
    url = url_of(Incident, "change", incident.pk)
    (table,) = as_admin.get(url).context["tables"]
    assert own in table.rows
    assert others not in table.rows
    as_admin.force_login(User.objects.get(is_superuser=True))
    (table,) = as_admin.get(url).context["tables"]
    assert {own, others} <= set(table.rows)


def test_what_hangs_on_a_row_cannot_hold_markup(root: Client, world: Any) -> None:
    attempt = world["delivery"].attempts.get()
    Attempt.objects.filter(pk=attempt.pk).update(
        cause="<i>", request_id="<b>7</b>", detail="<u>x</u>"
    )
    for url in (
        url_of(Delivery, "change", world["delivery"].pk),
        url_of(Attempt, "change", attempt.pk),
    ):
        text = root.get(url).content.decode()
        assert "<b>7" not in text
        assert "<u>x" not in text
        assert "&lt;b&gt;7" in text


def test_people_are_offered_in_a_select_and_the_chosen_one_is_chosen(
    root: Client, world: Any, author: Any
) -> None:
    account = world["account"]
    ConnectedAccount.objects.filter(pk=account.pk).update(owner=author)
    text = root.get(url_of(ConnectedAccount, "change", account.pk)).content.decode()
    select = text.partition('<select name="owner"')[2].partition("</select>")[0]
    assert f'<option value="{author.pk}" selected>{author}</option>' in select
    select = text.partition('<select name="deputy"')[2].partition("</select>")[0]
    assert '<option value="" selected>' in select
    assert f'<option value="{author.pk}">{author}</option>' in select


def test_json_is_shown_line_by_line_and_escaped(root: Client, world: Any) -> None:
    credential = world["account"].credential
    Credential.objects.filter(pk=credential.pk).update(granted_scopes=["<b>", "ä"])
    text = root.get(url_of(Credential, "change", credential.pk)).content.decode()
    assert "[\n    &quot;&lt;b&gt;&quot;,\n    &quot;ä&quot;\n]" in text
