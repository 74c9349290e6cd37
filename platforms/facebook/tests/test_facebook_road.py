"""Our client and the practice network's Facebook, over real HTTP: what comes after a
video that has an id of its own beside its post's."""

from dataclasses import replace
from io import BytesIO

import pytest

from platforms.base import Draft, Figure, MediaFile, MediaKind
from platforms.errors import NotFound
from platforms.practice.tests.made_video import video
from platforms.practice.tests.road import Road, network

FILM = video(120, size=(540, 960), rate=30, index_first=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with network("facebook", tmp_path_factory.mktemp("facebook")) as server:
        yield server


@pytest.fixture
def road(server):
    road = Road("facebook", server)
    road.client.access = replace(road.access, kind="page")
    return road


@pytest.fixture
def film(image):
    return image(
        mime_type="video/mp4",
        size_bytes=len(FILM),
        width=540,
        height=960,
        file_name="a.mp4",
        open=lambda: BytesIO(FILM),
        kind=MediaKind.VIDEO,
        duration_s=4.0,
        frame_rate=30.0,
        video_codec="h264",
        audio_codec="aac",
    )


@pytest.mark.trap("facebook", 6)
@pytest.mark.parametrize("where", ["reel", "post"])
def test_a_video_is_counted_commented_and_deleted_like_any_post(
    road: Road, film: MediaFile, where: str
) -> None:
    draft = Draft("Bread is out", media=(film,), options={"placement": where})
    number = road.post(draft)
    road.pass_time(900)
    client = road.client
    figures = client.figures(number).values
    assert figures[Figure.IMPRESSIONS] > 0
    assert figures[Figure.COMMENTS] == 0
    client.comment(number, "Until noon")
    (found,) = client.comments(number).comments
    assert (found.text, found.parent_id) == ("Until noon", "")
    assert client.figures(number).values[Figure.COMMENTS] == 1
    client.delete_post(number)
    with pytest.raises(NotFound):
        client.figures(number)
