"""Addresses of this app."""

from django.urls import path

from . import (
    after_views,
    alert_views,
    channel_views,
    hook_views,
    incident_views,
    intervention_views,
    report_views,
    views,
)

urlpatterns = [
    path("incidents/", incident_views.incident_list, name="incident_list"),
    path("incidents/<int:pk>/", incident_views.incident_detail, name="incident_detail"),
    path(
        "incidents/<int:pk>/acknowledge/",
        incident_views.incident_acknowledge,
        name="incident_acknowledge",
    ),
    path(
        "incidents/<int:pk>/dismiss/",
        incident_views.incident_dismiss,
        name="incident_dismiss",
    ),
    path("alerts/", alert_views.alert_list, name="alert_list"),
    path("alerts/read/", alert_views.alerts_read, name="alerts_read"),
    path("messages/<int:pk>/", alert_views.message_open, name="message_open"),
    path("alerts/<int:pk>/", alert_views.alert_open, name="alert_open"),
    path("me/", alert_views.alert_preferences, name="alert_preferences"),
    path("channels/", channel_views.channel_list, name="channel_list"),
    path("channels/add/", channel_views.channel_add, name="channel_add"),
    path("channels/<int:pk>/", channel_views.channel_edit, name="channel_edit"),
    path("channels/<int:pk>/test/", channel_views.channel_test, name="channel_test"),
    path(
        "channels/<int:pk>/switch/",
        channel_views.channel_switch,
        name="channel_switch",
    ),
    path(
        "channels/<int:pk>/secret/",
        channel_views.channel_secret,
        name="channel_secret",
    ),
    path(
        "channels/<int:pk>/delete/",
        channel_views.channel_delete,
        name="channel_delete",
    ),
    path(
        "deliveries/<int:pk>/read-figures/",
        after_views.figures_read_now,
        name="figures_read_now",
    ),
    path(
        "comments/<int:pk>/answer/", after_views.comment_answer, name="comment_answer"
    ),
    path("answers/<int:pk>/", after_views.answer_decide, name="answer_decide"),
    path(
        "deliveries/<int:pk>/delete-there/",
        intervention_views.delete_there,
        name="delete_there",
    ),
    path(
        "deliveries/<int:pk>/captions/",
        intervention_views.captions_again,
        name="captions_again",
    ),
    path(
        "comments/<int:pk>/visibility/",
        intervention_views.comment_visibility,
        name="comment_visibility",
    ),
    path(
        "comments/<int:pk>/delete/",
        intervention_views.comment_delete,
        name="comment_delete",
    ),
    path(
        "interventions/<int:pk>/",
        intervention_views.intervention_decide,
        name="intervention_decide",
    ),
    path("reports/reliability/", report_views.reliability_page, name="reliability"),
    path(
        "reports/reliability.csv", report_views.reliability_csv, name="reliability_csv"
    ),
    path(
        "reports/reliability.pdf", report_views.reliability_pdf, name="reliability_pdf"
    ),
    path(
        "reports/reliability/mail/",
        report_views.reliability_mail,
        name="reliability_mail",
    ),
    path(
        "hooks/<str:network>/<slug:platform>/",
        hook_views.platform_hook,
        name="platform_hook",
    ),
    path("accounts/<int:pk>/check/", views.check_account, name="account_check"),
]
