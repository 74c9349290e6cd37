from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("publishing", "0038_import_a_file_once")]

    operations = [
        migrations.AddField(
            model_name="post",
            name="poll",
            field=models.JSONField(blank=True, default=dict, verbose_name="poll"),
        ),
    ]
