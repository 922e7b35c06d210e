"""A site whose last pattern takes any path that ends in a slash, as content systems have."""

from django.conf import settings
from django.conf.urls import url
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse

settings.configure(
    DEBUG=False,
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="-" * 50,
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
)


def page(request):
    return HttpResponse("<h1>Pages</h1>")


urlpatterns = [url(r"^$", page), url(r"^.+/$", page)]
application = get_wsgi_application()
