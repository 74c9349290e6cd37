from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0024_renewals_that_were_refused"),
        ("publishing", "0043_audio_files"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                fields=["status", "due_at"],
                name="delivery_tried_again",
                condition=models.Q(attempt_count__gt=1),
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                fields=["status", "due_at"],
                name="delivery_put_off",
                condition=models.Q(transient_count__gt=0),
            ),
        ),
    ]
