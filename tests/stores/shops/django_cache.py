"""needs: django"""

import django
from django.conf import settings

settings.configure(
    ROOT_URLCONF="shop",
    SECRET_KEY="x",
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    INSTALLED_APPS=["django.contrib.sessions"],
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    SESSION_CACHE_ALIAS="sessions",
    CACHES={
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        "sessions": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "sessions"},
    },
)
django.setup()

from django.core.cache import cache, caches  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402


def log_in(request):
    request.session["user"] = "bob"
    return HttpResponse("welcome")


urlpatterns = [path("login", log_in)]


def remember_in_a_cache_not_used_before():
    """leaks:
    django.core.cache.backends.locmem._caches['']*
    django.core.cache.backends.locmem._expire_info['']*
    """
    cache.set("bob", ["tea"])


def remember_a_cart():
    """leaks:
    django.core.cache.backends.locmem._caches[''][':1:alice']
    django.core.cache.backends.locmem._expire_info[''][':1:alice']
    """
    cache.set("alice", ["tea"])


def keep_a_session():
    """leaks:
    django.core.cache.backends.locmem._caches['sessions'][<str (*)>]
    django.core.cache.backends.locmem._expire_info['sessions'][<str (*)>]
    """
    assert Client().get("/login").status_code == 200


def forget():
    cache.clear()
    caches["sessions"].clear()
