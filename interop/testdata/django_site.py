"""A small Django site whose sessions are kept in signed cookies, or in a database.

It reads one line of JSON from standard input: settings that replace those below,
and DATABASES. It makes the tables that aren't there, and prints one line: the
address that it listens on and Django's version, as JSON. It runs until standard
input is closed, so that it can't outlive who started it.

A request with the header X-Now (microseconds since 1970) is served as at that
moment: there is no setting that moves Django's clock.
"""

import base64
import datetime
import json
import logging
import os
import socketserver
import sys
import threading
import time
import traceback
import urllib.request
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import django
from django.conf import settings
from django.contrib.sessions.backends import signed_cookies
from django.core import signing
from django.http import HttpResponse, HttpResponseServerError, JsonResponse
from django.urls import path
from django.utils import timezone
from django.utils.crypto import salted_hmac

# Settings.

given = json.loads(sys.stdin.readline())

configuration = {
    "ALLOWED_HOSTS": ["127.0.0.1"],
    "DEFAULT_AUTO_FIELD": "django.db.models.AutoField",
    "INSTALLED_APPS": [
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
    ],
    "LOGGING_CONFIG": None,
    "MIDDLEWARE": [
        "__main__.clock",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    # The default is slow by design, and the visitors here have no secrets.
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
    "LOGIN_REDIRECT_URL": "/user",
    "ROOT_URLCONF": "__main__",
    "SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies",
    "SESSION_SERIALIZER": "django.contrib.sessions.serializers.JSONSerializer",
    # Of Django's own pages for logging in and for a new password.
    "TEMPLATES": [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [
                    (
                        "django.template.loaders.locmem.Loader",
                        {"form.html": "<form method=post>{% csrf_token %}{{ form }}</form>"},
                    )
                ]
            },
        }
    ],
    "USE_TZ": True,
}
configuration.update(given)


class SessionStore(signed_cookies.SessionStore):
    """Reads sessions signed with SECRET_KEY_FALLBACKS where Django itself can't.

    Django has that setting since 4.1. With SESSION_ENGINE set to the module that
    holds this class, an older one can change its SECRET_KEY, too.
    """

    def load(self):
        for key in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]:
            try:
                return signing.loads(
                    self.session_key,
                    key=key,
                    salt="django.contrib.sessions.backends.signed_cookies",
                    serializer=self.serializer,
                    max_age=self.get_session_cookie_age(),
                )
            except Exception:  # as in Django's own
                continue
        self.create()
        return {}


# The clock.

real_time, real_now = time.time, timezone.now
served_at = None  # microseconds; None is the real time


def moved_time():
    return real_time() if served_at is None else served_at / 1e6


def moved_now():
    if served_at is None:
        return real_now()
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return epoch + datetime.timedelta(microseconds=served_at)


def clock(get_response):
    def middleware(request):
        global served_at
        if "X-Now" in request.headers:
            served_at = int(request.headers["X-Now"])
        try:
            return get_response(request)
        finally:
            served_at = None

    return middleware


# Views.


def text(value):
    """Returns what Django's session serializer makes of a value."""
    return json.dumps(value, separators=(",", ":"))


def home(request):
    visits = request.session.get("num_visits", 0) + 1
    request.session["num_visits"] = visits
    return JsonResponse(visits, safe=False)


def untouched(request):
    return JsonResponse("This page has no use for the session.", safe=False)


def session(request):
    """Returns the JSON text of every value, in the dictionary's order."""
    return JsonResponse([[k, text(v)] for k, v in request.session.items()], safe=False)


def value(request):
    key = request.GET["key"]
    if request.method == "POST":
        request.session[key] = json.loads(request.body)
    elif request.method == "DELETE":
        del request.session[key]
    return HttpResponse(text(request.session.get(key)), content_type="application/json")


def attempt(function):
    try:
        result = function()
    except Exception as e:
        return "%s: %s" % (type(e).__name__, e)
    return result.isoformat() if isinstance(result, datetime.datetime) else result


def expiry(request):
    if request.method == "POST":
        order = json.loads(request.body)
        kind, argument = order["kind"], order["argument"]
        if kind == "timedelta":
            argument = datetime.timedelta(seconds=argument)
        elif kind == "datetime":
            argument = datetime.datetime.fromisoformat(argument)
        request.session.set_expiry(argument)
    return JsonResponse(
        {
            "age": attempt(request.session.get_expiry_age),
            "date": attempt(request.session.get_expiry_date),
            "browser_close": attempt(request.session.get_expire_at_browser_close),
        }
    )


def end(request, how):
    {
        "flush": request.session.flush,
        "clear": request.session.clear,
        "cycle_key": request.session.cycle_key,
    }[how]()
    return JsonResponse("done", safe=False)


def test_cookie(request):
    if request.method == "POST":
        request.session.set_test_cookie()
    elif request.method == "DELETE":
        request.session.delete_test_cookie()
    return JsonResponse(request.session.test_cookie_worked(), safe=False)


def user(request):
    """Returns who is logged in. POST logs in, DELETE logs out."""
    from django.contrib import auth

    if request.method == "POST":
        credentials = json.loads(request.body)
        found = auth.authenticate(request, **credentials)
        if found is None:
            return JsonResponse("no such user", safe=False, status=403)
        auth.login(request, found)
    elif request.method == "DELETE":
        auth.logout(request)
    return JsonResponse(request.user.get_username(), safe=False)


def sign(request):
    """Signs a session as Django would, or did with an older algorithm."""
    order = json.loads(request.body)
    signer = signing.TimestampSigner(
        salt="django.contrib.sessions.backends.signed_cookies",
        algorithm=order["algorithm"],
    )
    payload = signing.b64_encode(text(order["session"]).encode("ascii")).decode()
    return JsonResponse(signer.sign(payload), safe=False)


def meanwhile(request):
    """Changes a value after another page, in a request of its own, has had its turn."""
    order = json.loads(request.body)
    request.session.get(order["key"])
    other = urllib.request.Request(order["url"], headers={"Cookie": request.headers["Cookie"]})
    no_proxy = urllib.request.ProxyHandler({})
    urllib.request.build_opener(no_proxy).open(other).close()
    request.session[order["key"]] = order["value"]
    return JsonResponse("done", safe=False)


def row(request):
    """Returns a row of the table, as Django's model has it. POST makes a legacy one."""
    from django.contrib.sessions.models import Session

    key = request.GET["key"]
    if request.method == "POST":  # what Django wrote before 3.1
        data = text(json.loads(request.body)).encode("ascii")
        digest = salted_hmac("django.contrib.sessionsSessionStore", data).hexdigest().encode()
        Session.objects.create(
            session_key=key,
            session_data=base64.b64encode(digest + b":" + data).decode(),
            expire_date=timezone.now() + datetime.timedelta(days=1),
        )
    found = Session.objects.get(session_key=key)
    return JsonResponse({"data": found.session_data, "expires": found.expire_date.isoformat()})


def log_in_page(request):
    """Is Django's own."""
    from django.contrib.auth.views import LoginView

    return LoginView.as_view(template_name="form.html")(request)


def password_page(request):
    """Is Django's own."""
    from django.contrib.auth.views import PasswordChangeView

    return PasswordChangeView.as_view(template_name="form.html", success_url="/user")(request)


def clear_sessions(request):
    from django.core.management import call_command

    call_command("clearsessions")
    return JsonResponse("done", safe=False)


def handler500(request):
    return HttpResponseServerError(traceback.format_exc())


urlpatterns = [
    path("", home),
    path("untouched", untouched),
    path("session", session),
    path("value", value),
    path("expiry", expiry),
    path("end/<how>", end),
    path("testcookie", test_cookie),
    path("user", user),
    path("accounts/login/", log_in_page),
    path("accounts/password_change/", password_page),
    path("sign", sign),
    path("meanwhile", meanwhile),
    path("row", row),
    path("clearsessions", clear_sessions),
]


# The server.


class Server(WSGIServer):
    def server_bind(self):
        # The inherited one asks the name service for the host's name.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address
        self.setup_environ()


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *args):
        pass


def exit_with_standard_input():
    sys.stdin.read()
    os._exit(0)


def make_database():
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.db import connection

    if "auth_user" in connection.introspection.table_names():
        return
    # With fake_initial, a table of sessions that is there already is taken over.
    call_command("migrate", fake_initial=True, verbosity=0)
    get_user_model().objects.create_user("zoe", password="correct horse")


def main():
    from django.core.wsgi import get_wsgi_application

    logging.disable()  # errors are in the responses
    settings.configure(**configuration)
    os.environ["TZ"] = settings.TIME_ZONE  # as a module of settings does
    time.tzset()
    django.setup()
    make_database()
    time.time, timezone.now = moved_time, moved_now
    server = Server(("127.0.0.1", 0), QuietHandler)
    server.set_app(get_wsgi_application())
    threading.Thread(target=exit_with_standard_input, daemon=True).start()
    print(json.dumps({"address": "127.0.0.1:%d" % server.server_port, "version": django.VERSION[:3]}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
