from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    name = "monitoring"

    def ready(self) -> None:
        from accounts import hooks
        from publishing import export_tables as exported
        from publishing import hooks as publishing_hooks

        from . import (
            after,
            export_tables,
            history,
            incidents,
            messages,
            native_posts,
            platform_hooks,
        )
        from .account_facts import check_happenings, open_incidents

        hooks.register_events(platform_hooks.told)
        hooks.register_history(history.over_time)
        hooks.register_incidents(open_incidents)
        hooks.register_mending(incidents.close_mended)
        hooks.register_timeline(check_happenings)
        hooks.register_section(native_posts.section)
        publishing_hooks.register_delivery(after.delivery_sections)
        publishing_hooks.register_post(after.post_sections)
        publishing_hooks.register_teller(messages.write)
        exported.register(*export_tables.TABLES)
