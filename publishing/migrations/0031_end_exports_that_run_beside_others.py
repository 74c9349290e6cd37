from django.db import migrations
from django.utils import timezone


def end_all_but_the_newest(apps, schema_editor):
    """Two that were begun in one instant both ran: the person has asked for one."""
    Job = apps.get_model("publishing", "Job")
    live = Job.objects.filter(kind="export", state__in=("waiting", "running"))
    seen = set()
    for job in live.order_by("-pk").only("pk", "person", "fence"):
        if job.person_id in seen:
            # Its worker finds that it has the row no more.
            Job.objects.filter(pk=job.pk).update(
                state="cancelled",
                ended_at=timezone.now(),
                lease_expires_at=None,
                fence=job.fence + 1,
            )
        seen.add(job.person_id)


class Migration(migrations.Migration):
    dependencies = [("publishing", "0030_posts_made_at_the_network")]

    operations = [
        migrations.RunPython(end_all_but_the_newest, migrations.RunPython.noop)
    ]
