"""Text templates, hashtag sets and link rules of the brands."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from accounts.models import AuditEvent, Brand
from accounts.roles import can_write

from . import tagging
from .access import role_required
from .models import LinkRule, Snippet

HASHTAG = re.compile(r"^#[^\W_][\w]*$")
#: What the rule's example shows.
EXAMPLE = {
    "network": "mastodon",
    "account": "acme",
    "campaign": "spring-sale",
    "brand": "acme",
}
_BRACES = re.compile(r"[{}]")


class SnippetForm(forms.ModelForm):
    class Meta:
        model = Snippet
        fields = ["brand", "kind", "name", "text"]

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        brands = Brand.objects.visible_to(user).distinct()
        if self.instance.pk:
            brands = brands.filter(pk=self.instance.brand_id)
        self.fields["brand"].queryset = brands  # type: ignore[attr-defined]
        self.fields["text"].help_text = gettext_lazy(
            "Of a hashtag set: the hashtags, with spaces or commas between."
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("kind") == Snippet.Kind.HASHTAGS and cleaned.get("text"):
            words = re.split(r"[\s,;]+", cleaned["text"].strip())
            tags = [
                word if word.startswith("#") else f"#{word}" for word in words if word
            ]
            wrong = [word for word in tags if not HASHTAG.match(word)]
            if wrong:
                self.add_error(
                    "text",
                    _(
                        "“%(word)s” is no hashtag: letters, digits and _ only, and it "
                        "begins with a letter or digit."
                    )
                    % {"word": wrong[0]},
                )
            cleaned["text"] = " ".join(dict.fromkeys(tags))
        return cleaned


class LinkRuleForm(forms.ModelForm):
    class Meta:
        model = LinkRule
        fields = ["is_on", *LinkRule.PARAMETERS, "only_own", "own_hosts"]
        # As they stand in links, which is in lower case.
        labels = {name: f"utm_{name}" for name in LinkRule.PARAMETERS}

    def clean_own_hosts(self) -> str:
        hosts = []
        for word in re.split(r"[\s,;]+", str(self.cleaned_data["own_hosts"]).strip()):
            if not word:
                continue
            try:
                host = urlsplit(word if "//" in word else f"//{word}").hostname or ""
            except ValueError:
                host = ""
            if not re.fullmatch(r"[\w-]+(\.[\w-]+)+", host):
                raise forms.ValidationError(
                    _("“%(word)s” is no site. Write it as example.com.")
                    % {"word": word}
                )
            hosts.append(host.removeprefix("www."))
        return ", ".join(dict.fromkeys(hosts))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name in LinkRule.PARAMETERS:
            pattern = str(cleaned.get(name) or "")
            known = pattern
            for place in tagging.PLACEHOLDERS:
                known = known.replace(f"{{{place}}}", "")
            if _BRACES.search(known):
                places = ", ".join(f"{{{place}}}" for place in tagging.PLACEHOLDERS)
                self.add_error(
                    name,
                    _("Between braces stands one of: %(places)s.") % {"places": places},
                )
        if cleaned.get("is_on"):
            if not any(cleaned.get(name) for name in LinkRule.PARAMETERS):
                self.add_error("source", _("Fill in at least one parameter."))
            if cleaned.get("only_own") and cleaned.get("own_hosts") == "":
                self.add_error("own_hosts", _("Name your sites, such as example.com."))
        return cleaned


@login_required
def text_list(request: HttpRequest) -> HttpResponse:
    brands = Brand.objects.visible_to(request.user).distinct()
    rows = brands.select_related("link_rule").prefetch_related("snippets")
    context = {
        "brands": [(brand, _rule_words(brand)) for brand in rows],
        "may_write": can_write(request.user),
    }
    return render(request, "publishing/text_list.html", context)


def _rule_words(brand: Brand) -> str:
    """What a link of the brand becomes; "" when nothing is added."""
    rule = getattr(brand, "link_rule", None)
    tags = rule.as_tags() if rule else {}
    if not tags:
        return ""
    host = tags["hosts"][0] if tags["hosts"] else "example.com"
    return tagging.tag(f"https://{host}/page", tags, EXAMPLE)


@role_required(can_write)
def text_edit(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """A new text or hashtag set, or one that is there."""
    snippet = Snippet()
    if pk is not None:
        rows = Snippet.objects.visible_to(request.user).distinct()
        snippet = get_object_or_404(rows, pk=pk)
    elif request.GET.get("kind") in Snippet.Kind.values:
        snippet.kind = request.GET["kind"]
    initial = {"brand": request.GET.get("brand")} if pk is None else None
    form = SnippetForm(
        request.POST or None, instance=snippet, user=request.user, initial=initial
    )
    if request.method == "POST" and form.is_valid():
        saved = form.save()
        verb = "snippet.changed" if pk else "snippet.created"
        AuditEvent.write(request.user, verb, saved)
        messages.success(request, _("“%(name)s” is saved.") % {"name": saved.name})
        return redirect("text_list")
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "pk": pk}
    return render(request, "publishing/text_form.html", context, status=status)


@require_POST
@role_required(can_write)
def text_delete(request: HttpRequest, pk: int) -> HttpResponse:
    rows = Snippet.objects.visible_to(request.user).distinct()
    snippet = get_object_or_404(rows, pk=pk)
    AuditEvent.write(request.user, "snippet.deleted", snippet)
    said = _("“%(name)s” is deleted. Posts that have it stay as they are.")
    snippet.delete()
    messages.success(request, said % {"name": snippet.name})
    return redirect("text_list")


@role_required(can_write)
def link_rule(request: HttpRequest, pk: int) -> HttpResponse:
    """What is added to the links of a brand's posts."""
    brand = get_object_or_404(Brand.objects.visible_to(request.user).distinct(), pk=pk)
    rule = LinkRule.objects.filter(brand=brand).first() or LinkRule(
        brand=brand, source="{network}", medium="social", campaign="{campaign}"
    )
    form = LinkRuleForm(request.POST or None, instance=rule)
    if request.method == "POST" and form.is_valid():
        saved = form.save()
        AuditEvent.write(request.user, "link_rule.changed", saved)
        messages.success(
            request,
            _("Saved. It holds for posts of %(brand)s that are saved from now on.")
            % {"brand": brand.name},
        )
        return redirect("text_list")
    status = 422 if request.method == "POST" else 200
    context = {
        "form": form,
        "brand": brand,
        "places": [f"{{{place}}}" for place in tagging.PLACEHOLDERS],
    }
    return render(request, "publishing/link_rule.html", context, status=status)
