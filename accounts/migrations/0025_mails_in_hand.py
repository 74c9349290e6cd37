from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0024_renewals_that_were_refused")]

    operations = [
        migrations.AddField(
            model_name="campaignitem",
            name="sending_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
