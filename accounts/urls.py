"""Addresses of this app."""

from django.urls import path

from . import (
    apps_pages,
    campaign_views,
    connect_views,
    data_request_views,
    link_views,
    permission_pages,
    views,
)

urlpatterns = [
    path("", views.account_list, name="account_list"),
    path("connect/", connect_views.account_connect, name="account_connect"),
    path("connect/<slug:platform>/", connect_views.connect_start, name="connect_start"),
    path(
        "callback/<slug:platform>/",
        connect_views.connect_callback,
        name="connect_callback",
    ),
    path("choose/", connect_views.connect_choose, name="connect_choose"),
    path("link/", link_views.reconnect_link, name="reconnect_link"),
    path(
        "link/choose/",
        connect_views.reconnect_link_choose,
        name="reconnect_link_choose",
    ),
    path("link/done/", link_views.reconnect_link_done, name="reconnect_link_done"),
    # Whatever follows: a mangled address must not be refused, and logged for that.
    path(
        "link/<path:secret>", link_views.reconnect_link_open, name="reconnect_link_open"
    ),
    path(
        "told/<str:network>/<slug:platform>/left/",
        data_request_views.person_left,
        name="person_left",
    ),
    path(
        "told/<str:network>/<slug:platform>/deletion/",
        data_request_views.data_deletion,
        name="data_deletion",
    ),
    path(
        "deletion/<str:code>/",
        data_request_views.data_deletion_status,
        name="data_deletion_status",
    ),
    path("campaigns/", campaign_views.campaign_list, name="campaign_list"),
    path("campaigns/new/", campaign_views.campaign_new, name="campaign_new"),
    path("campaigns/<int:pk>/", campaign_views.campaign_detail, name="campaign_detail"),
    path("apps/", apps_pages.platform_apps, name="platform_apps"),
    path("apps/<int:pk>/", apps_pages.platform_app_edit, name="platform_app_edit"),
    path("permissions/", permission_pages.permission_list, name="permissions"),
    path(
        "permissions/<int:pk>/",
        permission_pages.permission_review,
        name="permission_review",
    ),
    path("<int:pk>/", views.account_detail, name="account_detail"),
    path(
        "<int:pk>/reconnect/",
        connect_views.account_reconnect,
        name="account_reconnect",
    ),
    path("<int:pk>/disconnect/", views.account_disconnect, name="account_disconnect"),
    path("<int:pk>/people/", views.account_people, name="account_people"),
    path("<int:pk>/standby/", connect_views.account_standby, name="account_standby"),
    path(
        "<int:pk>/standby/remove/",
        connect_views.standby_remove,
        name="standby_remove",
    ),
    path("<int:pk>/links/", link_views.account_links, name="account_links"),
    path(
        "<int:pk>/links/<uuid:link>/withdraw/",
        link_views.link_withdraw,
        name="link_withdraw",
    ),
]
