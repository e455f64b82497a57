"""The Django site's views; one of them async."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.urls import path

from sessionstore.integrations.django import session_required, visit_of


@session_required
def me(request: Any) -> JsonResponse:
    return JsonResponse({"user": request.sessionstore.require().user_id})


@session_required
async def me_async(request: Any) -> JsonResponse:
    return JsonResponse({"user": request.sessionstore.require().user_id})


def maybe(request: Any) -> JsonResponse:
    session = visit_of(request).find()
    return JsonResponse({"user": session.user_id if session else None})


def crash(_: Any) -> HttpResponse:
    raise ZeroDivisionError


def cached(_: Any) -> HttpResponse:
    return HttpResponse(headers={"Cache-Control": "public"})


def log_in(request: Any) -> HttpResponse:
    visit = visit_of(request)
    visit.refuse_cross_site()
    tokens = settings.SESSIONSTORE["site"].tokens
    if tokens:
        visit.log_in(tokens)
    else:
        visit.log_out()
    return HttpResponse()


urlpatterns = [
    path("me", me),
    path("me-async", me_async),
    path("maybe", maybe),
    path("crash", crash),
    path("cached", cached),
    path("login", log_in),
]
