from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0018_captions_that_are_added")]

    operations = [
        migrations.AddField(
            model_name="reportmail",
            name="zone",
            field=models.CharField(blank=True, editable=False, max_length=64),
        ),
    ]
