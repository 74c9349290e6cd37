import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "socialhub.settings")
application = get_wsgi_application()

from .settle import settle  # noqa: E402 (Django has to be there)

settle()
