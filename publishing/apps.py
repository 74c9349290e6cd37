from django.apps import AppConfig


class PublishingConfig(AppConfig):
    name = "publishing"

    def ready(self) -> None:
        from accounts import hooks, limits

        from . import exporting, importing, recoding
        from .account_facts import account_queue
        from .kept import kept_for_posts

        hooks.register_queue(account_queue)
        limits.register_kept(kept_for_posts)
        importing.register()
        recoding.register()
        exporting.register()
