"""Addresses of this app."""

from django.urls import path

from . import apps_pages, connect_views, views

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
    path("apps/", apps_pages.platform_apps, name="platform_apps"),
    path("apps/<int:pk>/", apps_pages.platform_app_edit, name="platform_app_edit"),
    path("<int:pk>/", views.account_detail, name="account_detail"),
    path(
        "<int:pk>/reconnect/",
        connect_views.account_reconnect,
        name="account_reconnect",
    ),
    path("<int:pk>/disconnect/", views.account_disconnect, name="account_disconnect"),
    path("<int:pk>/people/", views.account_people, name="account_people"),
]
