from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('publishing', '0035_captions_of_videos'),
    ]

    operations = [
        migrations.AddField(
            model_name='import',
            name='again_ok',
            field=models.BooleanField(default=False, editable=False),
        ),
    ]
