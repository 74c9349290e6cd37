"""Reconnect campaigns: one mail each, progress by itself, reminders that stop."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import campaigns
from accounts.connect import reconnect
from accounts.models import (
    Brand,
    CampaignItem,
    ConnectedAccount,
    Credential,
    ReconnectCampaign,
    ReconnectLink,
)
from accounts.roles import ADMIN, MARKETING
from accounts.tests.trees import planted as planted
from accounts.tests.trees import sign_in as sign_in
from accounts.tests.trees import tree as tree
from accounts.tests.trees import tree_app as tree_app
from monitoring.tasks import remind_campaigns

pytestmark = pytest.mark.django_db

State = CampaignItem.State


@pytest.fixture(autouse=True)
def queued(monkeypatch):
    found = []
    monkeypatch.setattr(
        "accounts.campaign_views.async_task", lambda task, **o: found.append(task)
    )
    return found


@pytest.fixture
def make_person(brand, django_user_model):
    def make(name, role=MARKETING, member=True):
        user = django_user_model.objects.create_user(name, f"{name}@example.com", "pw")
        user.groups.add(Group.objects.get(name=role))
        if member:
            brand.members.add(user)
        return user

    return make


@pytest.fixture
def ending(make_account, make_person, author):
    """Five accounts that end within three weeks, of two owners, and two that do not."""
    tom, eva = make_person("tom"), make_person("eva")
    made = []
    for number, (owner, days) in enumerate(
        [(tom, 3), (tom, 10), (tom, 20), (eva, 5), (eva, 15), (eva, 40), (tom, None)]
    ):
        end = timezone.now() + timedelta(days=days) if days else None
        made.append(
            make_account(
                "linkedin",
                str(number),
                name=f"Page {number}",
                owner=owner,
                expires_at=end,
            )
        )
    return made


@pytest.fixture
def campaign(ending, author):
    found = campaigns.ending(author, 21, None, timezone.now())
    return campaigns.start(author, "December", None, found, 3)


def states(campaign):
    return [item.state for item in campaign.items.order_by("account__name")]


def visit(user):
    client = Client()
    client.force_login(user)
    return client


def text(answer):
    return answer.content.decode()


# -- what to ask for


def test_who_was_taken_out_of_the_brand_is_asked_for_nothing(ending, author, brand):
    now = timezone.now()
    tom, eva = ending[0].owner, ending[3].owner
    found = campaigns.ending(author, 21, None, now)
    assert {one.person for one in found} == {tom, eva}
    campaigns.start(author, "Spring", None, found, 3)
    brand.members.remove(tom)
    remind_campaigns()
    assert [message.to for message in mail.outbox] == [["eva@example.com"]]
    assert not ReconnectLink.objects.filter(person=tom).exists()
    ReconnectCampaign.objects.all().delete()
    later = campaigns.ending(author, 21, None, now)
    assert {one.person for one in later} == {author, eva}


def test_what_ends_soon_is_found_first_first_with_whom_to_ask(ending, author):
    found = campaigns.ending(author, 21, None, timezone.now())
    assert [e.account.name for e in found] == [
        "Page 0",
        "Page 3",
        "Page 1",
        "Page 4",
        "Page 2",
    ]
    assert [p.username for p, _ in campaigns.by_person(found)] == ["tom", "eva"]
    assert len(campaigns.ending(author, 7, None, timezone.now())) == 2


def test_a_deputy_stands_in_for_an_owner_who_cannot_be_reached(
    ending, author, make_person
):
    deputy = make_person("dee")
    ConnectedAccount.objects.filter(name="Page 0").update(deputy=deputy)
    for change in ({"email": ""}, {"email": "t@example.com", "is_active": False}):
        type(author).objects.filter(username="tom").update(**change)
        found = {
            e.account.name: e.person
            for e in campaigns.ending(author, 21, None, timezone.now())
        }
        assert found["Page 0"] == deputy
        assert found["Page 1"] == author


def test_what_a_campaign_asks_for_is_not_asked_for_twice(campaign, author):
    assert campaigns.ending(author, 21, None, timezone.now()) == []
    campaigns.close(campaign, timezone.now())
    assert len(campaigns.ending(author, 21, None, timezone.now())) == 5


def test_only_accounts_of_ones_own_brands_are_found(ending, make_person):
    stranger = make_person("sten", ADMIN, member=False)
    assert campaigns.ending(stranger, 21, None, timezone.now()) == []


# -- asking


def test_each_person_gets_one_mail_with_all_that_is_theirs(campaign):
    assert campaigns.run(timezone.now()) == 2
    assert sorted(m.to[0] for m in mail.outbox) == [
        "eva@example.com",
        "tom@example.com",
    ]
    toms = next(m for m in mail.outbox if m.to == ["tom@example.com"])
    assert toms.subject == "Please reconnect 3 accounts"
    for name in ("Page 0", "Page 1", "Page 2"):
        assert name in toms.body
        assert name in toms.alternatives[0].content
    assert toms.body.count("/accounts/link/") == 3
    assert states(campaign) == [State.ASKED] * 5
    assert campaigns.run(timezone.now()) == 0
    assert len(mail.outbox) == 2


def test_a_superuser_is_asked_for_each_account_once(ending, author, make_person):
    """However many people the brand has."""
    ConnectedAccount.objects.filter(owner=ending[0].owner).update(owner=author)
    make_person("zoe")
    found = campaigns.ending(author, 21, None, timezone.now())
    campaigns.start(author, "December", None, found, 3)
    campaigns.run(timezone.now())
    own = next(m for m in mail.outbox if m.to == ["ana@example.com"])
    assert own.subject == "Please reconnect 3 accounts"
    assert own.body.count("Page 1") == 1


def test_the_links_of_the_mail_open_their_accounts(campaign):
    campaigns.run(timezone.now())
    eva = next(m for m in mail.outbox if m.to == ["eva@example.com"])
    link = next(w for w in eva.body.split() if "/accounts/link/" in w)
    client = Client()
    client.get(urlsplit(link).path)
    assert "Reconnect Page 3" in text(client.get("/accounts/link/"))


def test_what_one_sign_in_renews_is_asked_for_with_one_link(planted, author, sign_in):
    soon = timezone.now() + timedelta(days=9)
    Credential.objects.update(expires_at=soon)
    found = campaigns.ending(author, 21, None, timezone.now())
    campaign = campaigns.start(author, "Tree", None, found, 3)
    campaigns.run(timezone.now())
    [message] = mail.outbox
    assert message.body.count("/accounts/link/") == 1
    assert "One sign-in renews all of these:" in message.body
    account = ConnectedAccount.objects.get(external_id="page1")
    reconnect(sign_in(by="new"), account, None)
    assert states(campaign) == [State.DONE] * 4


def test_a_mail_that_does_not_leave_is_tried_again(campaign, monkeypatch):
    def refuse(self, fail_silently=False):
        raise ConnectionRefusedError("no")

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMultiAlternatives.send", refuse)
        assert campaigns.run(timezone.now()) == 0
    assert states(campaign) == [State.WAITING] * 5
    assert not ReconnectLink.objects.open(timezone.now()).exists()
    assert campaigns.run(timezone.now()) == 2
    assert ReconnectLink.objects.open(timezone.now()).count() == 5


def test_what_a_worker_sends_just_now_no_other_one_sends(campaign, monkeypatch):
    now = timezone.now()
    others = []
    send = mail.EmailMultiAlternatives.send

    def look(self, *args):
        if self.to not in others:
            others.append(self.to)
            campaigns.run(now)
        return send(self, *args)

    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", look)
    campaigns.run(now)
    assert sorted(m.to for m in mail.outbox) == [
        ["eva@example.com"],
        ["tom@example.com"],
    ]
    assert states(campaign) == [State.ASKED] * 5


@pytest.mark.parametrize("had_left", [False, True])
@pytest.mark.parametrize("every_days", [0, 3])
def test_a_worker_that_dies_while_it_sends_loses_no_mail(
    campaign, monkeypatch, had_left, every_days
):
    ReconnectCampaign.objects.update(remind_every_days=every_days)
    now = timezone.now()
    send = mail.EmailMultiAlternatives.send

    def die(self, *args):
        if had_left:
            send(self, *args)
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMultiAlternatives.send", die)
        with pytest.raises(SystemExit):
            campaigns.run(now)
    del mail.outbox[:]
    later = now + timedelta(hours=1)
    assert campaigns.run(later) == 2
    assert {m.subject for m in mail.outbox} == {
        "Please reconnect 3 accounts",
        "Please reconnect 2 accounts",
    }
    assert states(campaign) == [State.ASKED] * 5
    assert ReconnectLink.objects.open(now).count() == 5, "of the last mails alone"
    assert campaigns.run(later + timedelta(hours=1)) == 0


def test_a_worker_that_dies_while_it_reminds_loses_no_reminder(campaign, monkeypatch):
    now = timezone.now()
    campaigns.run(now)
    due = now + timedelta(days=3)

    def die(self, *args):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMultiAlternatives.send", die)
        with pytest.raises(SystemExit):
            campaigns.run(due)
    assert campaigns.run(due + timedelta(hours=1)) == 2
    assert set(campaign.items.values_list("reminders", flat=True)) == {1}


def test_who_is_asked_instead_while_a_mail_leaves_is_asked_for_all(
    campaign, ending, monkeypatch
):
    tom, eva = ending[0].owner, ending[3].owner
    now = timezone.now()
    send = mail.EmailMultiAlternatives.send

    def hand_over(self, *args):
        if self.to == [tom.email]:
            theirs = campaign.items.filter(person=tom).select_related("account__brand")
            campaigns.hand_over(list(theirs), eva, now)
        return send(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMultiAlternatives.send", hand_over)
        campaigns.run(now)
    assert (mail.outbox[-1].to, mail.outbox[-1].subject) == (
        [eva.email],
        "Please reconnect 5 accounts",
    )
    assert campaign.items.filter(person=eva, state=State.ASKED).count() == 5


def test_one_odd_mail_holds_up_none_of_the_others(campaign, monkeypatch):
    send = mail.EmailMultiAlternatives.send

    def fail(self, *args):
        if self.to == ["tom@example.com"]:
            raise ValueError("odd")
        return send(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMultiAlternatives.send", fail)
        assert campaigns.run(timezone.now()) == 1
    assert campaigns.run(timezone.now()) == 1
    assert states(campaign) == [State.ASKED] * 5


def test_reminders_come_every_so_many_days_and_replace_the_links(campaign):
    now = timezone.now()
    campaigns.run(now)
    assert campaigns.run(now + timedelta(days=2)) == 0
    assert campaigns.run(now + timedelta(days=3)) == 2
    assert mail.outbox[-1].subject.startswith("Reminder: please reconnect")
    assert ReconnectLink.objects.open(timezone.now()).count() == 5
    assert ReconnectLink.objects.count() == 10
    assert campaigns.run(now + timedelta(days=5)) == 0
    assert campaigns.run(now + timedelta(days=6)) == 2
    assert set(campaign.items.values_list("reminders", flat=True)) == {2}


def test_a_campaign_without_reminders_sends_none(campaign):
    ReconnectCampaign.objects.update(remind_every_days=0)
    now = timezone.now()
    campaigns.run(now)
    assert campaigns.run(now + timedelta(days=30)) == 0


# -- progress


def renew(account):
    Credential.objects.filter(pk=account.credential_id).update(
        connected_at=timezone.now(), expires_at=timezone.now() + timedelta(days=60)
    )


def test_who_reconnects_by_whatever_way_is_done_and_hears_no_more(campaign, ending):
    now = timezone.now()
    campaigns.run(now)
    for account in ending[:3]:
        renew(account)
    mail.outbox.clear()
    assert campaigns.run(now + timedelta(days=4)) == 1
    assert [m.to for m in mail.outbox] == [["eva@example.com"]]
    assert states(campaign) == [State.DONE] * 3 + [State.ASKED] * 2


def test_a_campaign_closes_itself_when_nothing_is_left(campaign, ending):
    remind_campaigns()
    for account in ending[:4]:
        renew(account)
    ConnectedAccount.objects.filter(pk=ending[4].pk).update(
        disconnected_at=timezone.now()
    )
    remind_campaigns()
    campaign.refresh_from_db()
    assert campaign.closed_at is not None
    assert states(campaign) == [State.DONE] * 4 + [State.SKIPPED]
    assert not ReconnectLink.objects.open(timezone.now()).exists()


def test_access_that_broke_again_is_not_done(campaign, ending):
    renew(ending[0])
    Credential.objects.filter(pk=ending[0].credential_id).update(state="broken")
    campaigns.settle(timezone.now())
    assert states(campaign) == [State.WAITING] * 5


# -- by hand


def test_handing_over_asks_the_other_person_and_ends_the_first_ones_links(
    campaign, make_person
):
    campaigns.run(timezone.now())
    dee = make_person("dee")
    toms = list(campaign.items.filter(person__username="tom"))
    assert campaigns.hand_over(toms, dee, timezone.now()) == 3
    assert ReconnectLink.objects.open(timezone.now()).count() == 2
    mail.outbox.clear()
    assert campaigns.run(timezone.now()) == 1
    assert mail.outbox[0].to == ["dee@example.com"]


def test_nobody_is_asked_for_accounts_of_a_brand_that_is_not_theirs(
    campaign, make_person
):
    out = make_person("out", member=False)
    assert campaigns.hand_over(campaign.items.all(), out, timezone.now()) == 0


def test_what_is_left_out_is_not_asked_for_and_can_come_back(campaign):
    item = campaign.items.get(account__name="Page 0")
    assert campaigns.leave_out(item)
    campaigns.run(timezone.now())
    assert "Page 0" not in "".join(m.body for m in mail.outbox)
    progress = campaigns.with_progress(ReconnectCampaign.objects.all()).get()
    assert (progress.total, progress.done, progress.people) == (4, 0, 2)
    assert campaigns.take_in_again(item)
    campaigns.run(timezone.now())
    assert "Page 0" in mail.outbox[-1].body


def test_a_closed_campaign_sends_nothing_and_its_links_are_over(campaign):
    campaigns.run(timezone.now())
    campaigns.close(campaign, timezone.now())
    assert not ReconnectLink.objects.open(timezone.now()).exists()
    assert campaigns.run(timezone.now() + timedelta(days=9)) == 0


# -- the pages


@pytest.fixture
def admin(make_person):
    return visit(make_person("ida", ADMIN))


def test_the_proposal_says_how_many_end_and_whom_to_ask(ending, admin):
    page = text(admin.get(reverse("campaign_new")))
    assert "5 accounts end in the next 21 days" in page
    assert "2 people to ask." in page
    page = text(admin.get(reverse("campaign_new") + "?days=7"))
    assert "2 accounts end in the next 7 days" in page
    # What cannot be understood counts as not chosen.
    page = text(admin.get(reverse("campaign_new") + "?days=odd&brand=999"))
    assert "5 accounts end in the next 21 days" in page


def test_starting_asks_for_what_is_ticked_and_sends_by_a_job(ending, admin, queued):
    chosen = [ending[0].pk, ending[3].pk]
    form = {"account": chosen, "name": "December", "remind_every_days": 2}
    answer = admin.post(reverse("campaign_new") + "?days=21", form)
    campaign = ReconnectCampaign.objects.get()
    assert answer["Location"] == reverse("campaign_detail", args=[campaign.pk])
    assert queued == ["monitoring.tasks.remind_campaigns"]
    assert [i.account_id for i in campaign.items.order_by("account")] == chosen
    remind_campaigns()
    page = text(admin.get(answer["Location"]))
    assert "0 of 2 done" in page
    renew(ending[0])
    assert "1 of 2 done" in text(admin.get(answer["Location"]))


def test_a_form_that_is_refused_loses_nothing(ending, admin):
    form = {"account": [ending[0].pk], "name": "", "remind_every_days": 99}
    answer = admin.post(reverse("campaign_new"), form)
    page = text(answer)
    assert answer.status_code == 422
    assert page.count(" checked") == 1
    assert 'value="99"' in page
    none = admin.post(reverse("campaign_new"), {"name": "A", "remind_every_days": 3})
    assert "Choose at least one account." in text(none)
    assert not ReconnectCampaign.objects.exists()


def test_the_page_hands_over_leaves_out_and_closes(
    campaign, author, make_person, queued
):
    client = visit(author)
    url = reverse("campaign_detail", args=[campaign.pk])
    tom = campaign.items.filter(person__username="tom").first().person
    dee = make_person("dee")
    done = {"do": "hand_over", "person": tom.pk, "to": dee.pk}
    assert "dee is asked for 3 accounts" in text(client.post(url, done, follow=True))
    nobody = client.post(url, done | {"to": ""}, follow=True)
    assert "Choose the person who takes over." in text(nobody)
    item = campaign.items.get(account__name="Page 3")
    left = client.post(url, {"do": "leave_out", "item": item.pk}, follow=True)
    assert "Page 3 is left out." in text(left)
    again = client.post(url, {"do": "take_in", "item": item.pk}, follow=True)
    assert "Page 3 is asked for again." in text(again)
    client.post(url, {"do": "close"})
    late = client.post(url, {"do": "leave_out", "item": item.pk}, follow=True)
    assert "The campaign is closed." in text(late)


def test_campaigns_are_the_admins_and_of_their_brands(campaign, brand, make_person):
    urls = [
        reverse("campaign_list"),
        reverse("campaign_new"),
        reverse("campaign_detail", args=[campaign.pk]),
    ]
    writer = visit(make_person("wim"))
    assert [writer.get(url).status_code for url in urls] == [403, 403, 403]
    stranger = visit(make_person("sten", ADMIN, member=False))
    assert stranger.get(urls[2]).status_code == 404
    assert "December" not in text(stranger.get(urls[0]))
    other = visit(make_person("olga", ADMIN))
    assert other.get(urls[2]).status_code == 404  # of all brands: its founder's
    ReconnectCampaign.objects.update(brand=brand)
    assert other.get(urls[2]).status_code == 200
    ReconnectCampaign.objects.update(brand=Brand.objects.create(name="Other"))
    assert other.get(urls[2]).status_code == 404


@pytest.mark.parametrize("others", [0, 10])
def test_its_page_costs_as_many_queries_whatever_else_goes_on(
    campaign, brand, author, admin, others
):
    ReconnectCampaign.objects.update(brand=brand)
    for number in range(others):
        other = ReconnectCampaign.objects.create(
            name=f"Other {number}", brand=brand, created_by=author
        )
        for item in campaign.items.all():
            CampaignItem.objects.create(
                campaign=other, account=item.account, person=item.person
            )
    url = reverse("campaign_detail", args=[campaign.pk])
    admin.get(url)
    with CaptureQueriesContext(connection) as seen:
        assert admin.get(url).status_code == 200
    assert len(seen) == 11, [query["sql"] for query in seen]
