"""The sentences that people read about trouble: one place, one tone, no jargon.

Each cause has a short head (for lists and groups), a sentence that says what happened,
and what to do. The platform's own words stand under Details, never here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from platforms.base import MediaKind
from platforms.errors import Cause


class Action(StrEnum):
    """The button that mends it."""

    RECONNECT = "reconnect"
    EDIT = "edit"
    RETRY = "retry"
    DECIDE = "decide"
    WAIT = "wait"  # nothing to do: it goes on by itself
    OPERATOR = "operator"  # whoever runs our app registration


@dataclass(frozen=True)
class Explanation:
    head: Any
    sentence: Any
    cure: Any
    action: Action


def _e(head: Any, sentence: Any, cure: Any, action: Action) -> Explanation:
    return Explanation(head, sentence, cure, action)


_RECONNECT = _("Reconnect the account. What waits goes out afterwards by itself.")
_OPERATOR = _("An admin has to look at our app registration on this platform.")
_WAIT = _("Nothing to do: it goes on by itself.")
_EDIT = _("Change the post and send it again.")

EXPLANATIONS: dict[str, Explanation] = {
    Cause.TOKEN_EXPIRED: _e(
        _("Access has expired"),
        _(
            "The platform's permission to post was given for a limited time, which is over."
        ),
        _RECONNECT,
        Action.RECONNECT,
    ),
    Cause.TOKEN_REVOKED: _e(
        _("Access was withdrawn"),
        _("Somebody removed SocialHub from the account's connected apps."),
        _RECONNECT,
        Action.RECONNECT,
    ),
    Cause.TOKEN_INVALID: _e(
        _("Access is no longer accepted"),
        _(
            "The platform does not accept our access any more and does not say why. Most "
            "often somebody removed SocialHub from the account's connected apps, or "
            "changed its password."
        ),
        _RECONNECT,
        Action.RECONNECT,
    ),
    Cause.PASSWORD_CHANGED: _e(
        _("The password was changed"),
        _(
            "The person who connected this account changed their password, or the "
            "platform ended their sessions. All access that they gave ended with it."
        ),
        _RECONNECT,
        Action.RECONNECT,
    ),
    Cause.SIGN_IN_WANTED: _e(
        _("A new sign-in is wanted"),
        _(
            "The organisation that this account belongs to has people sign in again from "
            "time to time. Until somebody has, SocialHub has no access."
        ),
        _RECONNECT,
        Action.RECONNECT,
    ),
    Cause.DATA_ACCESS_ENDED: _e(
        _("The platform's trust in our access has run out"),
        _(
            "The person who connected this account has not confirmed SocialHub for a "
            "long time, so the platform shows us nothing of the account any more."
        ),
        _RECONNECT,
        Action.RECONNECT,
    ),
    Cause.ROTATION_LOST: _e(
        _("A renewed access was lost"),
        _(
            "SocialHub was interrupted while the platform renewed our access. The old "
            "access had ended by then, and the new one never arrived."
        ),
        _RECONNECT,
        Action.RECONNECT,
    ),
    Cause.REFRESH_REFUSED: _e(
        _("Access could not be renewed"),
        _(
            "The platform refused to renew our access. A password change can cause this."
        ),
        _RECONNECT,
        Action.RECONNECT,
    ),
    Cause.CONSENT_REFUSED: _e(
        _("Permission was not given"),
        _("The sign-in at the platform was cancelled, so nothing was changed."),
        _("Start again and choose Allow at the platform."),
        Action.RECONNECT,
    ),
    Cause.CODE_REFUSED: _e(
        _("The sign-in took too long"),
        _(
            "The platform did not accept the end of the sign-in; it may have taken too long."
        ),
        _("Start the connection once more."),
        Action.RECONNECT,
    ),
    Cause.WRONG_PASSWORD: _e(
        _("Handle or app password is wrong"),
        _("The platform does not know this handle with this app password."),
        _("Make a new app password in the platform's settings and enter it here."),
        Action.RECONNECT,
    ),
    Cause.SECOND_FACTOR_WANTED: _e(
        _("An app password is needed"),
        _("The main password was entered, and the platform wants a code from a mail."),
        _("Make an app password in the platform's settings and enter that one."),
        Action.RECONNECT,
    ),
    Cause.SCOPE_MISSING: _e(
        _("A permission is missing"),
        _("Our access does not include every permission that this needs."),
        _("Reconnect the account and allow everything that is asked for."),
        Action.RECONNECT,
    ),
    Cause.ROLE_LOST: _e(
        _("The role on the page was lost"),
        _("The person who connected this page may no longer post for it."),
        _("Give the role back at the platform, or reconnect as somebody who has it."),
        Action.RECONNECT,
    ),
    Cause.FILES_NOT_ALLOWED: _e(
        _("The role on the page is not enough for files"),
        _(
            "The platform refuses images, videos and documents from the person who "
            "connected this page. Text alone may still go out."
        ),
        _(
            "Give that person a higher role on the page, or reconnect as an "
            "administrator of it."
        ),
        Action.RECONNECT,
    ),
    Cause.NOT_PROVEN: _e(
        _("Not proven for two days"),
        _(
            "We ask as always, and for two days the platform has not said whether we may "
            "post: it answers with errors, or with something that we do not know. Posts "
            "are tried as before."
        ),
        _(
            "An admin looks at what the platform says: on the page of such an account, "
            "Check now. It may have switched the version that we use off."
        ),
        Action.OPERATOR,
    ),
    Cause.NETWORK_UNLINKED: _e(
        _("The network is not linked any more"),
        _(
            "The service that passes our posts on has lost its own access to the "
            "network: somebody unlinked it there, or the network ended the permission."
        ),
        _("Link the network again at that service, and choose Reconnect here."),
        Action.RECONNECT,
    ),
    Cause.ADMIN_RESTRICTS: _e(
        _("An administrator does not allow our app"),
        _(
            "An administrator of the organisation that this account belongs to does not "
            "let SocialHub have access to it."
        ),
        _("Ask that administrator to allow SocialHub, then reconnect the account."),
        Action.RECONNECT,
    ),
    Cause.ACCOUNT_SUSPENDED: _e(
        _("The account is suspended"),
        _("The platform has suspended this account."),
        _("Sign in at the platform and follow what it says there."),
        Action.DECIDE,
    ),
    Cause.ACCOUNT_LOCKED: _e(
        _("The account is locked"),
        _("The platform has locked this account until somebody signs in there."),
        _("Sign in at the platform, unlock the account, then check again here."),
        Action.DECIDE,
    ),
    Cause.OTHER_ACCOUNT: _e(
        _("The access belongs to another account"),
        _(
            "What the platform renewed acts for somebody else, so nothing is sent with "
            "it."
        ),
        _RECONNECT,
        Action.RECONNECT,
    ),
    Cause.ACCOUNT_MOVED: _e(
        _("The account has moved"),
        _("This account has moved to another server and cannot post from the old one."),
        _("Connect the account at its new server."),
        Action.RECONNECT,
    ),
    Cause.ACCOUNT_GONE: _e(
        _("The account is gone"),
        _("The platform says that this account does not exist any more."),
        _("Disconnect it here, or connect the account that took its place."),
        Action.DECIDE,
    ),
    Cause.NOT_ALLOWED: _e(
        _("Not allowed"),
        _("The platform does not allow this for this account."),
        _(
            "Look under Details for the platform's own words, then reconnect or ask an admin."
        ),
        Action.RECONNECT,
    ),
    Cause.APP_REFUSED: _e(
        _("Our app was refused"),
        _("The platform refused our app itself; the account is not at fault."),
        _OPERATOR,
        Action.OPERATOR,
    ),
    Cause.APP_SUSPENDED: _e(
        _("Our app is suspended"),
        _(
            "The platform has suspended our app itself. No account is at fault, and "
            "reconnecting does not help."
        ),
        _OPERATOR,
        Action.OPERATOR,
    ),
    Cause.APP_UNREVIEWED: _e(
        _("Our app may not post in public yet"),
        _(
            "The platform has not reviewed our app yet. Until it has, it takes only "
            "posts that nobody else can see."
        ),
        _(
            "Choose “Only me” for this post and make the account private, or ask an "
            "admin to have our app reviewed."
        ),
        Action.OPERATOR,
    ),
    Cause.APP_GONE: _e(
        _("Our app is no longer known there"),
        _("The server has deleted our app's registration, and with it every access."),
        _("Reconnect the account: the app is registered anew on the way."),
        Action.RECONNECT,
    ),
    Cause.VERSION_ENDED: _e(
        _("The platform ended a version"),
        _("The version of the platform's interface that we use has been switched off."),
        _(
            "An admin enters a newer version under Platforms, or installs a newer "
            "SocialHub."
        ),
        Action.OPERATOR,
    ),
    Cause.CREDITS_USED_UP: _e(
        _("The platform's credits are used up"),
        _("The platform wants to be paid before it takes more posts from our app."),
        _("An admin has to buy credits or raise the spending limit at the platform."),
        Action.OPERATOR,
    ),
    Cause.TOO_MANY_REQUESTS: _e(
        _("A limit is reached"),
        _("The platform accepts only so many calls in a while, and they are used up."),
        _WAIT,
        Action.WAIT,
    ),
    Cause.DAILY_LIMIT: _e(
        _("Today's limit is reached"),
        _("The platform accepts only so many posts or calls a day."),
        _WAIT,
        Action.WAIT,
    ),
    Cause.PLAN_LIMIT: _e(
        _("The plan's limit is reached"),
        _("Our plan at the platform is used up for this billing period."),
        _OPERATOR,
        Action.OPERATOR,
    ),
    Cause.MEDIA_MISSING: _e(
        _("An image is needed"),
        _("This platform accepts no post without an image or a video."),
        _("Add an image, or take the account out of this post."),
        Action.EDIT,
    ),
    Cause.VIDEO_MISSING: _e(
        _("A video is needed"),
        _("This platform accepts no post without a video."),
        _("Add a video, or take the account out of this post."),
        Action.EDIT,
    ),
    Cause.TEXT_EMPTY: _e(
        _("Nothing to post"),
        _("There is neither text nor an image."),
        _("Write something or add an image."),
        Action.EDIT,
    ),
    Cause.TEXT_TOO_LONG: _e(
        _("The text is too long"),
        _("The text is longer than this platform accepts."),
        _("Shorten it, or write a shorter wording for this platform."),
        Action.EDIT,
    ),
    Cause.TEXT_REFUSED: _e(
        _("The post was refused"),
        _("The platform refused the content and says why under Details."),
        _EDIT,
        Action.EDIT,
    ),
    Cause.TOO_MANY_TAGS: _e(
        _("Too many hashtags or mentions"),
        _("The text has more of them than this platform accepts."),
        _("Remove some of them."),
        Action.EDIT,
    ),
    Cause.MENTION_PLAIN: _e(
        _("These names stay plain text"),
        _("This platform makes no links of names that are written like that."),
        _("Write them as this network does, in a text of its own, or leave them so."),
        Action.EDIT,
    ),
    Cause.MENTION_NOBODY: _e(
        _("There is nobody of this name"),
        _("The platform knows nobody of this name, so that it stays plain text."),
        _("Check how it is spelled."),
        Action.EDIT,
    ),
    Cause.MENTION_TAKEN_OUT: _e(
        _("These vanish from the text unless our app may mention others"),
        _(
            "The platform makes links of them for apps that it allows to mention others. "
            "For all other apps it takes them out of the text without a word."
        ),
        _("Ask an admin whether our app has that permission, or write the name."),
        Action.EDIT,
    ),
    Cause.LINK_REFUSED: _e(
        _("The link was refused"),
        _("The platform does not accept this link. It must start with https://."),
        _("Mend or remove the link."),
        Action.EDIT,
    ),
    Cause.TOO_MANY_LINKS: _e(
        _("Too many links"),
        _("The post has more different links than this platform accepts."),
        _("Remove some of them."),
        Action.EDIT,
    ),
    Cause.POLL_IMPOSSIBLE: _e(
        _("No polls there"),
        _("This platform has no polls that an app could make."),
        _("Remove the poll, or take the account out of this post."),
        Action.EDIT,
    ),
    Cause.POLL_WITH_FILES: _e(
        _("A poll and files do not go together"),
        _("No platform shows files and a poll in one post."),
        _("Remove the files or the poll."),
        Action.EDIT,
    ),
    Cause.POLL_WITH_LINK: _e(
        _("A poll and the card of a link do not go together"),
        _("This platform shows either a poll or the card of a link."),
        _("Empty this field, and write the address into the text."),
        Action.EDIT,
    ),
    Cause.POLL_TOO_FEW: _e(
        _("The poll has too few answers"),
        _("The poll has fewer answers than this platform wants."),
        _("Write one more, or remove the poll."),
        Action.EDIT,
    ),
    Cause.POLL_TOO_MANY: _e(
        _("The poll has too many answers"),
        _("The poll has more answers than this platform accepts."),
        _("Remove some of them."),
        Action.EDIT,
    ),
    Cause.POLL_ANSWER_TOO_LONG: _e(
        _("The answer is too long"),
        _("An answer of the poll is longer than this platform accepts."),
        _("Shorten it."),
        Action.EDIT,
    ),
    Cause.POLL_ANSWER_TWICE: _e(
        _("The answer stands there twice"),
        _("Two answers of the poll are the same."),
        _("Change or remove one of them."),
        Action.EDIT,
    ),
    Cause.POLL_ONE_CHOICE: _e(
        _("People can choose only one answer there"),
        _("Polls on this platform take one answer of each person."),
        _("Nothing has to be done, where one answer is good as well."),
        Action.EDIT,
    ),
    Cause.POLL_QUESTION_MISSING: _e(
        _("The poll has no question"),
        _("Polls on this platform have a question of their own beside the text."),
        _("Write the question."),
        Action.EDIT,
    ),
    Cause.POLL_QUESTION_TOO_LONG: _e(
        _("The question of the poll is too long"),
        _("The question is longer than this platform accepts."),
        _("Shorten it."),
        Action.EDIT,
    ),
    Cause.POLL_LENGTH: _e(
        _("A poll cannot last so long, or so short"),
        _("Polls on this platform do not last so long, or so short."),
        _("Choose another length."),
        Action.EDIT,
    ),
    Cause.POLL_LENGTH_LOST: _e(
        _("How long it lasts is decided there"),
        _("This platform lets no app say how long a poll lasts."),
        _("Nothing has to be done."),
        Action.EDIT,
    ),
    Cause.THREAD_IMPOSSIBLE: _e(
        _("No threads there"),
        _("A post on this platform has one part."),
        _("Remove the other parts."),
        Action.EDIT,
    ),
    Cause.THREAD_HALTED: _e(
        _("The thread was refused"),
        _(
            "The service that passes it on does not say at which part: its first parts "
            "may be live."
        ),
        _(
            "Look at the account first, and delete there what is live: sent again, the "
            "whole thread goes out."
        ),
        Action.EDIT,
    ),
    Cause.TOO_MANY_PARTS: _e(
        _("Too many parts"),
        _("The thread has more parts than we send to this platform."),
        _("Remove some of them."),
        Action.EDIT,
    ),
    Cause.COMMENT_IMPOSSIBLE: _e(
        _("No first comment there"),
        _("A first comment cannot be written there, or not below this kind of post."),
        _("Remove the first comment."),
        Action.EDIT,
    ),
    Cause.TOO_MANY_MEDIA: _e(
        _("Too many files"),
        _("The post has more files than this platform accepts."),
        _("Remove some of them."),
        Action.EDIT,
    ),
    Cause.MEDIA_MIXED: _e(
        _("These files do not go together"),
        _("The platform does not accept this mixture of files in one post."),
        _(
            "Keep one kind: images, or one video, one animation, one audio file or one "
            "document."
        ),
        Action.EDIT,
    ),
    Cause.MEDIA_TYPE: _e(
        _("The file type is not accepted"),
        _("The platform does not accept this kind of file."),
        _(
            "Save an image as JPEG or PNG, a video as MP4 with H.264, an audio file as MP3, "
            "and add it again."
        ),
        Action.EDIT,
    ),
    Cause.MEDIA_TOO_LARGE: _e(
        _("The image is too large"),
        _("The image has more bytes or pixels than this platform accepts."),
        _("Make it smaller and add it again."),
        Action.EDIT,
    ),
    Cause.IMAGES_TOO_LARGE: _e(
        _("The images are too large together"),
        _(
            "The platform cannot fetch them from SocialHub, so they are sent with the post "
            "itself, which has no room for as much."
        ),
        _(
            "Make them smaller, or ask an operator to open SITE_URL to the internet: then "
            "they are fetched one by one."
        ),
        Action.EDIT,
    ),
    Cause.MEDIA_TOO_SMALL: _e(
        _("The image is too small"),
        _("The image has fewer pixels than this platform wants."),
        _("Export it larger and add it again."),
        Action.EDIT,
    ),
    Cause.MEDIA_SHAPE: _e(
        _("The image is too wide or too tall"),
        _("The platform accepts only images between two proportions."),
        _("Crop the image and add it again."),
        Action.EDIT,
    ),
    Cause.MEDIA_SIZES_DIFFER: _e(
        _("The images have different sizes"),
        _("The platform wants all images of one post in the same size."),
        _("Crop them alike and add them again, or keep one."),
        Action.EDIT,
    ),
    Cause.MEDIA_KIND: _e(
        _("SocialHub does not send this kind of file there yet"),
        _("SocialHub does not send this kind of file to this platform yet."),
        _("Remove the file, or leave out the accounts on this platform."),
        Action.EDIT,
    ),
    Cause.ANIMATION_TOO_LARGE: _e(
        _("The animation is too large"),
        _("The animation has more pixels than this platform accepts."),
        _("Make it smaller or shorter, and add it again."),
        Action.EDIT,
    ),
    Cause.ANIMATION_TOO_LONG: _e(
        _("The animation has too many pictures"),
        _("The animation has more pictures than this platform accepts."),
        _("Make it shorter, or add it as a video."),
        Action.EDIT,
    ),
    Cause.ANIMATION_LOST: _e(
        _("The animation will stand still"),
        _("This platform shows only the first picture of an animation."),
        _("Look whether its first picture says enough."),
        Action.EDIT,
    ),
    Cause.VIDEO_TOO_SHORT: _e(
        _("The video is too short"),
        _("The video is shorter than this platform accepts."),
        _("Make it longer, or leave it out."),
        Action.EDIT,
    ),
    Cause.VIDEO_TOO_LONG: _e(
        _("The video is too long"),
        _("The video is longer than this platform accepts."),
        _("Trim it and add it again."),
        Action.EDIT,
    ),
    Cause.VIDEO_TOO_LARGE: _e(
        _("The video file is too large"),
        _("The video has more bytes than this platform accepts."),
        _("Export it with a lower bitrate or fewer pixels, and add it again."),
        Action.EDIT,
    ),
    Cause.AUDIO_TOO_LARGE: _e(
        _("The audio file is too large"),
        _("The audio file has more bytes than this platform accepts."),
        _("Export it as MP3 or AAC with a lower bitrate, and add it again."),
        Action.EDIT,
    ),
    Cause.VIDEO_TOO_SMALL: _e(
        _("The video file is too small"),
        _("The video has fewer bytes than this platform accepts."),
        _("Export it in a better quality, and add it again."),
        Action.EDIT,
    ),
    Cause.VIDEO_TOO_MANY_PIXELS: _e(
        _("The video has too many pixels"),
        _("The pictures of the video are larger than this platform accepts."),
        _("Export it smaller, such as 1280 × 720, and add it again."),
        Action.EDIT,
    ),
    Cause.VIDEO_TOO_FEW_PIXELS: _e(
        _("The video has too few pixels"),
        _("The pictures of the video are smaller than this platform accepts."),
        _("Export it larger, such as 1280 × 720, and add it again."),
        Action.EDIT,
    ),
    Cause.VIDEO_SHAPE: _e(
        _("The video is too wide or too tall"),
        _("The platform accepts only videos between two proportions."),
        _("Crop the video and add it again."),
        Action.EDIT,
    ),
    Cause.VIDEO_CODEC: _e(
        _("The video is encoded in a way that is not accepted"),
        _("The platform does not accept the way in which the video is encoded."),
        _("Export it as MP4 with H.264, and add it again."),
        Action.EDIT,
    ),
    Cause.COVER_MISSING: _e(
        _("The video has no cover"),
        _("This platform wants an image beside a video, which stands for it."),
        _("Add one image."),
        Action.EDIT,
    ),
    Cause.VIDEO_SILENT: _e(
        _("The video has no sound"),
        _("This platform wants videos with sound here."),
        _("Add one with sound, or send it as it is."),
        Action.EDIT,
    ),
    Cause.SOUND_CODEC: _e(
        _("The sound is encoded in a way that is not accepted"),
        _("The platform does not accept the way in which the sound is encoded."),
        _("Export it as MP4 with AAC sound, and add it again."),
        Action.EDIT,
    ),
    Cause.SOUND_CHANNELS: _e(
        _("The sound has too many channels"),
        _("The platform accepts mono or stereo sound only."),
        _("Export it with stereo sound, and add it again."),
        Action.EDIT,
    ),
    Cause.SOUND_RATE: _e(
        _("The sample rate of the sound is too high"),
        _("The platform accepts sound up to a sample rate only."),
        _("Export it with sound of 48 kHz, and add it again."),
        Action.EDIT,
    ),
    Cause.VIDEO_COLOURS: _e(
        _("The colours of the video are encoded in a way that is not accepted"),
        _("The platform does not accept the way in which colours are encoded."),
        _("Export it as MP4 with H.264 and 4:2:0, and add it again."),
        Action.EDIT,
    ),
    Cause.VIDEO_INTERLACED: _e(
        _("The video is interlaced, as for television"),
        _("The platform accepts only videos of whole pictures."),
        _("Export it as “progressive”, and add it again."),
        Action.EDIT,
    ),
    Cause.VIDEO_FRAME_RATE: _e(
        _("The video has too many or too few pictures per second"),
        _("The platform accepts only frame rates between two numbers."),
        _("Export it with 30 pictures per second, and add it again."),
        Action.EDIT,
    ),
    Cause.VIDEO_BITRATE: _e(
        _("The bitrate of the video is too high"),
        _("The video has more bits per second than this platform accepts."),
        _("Export it with a lower bitrate, and add it again."),
        Action.EDIT,
    ),
    Cause.VIDEO_INDEX_LAST: _e(
        _("The video cannot be played before all of it is there"),
        _("The index of the video stands at its end, which this platform refuses."),
        _("Export it “for the web” or with “fast start”, and add it again."),
        Action.EDIT,
    ),
    Cause.DOCUMENT_TOO_LARGE: _e(
        _("The document is too large"),
        _("The document has more bytes than this platform accepts."),
        _("Export it with smaller images, and add it again."),
        Action.EDIT,
    ),
    Cause.DOCUMENT_TOO_LONG: _e(
        _("The document has too many pages"),
        _("The document has more pages than this platform accepts."),
        _("Take pages out and add it again."),
        Action.EDIT,
    ),
    Cause.MEDIA_NOT_PUBLIC: _e(
        _("The platform cannot fetch the file"),
        _(
            "This platform fetches files from SocialHub itself, and SocialHub's address "
            "cannot be reached from outside, or did not answer."
        ),
        _("Ask an operator to check SITE_URL: it has to be open to the internet."),
        Action.OPERATOR,
    ),
    Cause.DRAFT_LEFT: _e(
        _("Nobody published the draft"),
        _(
            "It was handed over as a draft, and nobody published it in the platform's own "
            "app in time."
        ),
        _("Publish it there by hand, or send it again."),
        Action.EDIT,
    ),
    Cause.OPTION_MISSING: _e(
        _("A choice is missing"),
        _("This platform wants something decided for each post, which is open yet."),
        _("Fill it in or choose, under what belongs to this platform."),
        Action.EDIT,
    ),
    Cause.OPTION_UNKNOWN: _e(
        _("This choice is not possible"),
        _("The account does not have what was chosen, or not any more."),
        _("Choose another one."),
        Action.EDIT,
    ),
    Cause.QUOTE_UNREADABLE: _e(
        _("This address names no post to quote"),
        _("The address does not lead to a post that this platform lets an app quote."),
        _("Open the post on the platform itself and copy its address."),
        Action.EDIT,
    ),
    Cause.QUOTE_GONE: _e(
        _("The post to quote is not there"),
        _(
            "It was deleted, its author allows no quotes, or this account cannot see it."
        ),
        _("Choose another post, or remove the quote."),
        Action.EDIT,
    ),
    Cause.QUOTE_ALONE: _e(
        _("A quote goes without files"),
        _("This platform takes either a quote or files, polls and links with a card."),
        _("Remove the quote or the files."),
        Action.EDIT,
    ),
    Cause.OPTION_LEFT_OUT: _e(
        _("This choice is not sent"),
        _("With these files, or at this place, the platform has no such thing."),
        _("Remove it, or choose another place for the post."),
        Action.EDIT,
    ),
    Cause.OPTION_TOO_LONG: _e(
        _("An entry is too long"),
        _("Something that belongs to this platform is longer than it accepts."),
        _("Shorten it."),
        Action.EDIT,
    ),
    Cause.NOT_A_REEL: _e(
        _("A reel is made of one video"),
        _("As a reel this platform takes one video and nothing else."),
        _("Leave one video, or choose another placement."),
        Action.EDIT,
    ),
    Cause.TEXT_NOT_SHOWN: _e(
        _("A story shows no text"),
        _("This platform takes no text with a story: nobody would read it there."),
        _("Write the text into the image or video, or choose another placement."),
        Action.EDIT,
    ),
    Cause.MEDIA_REFUSED: _e(
        _("The file was refused"),
        _("The platform could not use this file."),
        _("Add it again in another format, or use another one."),
        Action.EDIT,
    ),
    Cause.CAPTIONS_ALONE: _e(
        _("Captions without a video"),
        _("Captions belong to a video, and the post has none."),
        _("Add the video, or remove the captions."),
        Action.EDIT,
    ),
    Cause.CAPTIONS_LEFT_OUT: _e(
        _("These captions are not sent"),
        _("SocialHub sends no captions to this network, or not so many."),
        _("The video goes out without them. Say what matters in the text as well."),
        Action.EDIT,
    ),
    Cause.CAPTIONS_TOO_LARGE: _e(
        _("The captions are too large"),
        _("The captions have more bytes than this platform accepts."),
        _("Shorten them, or remove them."),
        Action.EDIT,
    ),
    Cause.CAPTIONS_LANGUAGE: _e(
        _("The captions have no language"),
        _("This platform wants to know in which language captions are."),
        _("Choose their language."),
        Action.EDIT,
    ),
    Cause.CAPTIONS_TWICE: _e(
        _("Two captions in one language"),
        _("This platform takes captions once for each language."),
        _("Choose another language for one of them, or remove it."),
        Action.EDIT,
    ),
    Cause.ALT_TEXT_TOO_LONG: _e(
        _("The alternative text is too long"),
        _("The description of a file is longer than this platform accepts."),
        _("Shorten the description."),
        Action.EDIT,
    ),
    Cause.ALT_TEXT_MISSING: _e(
        _("It has no alternative text"),
        _("People who cannot see or hear it will not know what it is."),
        _("Describe in a sentence what is seen or heard."),
        Action.EDIT,
    ),
    Cause.DUPLICATE_TEXT: _e(
        _("The platform has this text already"),
        _(
            "The account posted the same text recently, and the platform refuses repeats."
        ),
        _("Change the text, or dismiss this one."),
        Action.EDIT,
    ),
    Cause.ALREADY_THERE: _e(
        _("It is there already"),
        _("The platform says that this very post exists."),
        _("Look at the account and confirm it here."),
        Action.DECIDE,
    ),
    Cause.MEDIA_NOT_READY: _e(
        _("The platform is still working on the file"),
        _("The file has been sent; the platform has not finished with it."),
        _WAIT,
        Action.WAIT,
    ),
    Cause.MEDIA_EXPIRED: _e(
        _("The file has to be sent again"),
        _("The platform no longer has the file that was sent ahead."),
        _WAIT,
        Action.WAIT,
    ),
    Cause.PARENT_GONE: _e(
        _("The post it answers is gone"),
        _("The post that this one answers cannot be found any more."),
        _EDIT,
        Action.EDIT,
    ),
    Cause.NOT_THERE: _e(
        _("Not found"),
        _("The platform cannot find what this refers to."),
        _EDIT,
        Action.EDIT,
    ),
    Cause.ADDRESS_REFUSED: _e(
        _("This address may not be called"),
        _("The address leads into a private network or is not https."),
        _("Enter the public address of the server."),
        Action.RECONNECT,
    ),
    Cause.NOT_THIS_PLATFORM: _e(
        _("This is not such a server"),
        _("The server at this address does not answer as this platform does."),
        _("Check the address for a typing mistake."),
        Action.RECONNECT,
    ),
    Cause.UNREACHABLE: _e(
        _("The platform cannot be reached"),
        _("No connection came about. Nothing was sent."),
        _WAIT,
        Action.WAIT,
    ),
    Cause.TIMED_OUT: _e(
        _("The platform did not answer in time"),
        _("The call took too long and was ended."),
        _WAIT,
        Action.WAIT,
    ),
    Cause.PLATFORM_TROUBLE: _e(
        _("The platform has trouble"),
        _("The platform answered with an error of its own: not us, not you."),
        _WAIT,
        Action.WAIT,
    ),
    Cause.ANSWER_UNREADABLE: _e(
        _("The answer could not be read"),
        _("The platform's answer was not what it should be."),
        _WAIT,
        Action.WAIT,
    ),
    Cause.ANSWER_LOST: _e(
        _("The answer was lost"),
        _("The post was sent and the connection broke before the answer came."),
        _("We look whether it is there before anything is sent again."),
        Action.WAIT,
    ),
    Cause.UNKNOWN_REFUSAL: _e(
        _("The platform refused it"),
        _(
            "The platform refused in words that we do not know; they stand under Details."
        ),
        _("Change the post, or send it again."),
        Action.RETRY,
    ),
}


def mends_by_reconnect(cause: str) -> bool:
    return explain(cause).action not in (Action.DECIDE, Action.OPERATOR)


def broken_words(cause: str) -> str:
    """The word for an account that cannot post: a new sign-in does not mend one that the
    platform has suspended."""
    if mends_by_reconnect(cause):
        return gettext("Reconnect needed")
    return gettext("Cannot post")


def explain(cause: str) -> Explanation:
    """The sentences for a stored cause; an unknown one reads as an unknown refusal."""
    return EXPLANATIONS.get(cause) or EXPLANATIONS[Cause.UNKNOWN_REFUSAL]


#: What a breaker holds back, by why it opened. `who`: a platform, a server, our app or
#: accounts, by name.
_PAUSES: dict[str, Explanation] = {
    "trouble": _e(
        _("%(who)s is having trouble"),
        _(
            "Several accounts got errors or no answer within minutes: not us, not you. "
            "Nobody needs to reconnect."
        ),
        _WAIT,
        Action.WAIT,
    ),
    "limit.token": _e(
        _("%(who)s is paused: a limit is reached"),
        _("%(platform)s said more than once that this account makes too many calls."),
        _WAIT,
        Action.WAIT,
    ),
    "limit.app": _e(
        _("%(who)s is paused: a limit of our app is reached"),
        _("%(platform)s counts the calls of all accounts together in this limit."),
        _WAIT,
        Action.WAIT,
    ),
    "access": _e(
        _("%(who)s: many accounts lost access at once"),
        _(
            "That points to our app and not to the accounts. The other accounts are not "
            "tried for now, so that they keep their access. Do not reconnect yet."
        ),
        _OPERATOR,
        Action.OPERATOR,
    ),
}
_TRIED = _("After that, choose Try again now.")


def explain_pause(key: str, cause: str, *, who: str, platform: str) -> Explanation:
    """The sentences for a breaker that is not closed.

    key: one of `_PAUSES`; with any other, the cause's own sentences after the name.
    """
    if known := _PAUSES.get(key):
        values = {"who": who, "platform": platform}
        head, sentence = str(known.head) % values, str(known.sentence) % values
    else:
        known = explain(cause)
        head, sentence = f"{who}: {known.head}", str(known.sentence)
    cure = str(known.cure)
    if known.action == Action.OPERATOR:
        cure = f"{cure} {_TRIED}"
    return Explanation(head, sentence, cure, known.action)


#: kinds of file as the middle of a sentence
_KINDS: dict[str, Any] = {
    MediaKind.IMAGE: _("images"),
    MediaKind.GIF: _("animated images"),
    MediaKind.VIDEO: _("videos"),
    MediaKind.AUDIO: _("audio files"),
    MediaKind.DOCUMENT: _("documents"),
    MediaKind.CAPTIONS: _("captions"),
}


#: what platforms count in -> as people read it
UNITS: dict[str, Any] = {
    "bytes": _("bytes"),
    "characters": _("characters"),
    "hashtags": _("hashtags"),
    "links": _("links"),
    "mentions": _("mentions"),
    "pages": _("pages"),
    "pictures": _("pictures"),
    "pixels": _("pixels"),
    "pixels in all pictures": _("pixels in all pictures"),
    "pixels wide": _("pixels wide"),
    "pixels high": _("pixels high"),
    "wide to high": _("wide to high"),
    "seconds": _("seconds"),
    "per second": _("per second"),
    "bits per second": _("bits per second"),
    "channels": _("channels"),
    "hertz": _("hertz"),
}


def unit_words(unit: str) -> str:
    """In the reader's language."""
    return str(UNITS.get(unit, unit))


def finding_sentence(cause: str, values: Mapping[str, Any]) -> str:
    """A sentence for the composer's checks, with the numbers where there are some."""
    sentence = str(explain(cause).head)
    if "option" in values:
        sentence = f"{values['option']}: {sentence}"
    if values.get("kind") == MediaKind.AUDIO:
        # No documentation of these names a way.
        return gettext("%(network)s takes no audio files") % values
    if "kind" in values and "network" in values:
        return gettext("SocialHub does not send %(kind)s to %(network)s yet") % {
            "kind": _KINDS[values["kind"]],
            "network": values["network"],
        }
    if "names" in values:
        listed = f"{sentence}: {values['names']}"
        how = gettext(values["how"]).rstrip(".") if values["how"] else ""
        return f"{listed}. {how}" if how else listed
    if "codec" in values:
        return gettext("%(what)s: %(codec)s; it takes %(allowed)s") % {
            "what": sentence,
            **values,
        }
    if "minutes" in values:
        return gettext("%(what)s: %(used)s; it takes %(allowed)s") % {
            "what": sentence,
            "used": length_words(values["minutes"]),
            "allowed": _lengths_taken(values),
        }
    if "used" not in values:
        return sentence
    unit = values.get("unit", "")
    if "least" in values:
        used, least = _pair(values["used"], values["least"], unit)
        return gettext("%(what)s: %(used)s, at least %(least)s") % {
            "what": sentence,
            "used": used,
            "least": least,
        }
    if "limit" in values:
        return f"{sentence}: {' / '.join(_pair(values['used'], values['limit'], unit))}"
    return sentence


def length_words(minutes: int) -> str:
    """How long people may vote, as they say it; of many odd minutes the whole days."""
    days, hours = minutes // 1440, minutes // 60
    if days and (minutes % 1440 == 0 or minutes > 2 * 1440):
        return ngettext("%(n)s day", "%(n)s days", days) % {"n": days}
    if hours and minutes % 60 == 0:
        return ngettext("%(n)s hour", "%(n)s hours", hours) % {"n": hours}
    return ngettext("%(n)s minute", "%(n)s minutes", minutes) % {"n": minutes}


def _lengths_taken(values: Mapping[str, Any]) -> str:
    if listed := values.get("lengths"):
        return ", ".join(map(length_words, listed))
    least, most = values["bounds"]
    if least is None or most is None:
        words = (
            gettext("at least %(length)s")
            if most is None
            else gettext("at most %(length)s")
        )
        return words % {"length": length_words(least if most is None else most)}
    return gettext("%(least)s to %(most)s") % {
        "least": length_words(least),
        "most": length_words(most),
    }


def _pair(used: float, limit: float, unit: str) -> tuple[str, str]:
    """Two numbers as people write them, the second with its unit."""
    if unit == "bytes":
        sizes = filesizeformat(used), filesizeformat(limit)
        if sizes[0] != sizes[1]:
            return sizes
    return _plain(used), f"{_plain(limit)} {unit_words(unit)}".strip()


def _plain(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")
