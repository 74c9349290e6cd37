import hashlib

from django.db import migrations


def sum_up(apps, schema_editor):
    LinkFacts = apps.get_model("publishing", "LinkFacts")
    rows = LinkFacts.objects.exclude(card=b"").filter(card_sum="")
    for row in rows.only("card").iterator(chunk_size=20):
        data = bytes(row.card)
        card_sum = hashlib.sha256(data).hexdigest()
        LinkFacts.objects.filter(pk=row.pk).update(
            card_sum=card_sum, card_bytes=len(data)
        )


class Migration(migrations.Migration):
    dependencies = [("publishing", "0041_sums_of_link_cards")]

    operations = [migrations.RunPython(sum_up, migrations.RunPython.noop)]
