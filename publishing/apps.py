from django.apps import AppConfig


class PublishingConfig(AppConfig):
    name = "publishing"

    def ready(self) -> None:
        from accounts import hooks, limits

        from . import bulk_runs, exporting, importing, natives, recoding
        from .account_facts import account_queue
        from .kept import kept_for_posts

        hooks.register_queue(account_queue)
        hooks.register_forgetting(natives.forget_account)
        limits.register_kept(kept_for_posts)
        importing.register()
        recoding.register()
        exporting.register()
        bulk_runs.register()
