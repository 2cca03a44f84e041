"""
The page FlickRocket shows in its administration: how the events of the account are doing.

FlickRocket opens it in a frame with a signed address. The signature has no time in it, so a captured address
stays valid for ever: the page shows counts and times, nothing of any event, and changes nothing.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from html import escape

from starlette.responses import HTMLResponse, Response

from stockbook.clock import Clock
from stockbook.inbox import Inbox, InboxCount
from stockbook.webhooks import verify
from stockbook.webhooks.accounts import HookAccount, unknown_account

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Stockbook</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #222; background: #fff; }}
table {{ border-collapse: collapse; }}
th, td {{ text-align: left; padding: .3rem 1.5rem .3rem 0; }}
th {{ font-weight: normal; color: #595959; }}
</style>
<h1>Stockbook</h1>
<p>Events of account {account}, as of {now} UTC.</p>
<table>
<tr><th scope="row">Last received</th><td>{last}</td></tr>
<tr><th scope="row">Waiting for the next run</th><td>{pending}</td></tr>
<tr><th scope="row">Oldest waiting since</th><td>{oldest}</td></tr>
<tr><th scope="row">Taken by a run</th><td>{drained}</td></tr>
</table>
</html>
"""


async def status_page(account: HookAccount | None, query: Mapping[str, str], inbox: Inbox, clock: Clock) -> Response:
    """The page for a start URL's query, or a bare 401 when the query is not signed for this account."""
    account = account or unknown_account("flickrocket")
    user, company = query.get("UserID", ""), query.get("CompanyID", "")
    fits = verify.embedded_app_fits(user, company, query.get("hmac", ""), account.secrets)
    if not fits or (account.sender_id is not None and company != account.sender_id):
        return Response(status_code=401)
    counts = await asyncio.to_thread(inbox.counts)
    key = account.source, account.account
    count = next((row for row in counts if (row.source, row.account) == key), InboxCount(*key, 0, 0, None, None))
    return HTMLResponse(
        _page(account, count, clock.utc()),
        headers={
            # only FlickRocket's administration may put it in a frame, and it loads nothing from anywhere
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
            f"form-action 'none'; frame-ancestors {account.admin_origin}",
            "Cache-Control": "no-store",
            # the address is a credential
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        },
    )


def _page(account: HookAccount, count: InboxCount, now: datetime) -> str:
    return _PAGE.format(
        account=escape(account.account),
        now=_minute(now),
        last=_minute(count.last_received_at_utc),
        pending=count.pending,
        oldest=_minute(count.oldest_pending_at_utc),
        drained=count.drained,
    )


def _minute(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
