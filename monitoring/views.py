"""Health: a look that a person asks for."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_q.tasks import async_task

from accounts.models import AuditEvent, ConnectedAccount


@login_required
@require_POST
def check_account(request: HttpRequest, pk: int) -> HttpResponse:
    """Have the account's credential looked at by the monitor cluster, at once."""
    account = get_object_or_404(
        ConnectedAccount.objects.visible_to(request.user), pk=pk
    )
    if account.credential_id is None or account.disconnected_at:
        messages.error(request, _("A disconnected account cannot be checked."))
    else:
        async_task(
            "monitoring.tasks.check_credential",
            account.credential_id,
            cluster="monitor",
        )
        AuditEvent.write(request.user, "check", account)
        messages.info(
            request,
            _("The account is being checked. The result stands here in a moment."),
        )
    return redirect(account)
