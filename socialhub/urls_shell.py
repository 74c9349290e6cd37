"""Addresses of the shell: home, system check, people and brands."""

from django.urls import URLPattern, path

from . import views

urlpatterns: list[URLPattern] = [
    path("", views.home, name="home"),
    path("first-steps/", views.first_steps, name="first_steps"),
    path("me/", views.profile, name="profile"),
    path("system/", views.system_check, name="system_check"),
    path("system/look/", views.system_look, name="system_look"),
    path("system/test-mail/", views.system_test_mail, name="system_test_mail"),
    path("people/", views.people, name="people"),
    path("people/add/", views.person_add, name="person_add"),
    path("people/<int:pk>/", views.person_edit, name="person_edit"),
    path("people/<int:pk>/invite/", views.person_invite, name="person_invite"),
    path("brands/", views.brands, name="brands"),
    path("brands/add/", views.brand_add, name="brand_add"),
    path("brands/<int:pk>/", views.brand_edit, name="brand_edit"),
    path("fire-drill/", views.fire_drill, name="fire_drill"),
    path("first-post/", views.first_post_page, name="first_post"),
    path("first-post/begin/", views.first_post_begin, name="first_post_begin"),
    path("first-post/stage/", views.first_post_stage, name="first_post_stage"),
    path("first-post/end/", views.first_post_end, name="first_post_end"),
    path("healthz", views.healthz, name="healthz"),
    path("healthz/ready", views.healthz_ready, name="healthz_ready"),
]
