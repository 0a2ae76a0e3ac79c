"""needs: fastapi, httpx, slowapi"""

import fastapi
import slowapi
from fastapi.testclient import TestClient
from slowapi.util import get_remote_address

limiter = slowapi.Limiter(key_func=get_remote_address)
app = fastapi.FastAPI()
app.state.limiter = limiter


@app.get("/login")
@limiter.limit("5/minute")
async def login(request: fastapi.Request):
    return "welcome"


def count_a_request():
    """leaks:
    shop.limiter._storage.storage['LIMITER/testclient//login/5/1/minute']
    shop.limiter._storage.*['LIMITER/testclient//login/5/1/minute']
    """
    assert TestClient(app).get("/login").status_code == 200


def forget():
    limiter.reset()
