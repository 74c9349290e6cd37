from django.db import migrations

COUNTED = ("writing", "done", "undoing")


def note_all_but_the_first(apps, schema_editor):
    """Whoever imported a file twice has done so knowingly: nothing refused it."""
    Import = apps.get_model("publishing", "Import")
    seen = set()
    for one in Import.objects.filter(state__in=COUNTED).order_by("pk"):
        if (one.brand_id, one.sha256) in seen:
            Import.objects.filter(pk=one.pk).update(again_ok=True)
        seen.add((one.brand_id, one.sha256))


class Migration(migrations.Migration):
    dependencies = [("publishing", "0036_imports_of_a_file_once_more")]

    operations = [
        migrations.RunPython(note_all_but_the_first, migrations.RunPython.noop)
    ]
