"""A post reads as its deliveries are."""

import pytest
from django.utils import timezone

from publishing.models import Delivery, Post
from socialhub.templatetags.socialhub import post_chip

S = Delivery.Status


@pytest.mark.parametrize(
    ("statuses", "word"),
    [
        ([], "Scheduled"),
        ([S.SCHEDULED, S.SCHEDULED], "Scheduled"),
        ([S.PUBLISHED, S.PUBLISHED], "Published"),
        ([S.PUBLISHED, S.CANCELLED], "Published"),
        ([S.PUBLISHED, S.FAILED, S.SCHEDULED], "Partly published 1/3"),
        ([S.SCHEDULED, S.HELD], "Held"),
        ([S.FAILED, S.HELD], "Failed"),
        ([S.UNCERTAIN, S.SCHEDULED], "Checking whether it went out"),
    ],
)
def test_a_post_reads_as_its_deliveries_are(statuses, word):
    post = Post(state=Post.State.SCHEDULED)
    deliveries = [Delivery(status=status) for status in statuses]
    assert post_chip(post, deliveries).endswith(f"</span>{word}</span>")


def test_a_post_is_called_deleted_when_all_of_it_is():
    post = Post(state=Post.State.SCHEDULED)
    gone, there = (
        Delivery(status=S.PUBLISHED, taken_down_at=at) for at in (timezone.now(), None)
    )
    cancelled = Delivery(status=S.CANCELLED)
    assert "Deleted at the platform" in post_chip(post, [gone, cancelled])
    assert post_chip(post, [gone, there]).endswith("</span>Published</span>")


def test_a_draft_is_a_draft():
    assert post_chip(Post(), []).endswith("</span>Draft</span>")
