from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0017_open_incidents_by_state")]

    operations = [
        migrations.AlterField(
            model_name="intervention",
            name="kind",
            field=models.CharField(
                choices=[
                    ("delete_post", "Delete the post"),
                    ("hide", "Hide a comment"),
                    ("show", "Show a comment again"),
                    ("delete_comment", "Delete a comment"),
                    ("add_captions", "Add the captions"),
                ],
                max_length=20,
            ),
        ),
    ]
