from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("publishing", "0040_pictures_of_link_cards")]

    operations = [
        migrations.AddField(
            model_name="linkfacts",
            name="card_bytes",
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name="linkfacts",
            name="card_sum",
            field=models.CharField(
                blank=True, default="", editable=False, max_length=64
            ),
        ),
    ]
