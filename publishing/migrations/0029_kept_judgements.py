"""What was found of each scheduled delivery when it was judged last."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("publishing", "0028_delivery_by_time"),
    ]

    operations = [
        migrations.CreateModel(
            name="Judgement",
            fields=[
                ("delivery", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name="judgement", serialize=False, to="publishing.delivery")),
                ("judged_at", models.DateTimeField()),
                ("due_at", models.DateTimeField()),
                ("root", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "verbose_name": "judgement of a delivery",
                "verbose_name_plural": "judgements of deliveries",
            },
        ),
    ]
