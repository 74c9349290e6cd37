"""Open incidents are few, and those that were solved are kept: the shell of each page
asks for the first."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0016_name_of_the_one_account")]

    operations = [
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(fields=["state", "kind"], name="incident_by_state"),
        ),
    ]
