from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    name = "monitoring"

    def ready(self) -> None:
        from accounts import hooks

        from .account_facts import check_happenings

        hooks.register_timeline(check_happenings)
