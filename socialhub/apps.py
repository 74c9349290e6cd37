from django.apps import AppConfig


class ShellConfig(AppConfig):
    name = "socialhub"
    label = "shell"
    verbose_name = "SocialHub"
