"""A small world for the pages: one brand, its people, an account per network."""

from __future__ import annotations

import io
import uuid
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone
from PIL import Image

from accounts import roles
from accounts.models import Brand, ConnectedAccount, Credential, PlatformApp
from publishing.fingerprints import fingerprint
from publishing.models import Delivery, Post, drafts


def make_person(name: str, *role_names: str, brand: Brand | None = None) -> User:
    user = User.objects.create_user(name, f"{name}@example.com", "x")
    user.groups.set([Group.objects.get_or_create(name=role)[0] for role in role_names])
    if brand:
        brand.members.add(user)
    return user


def make_account(brand: Brand, platform: str, name: str, **fields: object):
    app, _made = PlatformApp.objects.get_or_create(
        platform=platform, network="live", instance_url=""
    )
    credential = Credential.objects.create(
        app=app, access_token="secret-token", subject_name=name
    )
    return ConnectedAccount.objects.create(
        **{
            "brand": brand,
            "credential": credential,
            "platform": platform,
            "external_id": f"{platform}-{name}",
            "name": name,
            "handle": name.lower().replace(" ", ""),
            "url": f"https://{platform}.example/{name.lower().replace(' ', '')}",
            **fields,
        }
    )


def make_delivery(account, author, *, text="Hello", hours=24.0, **fields) -> Delivery:
    due = timezone.now() + timedelta(hours=hours)
    post = Post.objects.create(
        brand=account.brand, author=author, text=text, state=Post.State.SCHEDULED
    )
    local = due.replace(second=0, microsecond=0)
    post.set_time(local.date(), local.time(), "UTC")
    post.save()
    post.accounts.add(account)
    return Delivery.objects.create(
        **{
            "post": post,
            "account": account,
            "due_at": post.due_at,
            "useful_until": post.useful_until,
            "next_attempt_at": post.due_at,
            "marker": uuid.uuid4().hex,
            "fingerprint": fingerprint(
                drafts(post, [account.platform])[account.platform]
            ),
            **fields,
        }
    )


@pytest.fixture(autouse=True)
def own_files(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def world(db):
    brand = Brand.objects.create(name="Acme", time_zone="Europe/Berlin")
    ana = make_person("ana", roles.MARKETING, brand=brand)
    return SimpleNamespace(
        brand=brand,
        ana=ana,
        rita=make_person("rita", roles.REVIEWER, brand=brand),
        adam=make_person("adam", roles.ADMIN, brand=brand),
        guest=make_person("guest", brand=brand),
        stranger=make_person("stranger", roles.MARKETING, roles.ADMIN),
        x=make_account(brand, "x", "Acme X"),
        mastodon=make_account(brand, "mastodon", "Acme M"),
    )


@pytest.fixture
def sign_in():
    def make(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def ana(world, sign_in):
    return sign_in(world.ana)


def picture(kind="JPEG", size=(40, 30), **save) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, kind, **save)
    return out.getvalue()
