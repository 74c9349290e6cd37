"""The shell's own pages: home, profile, system check, people, brands, fire drill."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.mail import send_mail
from django.db import DatabaseError, connection, transaction
from django.db.models import Count, Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts import paused
from accounts.models import AuditEvent, Brand, ConnectedAccount, Profile
from accounts.names import name_and_mail, name_of
from accounts.reading import language_of
from accounts.roles import ROLES, can_write, is_admin, roles_of
from monitoring import letters
from monitoring.models import Answer, Incident, Intervention
from publishing import approving
from publishing.access import role_required
from publishing.models import Delivery
from publishing.risk import Sky
from publishing.threatened import by_root, threatened_for

from . import app_checks, first_post, home_rows, probes, steps, system
from .forms import BrandForm, PersonForm, ProfileForm

User = get_user_model()

RISKS_SHOWN = 5
RISK_DAYS = 7


def require_admin(request: HttpRequest) -> None:
    if not is_admin(request.user):
        raise PermissionDenied


# ---------------------------------------------------------------- home


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """What needs the reader, and what happens today in the reader's zone."""
    now = timezone.now()
    local = timezone.localtime(now)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    facts = home_rows.facts(request.user, now, midnight)
    sky = Sky.now_seen(now)
    risky = threatened_for(request.user, now + timedelta(days=RISK_DAYS), sky)
    listed = home_rows.in_order(
        Delivery.objects.for_pages(), list({*facts.went, *facts.comes})
    )
    by_key = {row.pk: row for row in listed}
    first = []
    if is_admin(request.user) and not steps.are_hidden(request.user):
        first = steps.first_steps(request.user)
    done = sum(step.is_done for step in first)
    context = {
        # A single account's pause stands with its account; these concern many.
        "pauses": [
            pause
            for pause in paused.not_closed(request.user, now, tokens=False)
            if pause.is_current or pause.needs_admin
        ],
        "incidents": _lost(facts.incidents),
        "more_incidents": facts.incident_count - len(facts.incidents),
        "answers": home_rows.in_order(
            Answer.objects.select_related("delivery__account"), facts.answers
        ),
        "interventions": home_rows.in_order(
            Intervention.objects.select_related("delivery__account", "delivery__post"),
            facts.interventions,
        ),
        "risk_count": len(risky),
        "risk_groups": by_root(risky, RISKS_SHOWN, sky),
        "risk_days": RISK_DAYS,
        "went_out": [by_key[key] for key in facts.went if key in by_key],
        "went_count": facts.went_count,
        "comes": [by_key[key] for key in facts.comes if key in by_key],
        "comes_count": facts.comes_count,
        "today": local.date(),
        "first_steps": first if done < len(first) else [],
        "steps_done": done,
        "offers_first_post": can_write(request.user)
        and first_post.is_new(request.user),
        "has_brand": facts.has_brand,
    }
    return render(request, "socialhub/home.html", context)


@login_required
@require_POST
def first_steps(request: HttpRequest) -> HttpResponse:
    """Take the checklist off home, or put it there again (`show`)."""
    require_admin(request)
    reader: Any = request.user
    show = "show" in request.POST
    AuditEvent.write(reader, steps.SHOWN if show else steps.HIDDEN, reader)
    if show:
        messages.success(request, _("The first steps stand on the home page again."))
        return redirect("home")
    messages.success(
        request,
        _("The first steps are hidden. “Your settings” shows them again."),
    )
    return redirect("home")


def _lost(keys: Sequence[int]) -> list[Any]:
    """Incidents of lost access, as the page of incidents has them."""
    rows = Incident.objects.select_related("credential__app").defer(*letters.TOKENS)
    found = home_rows.in_order(rows, keys)
    for row in found:
        row.head = letters.incident_head(row)
    return found


# ---------------------------------------------------------------- one's own settings


@login_required
def profile(request: HttpRequest) -> HttpResponse:
    reader: Any = request.user
    row = Profile.objects.filter(user=reader).first() or Profile(user=reader)
    form = ProfileForm(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("profile")
    roles = roles_of(request.user)
    context = {
        "form": form,
        "has_factor": is_mfa_enabled(request.user, [Authenticator.Type.TOTP]),
        "roles": [role for role in ROLES if role in roles],
        "brands": Brand.objects.visible_to(request.user),
        "steps_hidden": is_admin(request.user) and steps.are_hidden(request.user),
    }
    return render(request, "socialhub/profile.html", context)


# ---------------------------------------------------------------- system check


@login_required
def system_check(request: HttpRequest) -> HttpResponse:
    """What rows and the last deep look tell; whole with htmx or without."""
    require_admin(request)
    return _checked(request, deep=False)


@login_required
@require_POST
def system_look(request: HttpRequest) -> HttpResponse:
    """Look deep: ask other machines, write to the disk."""
    require_admin(request)
    if request.headers.get("HX-Request"):
        return _checked(request, deep=True)
    system.run(request)
    return redirect("system_check")


def _checked(request: HttpRequest, *, deep: bool) -> HttpResponse:
    lines = system.run(request, deep=deep)
    apps = app_checks.run() if lines[0].state != system.BAD else []
    states = [line.state for line in lines] + [app.state for app in apps]
    context = {
        "lines": lines,
        "apps": apps,
        "red": states.count(system.BAD),
        "notes": states.count(system.NOTE),
        "unknown": states.count(system.UNKNOWN),
        "has_email": bool(getattr(request.user, "email", "")),
    }
    part = bool(request.headers.get("HX-Request"))
    name = "_system_check" if part else "system_check"
    return render(request, f"socialhub/{name}.html", context)


@login_required
@require_POST
def system_test_mail(request: HttpRequest) -> HttpResponse:
    """Send the reader a mail, and keep what the mail server said."""
    require_admin(request)
    email = getattr(request.user, "email", "")
    if not email:
        messages.error(
            request, _("You have no mail address. Enter one under People first.")
        )
        return redirect("system_check")
    try:
        send_mail(
            _("Test mail of SocialHub"),
            _("This mail was sent from the system check of %(url)s. Mail works.")
            % {"url": settings.SITE_URL},
            None,
            [email],
        )
    except OSError as exc:  # smtplib's errors are OSErrors as well
        found = {"ok": False, "email": email, "error": str(exc)}
        messages.error(request, _("The mail was not sent: %(why)s") % {"why": exc})
    else:
        found = {"ok": True, "email": email}
        messages.success(request, _mail_words(_("A test mail"), email))
    if system.mail_goes_out():
        probes.remember("mail", found)
    return redirect("system_check")


def _mail_words(what: str, email: str) -> str:
    if system.mail_goes_out():
        return _("%(what)s has been sent to %(email)s.") % {
            "what": what,
            "email": email,
        }
    return _(
        "%(what)s for %(email)s was written, but there is no mail server: it lies in "
        "%(where)s on the server."
    ) % {"what": what, "email": email, "where": settings.EMAIL_FILE_PATH or "memory"}


@never_cache
@require_GET
def healthz(request: HttpRequest) -> HttpResponse:
    """For load balancers: this process answers and reaches its database."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return HttpResponse("no database", status=503, content_type="text/plain")
    return HttpResponse("ok", content_type="text/plain")


@never_cache
@require_GET
def healthz_ready(request: HttpRequest) -> HttpResponse:
    """For load balancers: the tables are those that this code needs, too."""
    try:
        waiting = system.pending_migrations()
    except DatabaseError:
        return HttpResponse("no database", status=503, content_type="text/plain")
    if waiting:
        return HttpResponse("migrations wait", status=503, content_type="text/plain")
    return HttpResponse("ok", content_type="text/plain")


# ---------------------------------------------------------------- people


@login_required
def people(request: HttpRequest) -> HttpResponse:
    require_admin(request)
    seen = Brand.objects.visible_to(request.user)
    rows = (
        User.objects.order_by("-is_active", "first_name", "last_name", "username")
        .prefetch_related("groups")
        .prefetch_related(Prefetch("brands", queryset=seen, to_attr="seen_brands"))
    )
    listed = [
        {
            "person": row,
            "name": name_of(row),
            "roles": _role_words(row),
            "is_invited": not row.has_usable_password() and row.last_login is None,
            "may_edit": _may_edit(request, row),
        }
        for row in rows
    ]
    return render(request, "socialhub/people.html", {"people": listed})


def _role_words(person: Any) -> str:
    if person.is_superuser:
        return _("Superuser")
    names = {group.name for group in person.groups.all()}
    return ", ".join(role for role in ROLES if role in names)


def _may_edit(request: HttpRequest, person: Any) -> bool:
    """A superuser's mail address leads to a new password: only their like may."""
    return bool(getattr(request.user, "is_superuser", False) or not person.is_superuser)


@login_required
def person_add(request: HttpRequest) -> HttpResponse:
    require_admin(request)
    form = PersonForm(request.POST or None, editor=request.user)
    if request.method == "POST" and form.is_valid():
        person = form.save()
        AuditEvent.write(request.user, "person added", person, **_written(form))
        _invite(request, person)
        return redirect("people")
    return render(request, "socialhub/person_form.html", {"form": form})


@login_required
def person_edit(request: HttpRequest, pk: int) -> HttpResponse:
    require_admin(request)
    person = get_object_or_404(User, pk=pk)
    if not _may_edit(request, person):
        raise PermissionDenied
    form = PersonForm(request.POST or None, instance=person, editor=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        AuditEvent.write(request.user, "person changed", person, **_written(form))
        messages.success(request, _("Saved."))
        return redirect("people")
    stored = User.objects.get(pk=pk)
    context = {
        "form": form,
        "person": stored,
        "name": name_of(stored),
        "is_invited": not stored.has_usable_password() and stored.last_login is None,
    }
    return render(request, "socialhub/person_form.html", context)


def _written(form: PersonForm) -> dict[str, Any]:
    """What an edit set, for the audit trail."""
    return {
        "email": form.cleaned_data["email"],
        "roles": list(form.cleaned_data["roles"]),
        "brands": [brand.name for brand in form.cleaned_data["brands"]],
        "may_sign_in": form.instance.is_active,
    }


@login_required
@require_POST
def person_invite(request: HttpRequest, pk: int) -> HttpResponse:
    """Send the invitation once more."""
    require_admin(request)
    person = get_object_or_404(User, pk=pk, is_active=True)
    if not _may_edit(request, person):
        raise PermissionDenied
    if not person.email:
        messages.error(request, _("This person has no mail address."))
    else:
        _invite(request, person)
    return redirect("people")


def invitation_link(person: Any) -> str:
    """Where the person chooses a password; works once, for PASSWORD_RESET_TIMEOUT."""
    path = reverse(
        "account_reset_password_from_key",
        kwargs={
            "uidb36": user_pk_to_url_str(person),
            "key": default_token_generator.make_token(person),
        },
    )
    return settings.SITE_URL + path


def _invite(request: HttpRequest, person: Any) -> None:
    """Mail the link; a mail that cannot be sent leaves the person to be invited again."""
    context = {
        "person": person,
        "inviter": name_and_mail(request.user),
        "link": invitation_link(person),
        "site_url": settings.SITE_URL,
        "days": settings.PASSWORD_RESET_TIMEOUT // 86_400,
    }
    with translation.override(language_of(person)):
        subject = _("Your access to SocialHub")
        text = render_to_string("socialhub/mail/invitation.txt", context)
    try:
        send_mail(subject, text, None, [person.email])
    except OSError as exc:  # smtplib's errors are OSErrors as well
        messages.error(
            request,
            _(
                "The invitation was not sent: %(why)s Mend the mail settings, then "
                "send it again."
            )
            % {"why": exc},
        )
    else:
        AuditEvent.write(request.user, "person invited", person, email=person.email)
        messages.success(request, _mail_words(_("An invitation"), person.email))


# ---------------------------------------------------------------- brands


@login_required
def brands(request: HttpRequest) -> HttpResponse:
    require_admin(request)
    rows = Brand.objects.filter(
        pk__in=Brand.objects.visible_to(request.user).values("pk")
    ).annotate(
        people_count=Count("members", distinct=True),
        account_count=Count("accounts", distinct=True),
    )
    return render(request, "socialhub/brands.html", {"brands": rows})


@login_required
def brand_add(request: HttpRequest) -> HttpResponse:
    """A new brand; whoever makes it belongs to it."""
    require_admin(request)
    maker: Any = request.user
    initial = {
        "members": [maker.pk],
        "time_zone": timezone.get_current_timezone_name(),
    }
    form = BrandForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        brand = form.save()
        brand.members.add(maker)
        AuditEvent.write(request.user, "brand added", brand)
        messages.success(request, _("Added. Next: connect its accounts."))
        return redirect("brands")
    return render(request, "socialhub/brand_form.html", {"form": form})


@login_required
def brand_edit(request: HttpRequest, pk: int) -> HttpResponse:
    require_admin(request)
    brand = get_object_or_404(Brand.objects.visible_to(request.user), pk=pk)
    form = BrandForm(request.POST or None, instance=brand)
    if request.method == "POST" and form.is_valid():
        more: dict[str, Any] = {}
        with transaction.atomic():
            form.save()
            if form.begins_to_ask:
                # No answer: there was nothing to ask about a moment ago.
                answer = form.cleaned_data.get("scheduled_already", form.ASK)
                let_go = answer == form.LET_GO
                count = approving.begin(request.user, brand, let_go=let_go)
                more = {"scheduled_already": answer, "posts": count}
            AuditEvent.write(
                request.user,
                "brand changed",
                brand,
                approval_steps=brand.approval_steps,
                time_zone=brand.time_zone,
                people=[one.get_username() for one in form.cleaned_data["members"]],
                **more,
            )
        approving.steps_changed(brand)
        messages.success(request, _("Saved."))
        return redirect("brands")
    name = Brand.objects.get(pk=pk).name
    return render(request, "socialhub/brand_form.html", {"form": form, "name": name})


# ---------------------------------------------------------------- fire drill


@login_required
def fire_drill(request: HttpRequest) -> HttpResponse:
    require_admin(request)
    listed = steps.drill(request.user) if settings.PRACTICE_NETWORK_URL else []
    context = {
        "steps": listed,
        "steps_done": sum(step.is_done for step in listed),
        "practice_url": settings.PRACTICE_NETWORK_URL,
        "practice_count": ConnectedAccount.objects.visible_to(request.user)
        .filter(network="practice")
        .count(),
    }
    return render(request, "socialhub/fire_drill.html", context)


# ---------------------------------------------------------------- first post


@role_required(can_write)
def first_post_page(request: HttpRequest) -> HttpResponse:
    going_on = first_post.current(request.user)
    listed = first_post.steps(request.user, going_on) if going_on else []
    context = {
        "going_on": going_on,
        "steps": listed,
        "steps_done": sum(step.is_done for step in listed),
        "practice_url": settings.PRACTICE_NETWORK_URL,
        "has_account": first_post.accounts_of(request.user).exists(),
    }
    return render(request, "socialhub/first_post.html", context)


@require_POST
@role_required(can_write)
def first_post_begin(request: HttpRequest) -> HttpResponse:
    try:
        first_post.begin(request.user)
    except first_post.NotNow as exc:
        messages.error(request, str(exc))
    return redirect("first_post")


@require_POST
@role_required(can_write)
def first_post_stage(request: HttpRequest) -> HttpResponse:
    try:
        first_post.stage_failure(request.user)
    except first_post.NotNow as exc:
        messages.error(request, str(exc))
    return redirect("first_post")


@require_POST
@role_required(can_write)
def first_post_end(request: HttpRequest) -> HttpResponse:
    first_post.end(request.user)
    messages.success(request, _("Cleaned up. You can begin again at any time."))
    return redirect("first_post")
