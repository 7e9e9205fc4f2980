"""An SMTP server for tests. It prints its port, then each mail that it took as
one line of JSON, read by Python's own parser of mails. What it answers is in
the first part of a recipient's address: `rcpt-451@...` is answered 451 to RCPT,
`data-554@...` 554 to the mail, `hang@...` never, `close@...` ends the connection
instead, `bye@...` ends it after the mail. It also prints the port of a client
whose connection ended. It stops when its standard input ends.
"""

import argparse
import asyncio
import email
import email.policy
import json
import logging
import os
import ssl
import sys
import threading
import warnings

from aiosmtpd.smtp import SMTP, AuthResult


def report(word):
    print(json.dumps(word), flush=True)


def text(part):
    return part.get_content().replace("\r\n", "\n")


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        local = address.split("@")[0]
        kind, _, code = local.partition("-")
        if kind == "rcpt":
            return f"{code} no room for {local}"
        if kind == "close":
            server.transport.abort()
            return "421 unheard"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        for address in envelope.rcpt_tos:
            kind, _, code = address.split("@")[0].partition("-")
            if kind == "hang":
                await asyncio.Event().wait()
            if kind == "data":
                return f"{code} the mail is not wanted"
            if kind == "bye":
                asyncio.get_running_loop().call_later(0.05, server.transport.close)
        report(self.mail(server, session, envelope))
        return "250 2.0.0 queued as 4711"

    def mail(self, server, session, envelope):
        content = envelope.content.decode("utf-8")
        mail = email.message_from_string(content, policy=email.policy.default)
        parts = [part for part in mail.walk() if not part.is_multipart()]
        return {
            "peer": session.peer[1],
            "host": session.host_name,
            "is_encrypted": server.transport.get_extra_info("sslcontext") is not None,
            "login": session.auth_data.login.decode() if session.auth_data else "",
            "from": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "headers": [[name, str(value)] for name, value in mail.items()],
            "defects": [repr(defect) for part in mail.walk() for defect in part.defects],
            "to": [[a.display_name, a.addr_spec] for a in mail["To"].addresses],
            "sender": [[a.display_name, a.addr_spec] for a in mail["From"].addresses],
            "kind": mail.get_content_type(),
            "parts": [[part.get_content_type(), text(part)] for part in parts],
            "raw": content,
        }


class Server(SMTP):
    def connection_lost(self, error):
        peer = self.session.peer[1]
        super().connection_lost(error)
        report({"closed": peer})


def certificate(arguments):
    if not arguments.certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(arguments.certificate, arguments.key)
    return context


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--security", choices=["none", "starttls", "tls"], default="none")
    parser.add_argument("--utf8", action="store_true")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--port", type=int, default=0)
    return parser.parse_args()


async def serve(given):
    context = certificate(given)

    def authenticate(server, session, envelope, mechanism, data):
        matches = (data.login.decode(), data.password.decode()) == (given.user, given.password)
        return AuthResult(success=matches, handled=False, auth_data=data)

    def protocol():
        return Server(
            Handler(),
            enable_SMTPUTF8=given.utf8,
            tls_context=context if given.security == "starttls" else None,
            require_starttls=given.security == "starttls",
            authenticator=authenticate if given.user else None,
            auth_required=bool(given.user),
            auth_require_tls=given.security == "starttls",
        )

    tls = context if given.security == "tls" else None
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", given.port, ssl=tls)
    report(server.sockets[0].getsockname()[1])
    async with server:
        await server.serve_forever()


def stop_with_standard_input():
    sys.stdin.read()
    os._exit(0)


# What clients do wrong on purpose is no news.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)
warnings.simplefilter("ignore", DeprecationWarning)
threading.Thread(target=stop_with_standard_input, daemon=True).start()
asyncio.run(serve(arguments()))
