"""A proof of publication as a PDF.

Imported where one is made: what writes PDFs takes 18 MB and half a second to load.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.platypus import Paragraph, Spacer, Table, TableStyle

from . import pdf
from .proof import Proof, source_words


def to_pdf(found: Proof) -> bytes:
    pdf.fonts()
    doc = found.document()
    account = found.delivery.account
    name = account.spec.name
    title = _("Proof of publication")
    rows = [
        (_("Network"), name),
        (_("Account"), f"{account.name} (@{account.handle}, {account.external_id})"),
        (_("Brand"), doc["brand"]),
        (_("Id on the network"), doc["external_id"]),
        (_("Link"), doc["permalink"] or "–"),
        (_("Due"), doc["due_at"] or "–"),
        (_("Published"), doc["published_at"] or "–"),
        (_("Known from"), source_words(found)),
        (_("Confirmed"), doc["confirmed_at"] or "–"),
        (_("Request id"), doc["request_id"] or "–"),
        (_("Link in the post"), doc["link"] or "–"),
        (_("SHA-256 of the text"), doc["text_sha256"]),
        (_("Fingerprint of all"), doc["fingerprint"] or "–"),
        (_("SHA-256 of this proof"), doc["sha256"]),
    ]
    cells = [
        [
            pdf.paragraph(head, pdf.SMALL_BOLD),
            pdf.paragraph(text, pdf.SMALL),
        ]
        for head, text in rows
    ]
    story: list[Any] = [
        Paragraph(title, pdf.HEAD),
        Paragraph(_("All times in UTC."), pdf.TEXT),
        Spacer(1, 4 * mm),
        _ruled(cells, [45 * mm, 130 * mm]),
        Spacer(1, 5 * mm),
        Paragraph(
            _("Text as sent") if found.is_as_sent else _("Text of now"), pdf.PART
        ),
    ]
    for text in found.texts:
        story += [pdf.paragraph(text or "–", pdf.TEXT), Spacer(1, 2 * mm)]
    if found.files:
        story += [Paragraph(_("Files"), pdf.PART)]
        heads = [_("Name"), _("Type"), _("Bytes"), "SHA-256"]
        table = [[pdf.paragraph(head, pdf.SMALL_BOLD) for head in heads]]
        table += [
            [
                pdf.paragraph(cell, pdf.SMALL)
                for cell in (one.name, one.mime_type, str(one.size_bytes), one.sha256)
            ]
            for one in found.files
        ]
        story.append(_ruled(table, [45 * mm, 25 * mm, 20 * mm, 85 * mm]))
    return pdf.document(title, str(found.delivery), story, A4)


def _ruled(cells: list[list[Any]], widths: list[float]) -> Table:
    table = Table(cells, colWidths=widths)
    table.setStyle(
        TableStyle(
            [
                ("LINEBELOW", (0, 0), (-1, -1), 0.4, pdf.LINE),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        )
    )
    return table
