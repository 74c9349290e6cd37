"""Addresses of this app."""

from django.urls import URLPattern, path

from . import (
    bulk_views,
    calendar_views,
    compose_views,
    limit_views,
    queue_views,
    repair_views,
    series_views,
    stop_views,
    upload_views,
    view_views,
    views,
)

urlpatterns: list[URLPattern] = [
    path("posts/", views.post_list, name="post_list"),
    path("posts/new/", compose_views.compose, name="compose"),
    path("posts/check/", compose_views.compose_check, name="compose_check"),
    path("posts/<int:pk>/", views.post_detail, name="post_detail"),
    path("posts/<int:pk>/edit/", compose_views.post_edit, name="post_edit"),
    path("posts/<int:pk>/cancel/", views.post_cancel, name="post_cancel"),
    path("posts/<int:pk>/move/", calendar_views.post_move, name="post_move"),
    path("posts/bulk/", bulk_views.post_bulk, name="post_bulk"),
    path("posts/undo-move/", calendar_views.post_move_undo, name="post_move_undo"),
    path("calendar/", views.calendar, name="calendar"),
    path("calendar/posts/", calendar_views.calendar_posts, name="calendar_posts"),
    path("calendar/notes/", calendar_views.calendar_notes, name="calendar_notes"),
    path("calendar/day/", calendar_views.calendar_day, name="calendar_day"),
    path("posts/<int:pk>/repeat/", series_views.post_repeat, name="post_repeat"),
    path("posts/<int:pk>/following/", series_views.post_follow, name="post_follow"),
    path("series/", series_views.series_list, name="series_list"),
    path("series/<int:pk>/", series_views.series_detail, name="series_detail"),
    path("series/<int:pk>/end/", series_views.series_end, name="series_end"),
    path("queues/", queue_views.queue_list, name="queue_list"),
    path("queues/new/", queue_views.queue_edit, name="queue_new"),
    path("queues/<int:pk>/", queue_views.queue_edit, name="queue_edit"),
    path("queues/<int:pk>/delete/", queue_views.queue_delete, name="queue_delete"),
    path("queues/<int:pk>/shuffle/", queue_views.queue_shuffle, name="queue_shuffle"),
    path("views/save/", view_views.view_save, name="view_save"),
    path("views/<int:pk>/forget/", view_views.view_forget, name="view_forget"),
    path("deliveries/<int:pk>/", views.delivery_detail, name="delivery_detail"),
    path("deliveries/<int:pk>/cancel/", views.delivery_cancel, name="delivery_cancel"),
    path("deliveries/<int:pk>/retry/", views.delivery_retry, name="delivery_retry"),
    path(
        "deliveries/<int:pk>/dismiss/", views.delivery_dismiss, name="delivery_dismiss"
    ),
    path(
        "deliveries/<int:pk>/confirm-live/",
        views.delivery_confirm_live,
        name="delivery_confirm_live",
    ),
    path(
        "deliveries/<int:pk>/confirm-absent/",
        views.delivery_confirm_absent,
        name="delivery_confirm_absent",
    ),
    path(
        "deliveries/<int:pk>/allow-twice/",
        views.delivery_allow_twice,
        name="delivery_allow_twice",
    ),
    path("stop/", stop_views.stop_list, name="stop_list"),
    path("stop/<int:pk>/end/", stop_views.stop_end, name="stop_end"),
    path("held/", stop_views.held_posts, name="held_posts"),
    path("limits/", limit_views.limits_page, name="limits"),
    path("limits/size/", limit_views.limit_size, name="limit_size"),
    path("limits/try/<int:pk>/", limit_views.limit_try, name="limit_try"),
    path("desk/", views.failure_desk, name="failure_desk"),
    path("desk/send-again/", views.desk_send, name="desk_send"),
    path("desk/repair/", repair_views.desk_repair, name="desk_repair"),
    path("deliveries/<int:pk>/care/", repair_views.delivery_care, name="delivery_care"),
    path("media/upload/", compose_views.media_upload, name="media_upload"),
    path("media/uploads/", upload_views.upload_begin, name="upload_begin"),
    path("media/uploads/<uuid:pk>/", upload_views.upload_part, name="upload_part"),
    path("media/<int:pk>/", views.media_file, name="media_file"),
    path("media/<int:pk>/preview/", views.media_preview, name="media_preview"),
    path(
        "media/public/<str:token>/<str:name>", views.media_public, name="media_public"
    ),
]
