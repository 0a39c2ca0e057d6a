"""Style sheets, modules and the icon: kept by the browser, and asked for again by ETag."""

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope


class OurFiles(StaticFiles):
    """Files that a browser keeps, but never uses unasked: they change with the dashboard."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """One file, or 304 for the one that the browser has."""
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "no-cache"
        return response
