from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    name = "monitoring"

    def ready(self) -> None:
        from accounts import hooks

        from . import history
        from .account_facts import check_happenings, open_incidents

        hooks.register_history(history.over_time)
        hooks.register_incidents(open_incidents)
        hooks.register_timeline(check_happenings)
