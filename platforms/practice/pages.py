"""Pages that several twins show to people: sign-in and consent, posts, errors.

`Markup.format` escapes what is filled in; the shell is that of the whole network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup
from werkzeug.wrappers import Response

from . import html
from .framework import Person, Twin

LINK = Markup('<p class="linkcard"><a href="{0}" rel="nofollow">{1}</a><br>{0}</p>')
#: for an address that a click must not run, such as javascript:
NO_LINK = Markup('<p class="linkcard">{1}<br>{0}</p>')
TICK = Markup(
    '<label class="tick"><input type="checkbox" name="scope" value="{0}" checked>'
    "<span><code>{0}</code> {1}</span></label>"
)
NO_TICK = Markup("<p><code>{0}</code> {1}</p>")
CANCEL_LOGIN = Markup(
    '<button class="second" name="decision" value="cancel_login" formnovalidate>'
    "Cancel the sign-in</button>"
)


@dataclass(frozen=True)
class Picture:
    """kind: image, gif, video or audio."""

    url: str
    alt: str
    kind: str = "image"


@dataclass(frozen=True)
class PostView:
    """A post as its permalink page shows it. link: (address, title) of the card."""

    author: str
    handle: str
    text: str
    when: str
    url: str
    pictures: Sequence[Picture] = ()
    link: tuple[str, str] | None = None
    notes: Sequence[str] = field(default_factory=tuple)


def error_page(twin: Twin, title: str, text: str, status: int = 400) -> Response:
    body = Markup("<p>{}</p>").format(text)
    return html.page(
        f"{twin.name}: {title}", body, twin.base_url, kind="narrow", status=status
    )


def no_page(twin: Twin) -> Response:
    return error_page(
        twin, "nothing here", "This page does not exist, or not any more.", 404
    )


def consent_page(
    twin: Twin,
    app_name: str,
    *,
    hidden: Iterable[tuple[str, str]],
    people: Sequence[Person],
    scopes: Sequence[tuple[str, str]],
    may_untick: bool,
    note: str = "",
    sign_in_cancel: bool = False,
) -> Response:
    """One form: who signs in, what is granted, Allow or Cancel.

    It posts to its own address: the hidden fields, `person`, `scope` (once for each
    ticked one, only if `may_untick`) and `decision`: allow, cancel, or cancel_login
    where the platform tells that apart. scopes: (name, what it allows).
    """
    choice = Markup(
        '<label class="tick"><input type="radio" name="person" value="{}" required{}>'
        '<span>{} <span class="note">{} {}</span></span></label>'
    )
    choices = html.join(
        choice.format(
            who.id,
            Markup(" checked") if number == 0 else "",
            who.name,
            who.handle,
            who.detail,
        )
        for number, who in enumerate(people)
    )
    row = TICK if may_untick else NO_TICK
    body = Markup(
        '<form method="post" action="">{fields}<h2>Sign in as</h2>{choices}'
        "<h2>{app} asks for</h2>{scopes}{note}"
        '<p class="row"><button name="decision" value="allow">Allow</button>'
        '<button class="second" name="decision" value="cancel" formnovalidate>'
        "Cancel</button>{cancel_login}</p></form>"
    ).format(
        fields=html.hidden(hidden),
        choices=choices,
        app=app_name,
        scopes=html.join(row.format(name, allows) for name, allows in scopes),
        note=Markup('<p class="note">{}</p>').format(note) if note else "",
        cancel_login=CANCEL_LOGIN if sign_in_cancel else "",
    )
    title = f"{twin.name}: give {app_name} access?"
    return html.page(title, body, twin.base_url, kind="narrow")


def article(post: PostView) -> Markup:
    figure = Markup(
        '<figure><img src="{}" alt="{}"><figcaption>{}</figcaption></figure>'
    )
    film = Markup(
        '<figure><video controls src="{}" aria-label="{}"></video>'
        "<figcaption>{}</figcaption></figure>"
    )
    sound = Markup(
        '<figure><audio controls src="{}" aria-label="{}"></audio>'
        "<figcaption>{}</figcaption></figure>"
    )
    pictures = html.join(
        {"video": film, "audio": sound}.get(picture.kind, figure).format(
            picture.url,
            picture.alt,
            f"Alt text: {picture.alt}" if picture.alt else "No alt text",
        )
        for picture in post.pictures
    )
    card = Markup()
    if post.link:
        address, title = post.link
        is_web = address.lower().startswith(("https://", "http://"))
        card = (LINK if is_web else NO_LINK).format(address, title or address)
    notes = html.join(
        Markup('<p class="note">{}</p>').format(note) for note in post.notes
    )
    return Markup(
        '<article><strong>{author}</strong> <span class="note">{handle}</span>'
        '{text}{pictures}{card}{notes}<p class="note"><a href="{url}">'
        "<time>{when}</time></a></p></article>"
    ).format(
        author=post.author,
        handle=post.handle,
        text=html.paragraphs(post.text),
        pictures=pictures,
        card=card,
        notes=notes,
        url=post.url,
        when=post.when,
    )


def posts_page(twin: Twin, title: str, posts: Iterable[PostView]) -> Response:
    """One post or many, in the order given."""
    shown = html.join(article(post) for post in posts)
    empty = Markup('<p class="quiet">Nothing has been posted yet.</p>')
    return html.page(f"{twin.name}: {title}", shown or empty, twin.base_url)
