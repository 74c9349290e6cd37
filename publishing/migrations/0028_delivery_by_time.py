from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("publishing", "0027_ceiling_of_all_parts")]

    operations = [
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["due_at"], name="delivery_by_time"),
        ),
    ]
