from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('publishing', '0037_note_files_that_were_imported_again'),
    ]

    operations = [
        migrations.AddConstraint(
            model_name='import',
            constraint=models.UniqueConstraint(condition=models.Q(('again_ok', False), ('state__in', ('writing', 'done', 'undoing'))), fields=('brand', 'sha256'), name='import_file_once'),
        ),
    ]
