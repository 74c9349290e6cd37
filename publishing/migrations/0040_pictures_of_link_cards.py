from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("publishing", "0039_polls")]

    operations = [
        migrations.AddField(
            model_name="linkfacts",
            name="card",
            field=models.BinaryField(blank=True, default=b""),
        ),
    ]
