"""Addresses. Each app brings its own."""

from django.contrib import admin
from django.urls import include, path

# Django has done so at the start, except in a cluster.
admin.autodiscover()

urlpatterns = [
    path("admin/", admin.site.urls),
    path("sign-in/", include("allauth.urls")),
    path("accounts/", include("accounts.urls")),
    path("health/", include("monitoring.urls")),
    path("", include("publishing.urls")),
    path("", include("socialhub.urls_shell")),
]

handler500 = "socialhub.broken.broken"
