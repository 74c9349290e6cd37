"""A post reads as its deliveries are."""

import pytest

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
    assert post_chip(post, statuses).endswith(f"</span>{word}</span>")


def test_a_draft_is_a_draft():
    assert post_chip(Post(), []).endswith("</span>Draft</span>")
