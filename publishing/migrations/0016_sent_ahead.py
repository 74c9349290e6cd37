from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('publishing', '0015_series'),
    ]

    operations = [
        migrations.AddField(
            model_name='delivery',
            name='prepare_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='delivery',
            name='prepare_lead_s',
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name='delivery',
            name='prepared_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='delivery',
            name='sent_bytes',
            field=models.PositiveBigIntegerField(default=0, editable=False),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('prepare_at__isnull', False)), fields=['prepare_at'], name='delivery_ahead'),
        ),
    ]
