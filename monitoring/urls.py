"""Addresses of this app."""

from django.urls import path

from . import views

urlpatterns = [
    path("accounts/<int:pk>/check/", views.check_account, name="account_check"),
]
