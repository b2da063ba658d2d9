"""What a client may try inside a well-formed request, with the verdict: the
same tables for http.sock and vaultd.sock.

A verdict is the vault's error code, or FORWARDED and the exact lines that
arrive.  Where the two faces differ there are two, http.sock's first.
"""
from support.framed import Framed
from support.rawhttp import Connection

FORWARDED = None
BAD, CREDENTIAL, LARGE = "bad-request", "credential-in-request", "too-large"
STATUS = {BAD: 400, CREDENTIAL: 400, LARGE: 413, "denied": 403,
          "unknown-version": 400}
PRIVATE = [
    "127.1", "127.0.0.1", "127.0.1", "127.255.255.255", "0x7f000001",
    "0x7f.1", "2130706433", "017700000001", "0177.0.0.1", "0", "0.0.0.0",
    "localhost", "[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[::127.0.0.1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:0:127.0.0.1]",
    "[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]", "[2001:0:7f00:1::]",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255",
    "192.168.0.1", "100.64.0.1", "169.254.169.254", "192.0.0.1",
    "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.255", "[fc00::1]", "[fdff::1]", "[fe80::1]",
    "[fe80::1%25lo]", "[febf::1]", "[fec0::1]", "[ff02::1]", "[100::1]",
    "[2001:db8::1]", "[3fff::1]", "[::ffff:10.0.0.1]",
    "[::ffff:169.254.169.254]",
]

# 5.1: what is no https://HOST[:PORT], by name.
URLS = {
    "user, another host": "https://api.test:443@evil.test/",
    "user": "https://u@api.test", "password": "https://u:p@api.test",
    "backslash before at": "https://evil.test\\@api.test",
    "fragment with host": "https://api.test#@evil.test",
    "query with host": "https://api.test?@evil.test",
    "path with host": "https://api.test/@evil.test",
    "no scheme": "//evil.test", "bare host": "api.test",
    "three slashes": "https:///evil.test", "one slash": "https:/evil.test",
    "no slash": "https:evil.test", "backslashes": "https:\\\\evil.test",
    "escaped dot": "https://api%2etest", "escaped letter":
    "https://%61pi.test", "escaped NUL": "https://api.test%00.evil.test",
    "upper-case host": "https://API.test",
    "upper-case scheme": "HTTPS://api.test",
    "trailing dot": "https://api.test.", "only a dot": "https://.",
    "leading dot": "https://.api.test", "two dots": "https://api..test",
    "no host": "https://", "no host, port": "https://:443",
    "underscore": "https://api_1.test",
    "dash first": "https://-api.test", "dash last": "https://api-.test",
    "label of 64": f"https://{'a' * 64}.test",
    "host of 254": f"https://{'.'.join(['a' * 50] * 5)}.test",
    "IDN": "https://b\xfccher.test", "full-width dot":
    "https://api\uff0etest", "ideographic dot": "https://api\u3002test",
    "circled digits": "https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
    "full-width letters": "https://\uff41pi.test",
    "zero-width space": "https://api\u200b.test",
    "zero-width joiner": "https://api\u200d.test",
    "soft hyphen": "https://api\xad.test", "right to left":
    "https://api\u202e.test", "mixed script": "https://\u0430pi.test",
    "blank inside": "https://api .test", "blank first": " https://api.test",
    "blank last": "https://api.test ", "tab": "https://api\t.test",
    "CR": "https://api\r.test", "LF": "https://api\n.test",
    "CR LF": "https://api.test\r\nX-Y: z", "DEL": "https://api\x7f.test",
    "port 0": "https://api.test:0", "port 65536": "https://api.test:65536",
    "port 4295": "https://api.test:4294967739", "no port":
    "https://api.test:", "port with a letter": "https://api.test:443x",
    "port with a blank": "https://api.test: 443",
    "signed port": "https://api.test:+443", "port 0443":
    "https://api.test:0443", "two ports": "https://api.test:443:443",
    "http": "http://api.test", "file": "file:///etc/passwd",
    "ftp": "ftp://api.test", "smb": "smb://api.test", "gopher":
    "gopher://api.test", "dict": "dict://api.test", "ldap":
    "ldap://api.test", "telnet": "telnet://api.test", "ws":
    "ws://api.test", "unix": "unix:///run/x.sock", "data": "data:,x",
    "asterisk": "*", "authority": "api.test:443", "empty bracket":
    "https://[]", "open bracket": "https://[::1", "not hex":
    "https://[::g]", "zone": "https://[fe80::1%eth0]", "empty": "https:",
}

# 5.4, and the forms of 5.1 that are targets: refused by both faces.
BAD_TARGETS = {
    "dot-dot": "/v1/../admin", "dot-dot first": "/../account",
    "dot-dot last": "/v1/..", "dot": "/./x", "dot last": "/x/.",
    "%2e%2e": "/%2e%2e/account", "%2E%2e": "/%2E%2e/account",
    ".%2e": "/.%2e/account", "%2e.": "/%2e./account", "%2e": "/%2e/x",
    "dot-dot and parameter": "/..;/account", "dot and parameter": "/.;/x",
    "dot-dot and escaped ;": "/..%3b/account", "dots, value":
    "/..;a=b/account", "nothing before ;": "/;x/account",
    "%2f": "/x%2fy", "%2F": "/x%2Fy", "%5c": "/x%5cy", "%5C": "/x%5Cy",
    "backslash": "/x\\y", "dot-dot backslash": "/..\\account",
    "two slashes": "//x", "two slashes inside": "/x//y",
    "two slashes last": "/x//", "%252e": "/%252e%252e/x",
    "%252f": "/x%252fy", "%25 and hex": "/x%2541", "%00": "/x%00",
    "%00 in a query": "/x?a=%00", "%01": "/x%01", "%0d%0a":
    "/x%0d%0aX-Y:%20z", "%0A": "/x%0A", "%7f": "/x%7F", "%c2%85":
    "/x%C2%85", "overlong dot": "/%c0%ae%c0%ae/x", "overlong slash":
    "/x%c0%afy", "overlong in three": "/x%e0%80%afy", "lone %ff": "/%ff",
    "surrogate": "/%ed%a0%80", "beyond Unicode": "/%f4%90%80%80",
    "cut short": "/%e2%82", "not in a query": "/x?a=%ff",
    "half an escape": "/x%4", "no escape": "/%zz", "lone percent": "/%",
    "lone percent in a query": "/x?a=%", "IIS escape": "/%u002e%u002e/x",
    "fragment": "/x#y", "fragment in a query": "/x?a#y",
    "quote": "/x\"", "less": "/x<y", "greater": "/x>y", "caret": "/x^y",
    "backquote": "/x`y", "bar": "/x|y", "brace": "/x{y}",
    "bracket": "/x[y]", "DEL": "/x\x7f", "quote in a query": "/x?a=\"",
    "backslash in a query": "/x?a=\\", "less in a query": "/x?a=<",
    "_method": "/echo?_method=DELETE", "_METHOD": "/echo?a=1&_METHOD=PUT",
    "_method alone": "/echo?_method", "_method escaped":
    "/echo?%5Fmethod=DELETE", "_method letter": "/echo?_m%65thod=DELETE",
    "_method[]": "/echo?_method[]=x", "_method%5B%5D":
    "/echo?_method%5B%5D=x", "_method behind ;": "/echo?a=1;_method=PUT",
    "_method behind &amp;": "/echo?a=1&amp;_method=PUT",
    "too long": "/" + "a" * 8192,
}

# The same, where HTTP's request line itself says no.
UNPRINTABLE_TARGETS = {
    "NUL": "/x\0y", "tab": "/x\ty", "CR": "/x\ry", "LF": "/x\ny",
    "blank": "/x y", "e acute":
    "/x\xe9", "blank in a query": "/x?a=b c", "e acute in a query":
    "/x?\xe9", "zero-width": "/x\u200by", "full-width slash": "/x\uff0fy",
    "full-width dots": "/\uff0e\uff0e/account",
}

# What passes, and how it arrives.
GOOD_TARGETS = {
    "as it is": ("/v1/Charges", "/v1/Charges"),
    "root": ("/", "/"), "case is kept": ("/V1/cHARGES", "/V1/cHARGES"),
    "trailing slash is kept": ("/v1/", "/v1/"),
    "matrix parameters": ("/v1;v=2/x;y", "/v1;v=2/x;y"),
    "unreserved are decoded": ("/%61%5f%7E%2d%2E%41x", "/a_~-.Ax"),
    "reserved stay": ("/a%3ab%26%3d%40", "/a%3Ab%26%3D%40"),
    "hex becomes upper case": ("/%c3%a9%e2%82%ac", "/%C3%A9%E2%82%AC"),
    "no escape is invented": ("/a!$&'()*+,;=:@", "/a!$&'()*+,;=:@"),
    "percent, escaped once": ("/100%25", "/100%25"),
    "percent before one digit": ("/%254", "/%254"),
    "three dots": ("/.../...a", "/.../...a"),
    "empty query": ("/x?", "/x?"), "query duplicates":
    ("/x?a=1&a=2&a", "/x?a=1&a=2&a"), "entity in a query":
    ("/x?a=1&amp;b=2", "/x?a=1&amp;b=2"), "slashes in a query":
    ("/x?u=https://evil.test/../y", "/x?u=https://evil.test/../y"),
    "dots in a query": ("/x?%2e%2e%2f", "/x?..%2F"),
    "two question marks": ("/x??a=1?", "/x??a=1?"),
    "query of escapes": ("/x?%5B%5d=%0d%0a", "/x?%5B%5D=%0D%0A"),
    "brackets in a query": ("/x?a[0]=1", "/x?a[0]=1"),
    "no override": ("/x?my_method=PUT&_methods=1",
                    "/x?my_method=PUT&_methods=1"),
}

BAD_METHODS = ["TRACE", "TRACK", "CONNECT", "PRI", "get", "Get", "gET",
               "G@T", "GE-T", "-GET", "UNKNOWN", "GETS", "G", "LOCK",
               "GET\0", "G\xc9T", "A" * 21, "DEBUG", "PURGE"]
BAD_METHODS_FRAMED = ["GET /x", "GET\r\nX: y", " GET", "GET ", "GET\n",
                      "GET\t", "A" * 33, ""]
GOOD_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS",
                "PROPFIND", "REPORT", "SEARCH", "MERGE", "QUERY"]


def lines(*fields):
    return "".join(f"{field}\r\n" for field in fields)


def both(text):
    """A header's name as it is, in other cases, and with '_' for '-'."""
    forms = {text, text.lower(), text.upper(), text.replace("-", "_")}
    return sorted(forms)


# 5.3: (the lines, verdict of http.sock, that of vaultd.sock).
BAD_FIELDS = {
    "CR in a value": ("X-A: a\rb\r\n", BAD, BAD),
    "LF in a value": ("X-A: a\nb\r\n", BAD, BAD),
    "LF ends a line": ("X-A: a\nX-B: b\r\n", BAD, BAD),
    "NUL in a value": ("X-A: a\0b\r\n", BAD, BAD),
    "control in a value": ("X-A: a\x01b\r\n", BAD, BAD),
    "tab in a value": ("X-A: a\tb\r\n", BAD, BAD),
    "DEL in a value": ("X-A: a\x7fb\r\n", BAD, BAD),
    "high byte in a value": ("X-A: \xe9\r\n", BAD, BAD),
    "folded": ("X-A: a\r\n b\r\n", BAD, BAD),
    "folded by a tab": ("X-A: a\r\n\tb\r\n", BAD, BAD),
    "folded first": (" X-A: a\r\n", BAD, BAD),
    "blank before the colon": ("X-A : a\r\n", BAD, BAD),
    "tab before the colon": ("X-A\t: a\r\n", BAD, BAD),
    "blank in a name": ("X A: a\r\n", BAD, BAD),
    "no name": (": a\r\n", BAD, BAD), "no colon": ("X-A\r\n", BAD, BAD),
    "name ended by ;": ("X-A;\r\n", BAD, BAD),
    "; before the colon": ("X-A;: a\r\n", BAD, BAD),
    "curl's @file": ("@/etc/passwd\r\n", BAD, BAD),
    "pseudo header": (":authority: evil.test\r\n", BAD, BAD),
    "high byte in a name": ("X-\xe9: a\r\n", BAD, BAD),
    "parenthesis in a name": ("X(A): a\r\n", BAD, BAD),
    "slash in a name": ("X/A: a\r\n", BAD, BAD),
    "quote in a name": ("\"X\": a\r\n", BAD, BAD),
    "NUL in a name": ("X\0A: a\r\n", BAD, BAD),
    "65 headers": (lines(*(f"X-{n}: y" for n in range(65))), LARGE, BAD),
    "value of 8193": (f"X-A: {'y' * 8193}\r\n", LARGE, BAD),
    "name of 257": (f"{'x' * 257}: a\r\n", LARGE, BAD),
    "33 KiB": (lines(*(f"X-{n}: {'y' * 8000}" for n in range(4)),
                     f"X-5: {'y' * 900}"), LARGE, BAD),
}
for _name in ("Cookie", "Cookie2", "Proxy-Authenticate", "Proxy-X",
              "X-HTTP-Method", "X-HTTP-Method-Override",
              "X-Method-Override", "X-Original-URL", "X-Rewrite-URL",
              "HTTP2-Settings", "Vaultd-Url"):
    for _form in both(_name):
        BAD_FIELDS[_form] = (f"{_form}: /admin\r\n", BAD, BAD)
for _form in both("Authorization") + both("Proxy-Authorization"):
    BAD_FIELDS[_form] = (f"{_form}: Bearer mine\r\n", CREDENTIAL, CREDENTIAL)
for _name, _value in {
        "empty": "", "Basic": "Basic dTpw", "placeholder inside":
        "Bearer vaultdx", "placeholder and more": "Bearer vaultd, x",
        "two blanks": "Bearer  vaultd", "case": "Bearer VAULTD",
        "basic without it": "Basic dmF1bHRk", "not base64":
        "Basic vaultd="}.items():
    BAD_FIELDS[f"Authorization, {_name}"] = (
        f"Authorization: {_value}\r\n", CREDENTIAL, CREDENTIAL)
BAD_FIELDS["Authorization twice"] = (
    lines("Authorization: Bearer vaultd", "Authorization: Bearer mine"),
    CREDENTIAL, CREDENTIAL)

# What http.sock judges by itself, and vaultd.sock drops: there a body's
# length is said elsewhere, and there is no host.
FRAMING_FIELDS = {
    "two hosts": "Host: evil.test\r\n",
    "a length": "Content-Length: 3\r\n" * 2,
    "lengths": "Content-Length: 3, 3\r\n",
    "signed length": "Content-Length: +3\r\n",
    "negative length": "Content-Length: -3\r\n",
    "hex length": "Content-Length: 0x3\r\n",
    "empty length": "Content-Length: \r\n",
    "endless length": "Content-Length: 99999999999999999999\r\n",
    "length 00": "Content-Length: 00\r\n",
    "length and coding": "Content-Length: 3\r\nTransfer-Encoding: "
                         "chunked\r\n",
    "coding and length": "Transfer-Encoding: chunked\r\n"
                         "Content-Length: 3\r\n",
    "chunked twice": "Transfer-Encoding: chunked\r\n" * 2,
    "chunked, identity": "Transfer-Encoding: chunked, identity\r\n",
    "gzip, chunked": "Transfer-Encoding: gzip, chunked\r\n",
    "xchunked": "Transfer-Encoding: xchunked\r\n",
    "Chunked": "Transfer-Encoding: Chunked\r\n",
    "identity": "Transfer-Encoding: identity\r\n",
    "quoted": "Transfer-Encoding: \"chunked\"\r\n",
    "Expect": "Expect: 200-ok\r\n",
    "Expect twice": "Expect: 100-continue\r\n" * 2,
}

# (the lines, those of them that arrive); one without the other is dropped.
GOOD_FIELDS = {
    "any": ("X-A: a b\r\n", ["X-A: a b"]),
    "no space behind the colon": ("X-A:a\r\n", ["X-A: a"]),
    "spaces around": ("X-A:   a   \r\n", ["X-A: a"]),
    "empty": ("X-A:\r\n", ["X-A:"]),
    "empty, curl's deletion": ("Accept:\r\n", ["Accept:"]),
    "semicolon": ("X-A: ;\r\n", ["X-A: ;"]),
    "two alike": ("X-A: a\r\nX-A: b\r\n", ["X-A: a", "X-A: b"]),
    "colon in a value": ("X-A: b: c\r\n", ["X-A: b: c"]),
    "64 headers": (lines(*(f"X-{n}: y" for n in range(62))),
                   [f"X-{n}: y" for n in range(62)]),
    "value of 8192": (f"X-A: {'y' * 8192}\r\n", [f"X-A: {'y' * 8192}"]),
    "Range": ("Range: bytes=0-1\r\n", ["Range: bytes=0-1"]),
    "conditions": ("If-Match: x\r\nIf-None-Match: y\r\n",
                   ["If-Match: x", "If-None-Match: y"]),
    "Idempotency-Key": ("Idempotency-Key: 1\r\n", ["Idempotency-Key: 1"]),
    "placeholder": ("Authorization: Bearer vaultd\r\n", []),
    "placeholder, bare": ("authorization: vaultd\r\n", []),
    "placeholder, Basic": ("Authorization: Basic dTp2YXVsdGQ=\r\n", []),
    "placeholder twice": ("Authorization: Bearer vaultd\r\n" * 2, []),
    "named by Connection": ("Connection: X-Hop, x-hip\r\nX-Hop: 1\r\n"
                            "X-Hip: 2\r\nX-A: 3\r\n", ["X-A: 3"]),
}
for _name, _value in {
        "Connection": "keep-alive", "Keep-Alive": "timeout=5",
        "TE": "trailers", "Trailer": "X-T", "Upgrade": "h2c",
        "Proxy-Connection": "keep-alive", "Accept-Encoding": "gzip, br",
        "Forwarded": "for=10.0.0.1;host=evil.test",
        "X-Forwarded-For": "10.0.0.1", "X-Forwarded-Host": "evil.test",
        "X-Forwarded-Proto": "http", "X-Forwarded-Port": "1",
        "X-Forwarded-Prefix": "/x", "Vaultd-Request": "1",
        "Vaultd-Error": "x", "Vaultd-Flow": "f", "Vaultd-Actor": "a",
        "Expect": "100-continue"}.items():
    for _form in both(_name):
        GOOD_FIELDS[f"{_form} is dropped"] = (f"{_form}: {_value}\r\n", [])
for _name in "Host", "Content-Length", "Transfer-Encoding":
    _form = _name.replace("-", "_")
    if _form != _name:
        GOOD_FIELDS[f"{_form} is dropped"] = (f"{_form}: 3\r\n", [])


def ask_http(world, method, target, fields="", body=None,
             profile="acme/demo", host="vaultd"):
    """One request on http.sock, whatever its parts hold."""
    if body is not None:
        fields += f"Content-Length: {len(body)}\r\n"
    head = (f"{method} /{profile}{target} HTTP/1.1\r\nHost: {host}\r\n"
            f"{fields}\r\n")
    with Connection(world.vault.http_socket) as c:
        c.send(head.encode("utf-8", "surrogateescape") + (body or b""))
        return c.read(method)


def ask_framed(world, method, target, fields="", body=None,
               profile="acme/demo"):
    """The same on vaultd.sock."""
    with Framed(world.vault.socket) as c:
        return c.ask(method, target, fields, body, profile)


def refused(world, verdict, what, call):
    """It is refused so, and the upstream hears nothing of it."""
    before = len(world.upstream.requests)
    answer = call()
    assert (answer.error, answer.status) == (verdict, STATUS[verdict]), (
        what, answer)
    assert len(world.upstream.requests) == before, (what, "arrived")


def head(world, method, target, fields, body=None):
    """What the upstream of acme/demo is to be sent, byte for byte."""
    named = {field.partition(":")[0].lower() for field in fields}
    own = ["User-Agent: vaultd"] if "user-agent" not in named else []
    own += ["Accept: */*"] if "accept" not in named else []
    own += ["Accept-Encoding: identity",
            f"Authorization: Bearer {world.secret}"]
    if body is not None or method in ("POST", "PUT", "PATCH"):
        own += [f"Content-Length: {len(body or b'')}"]
    return ("\r\n".join([f"{method} {target} HTTP/1.1",
                         f"Host: localhost:{world.upstream.port}",
                         *fields, *own]) + "\r\n\r\n").encode("latin-1")


def forwarded(world, what, call, expected):
    """It arrives, once, and exactly so."""
    before = len(world.upstream.requests)
    answer = call()
    assert answer.error is None, (what, answer)
    arrived = world.upstream.requests[before:]
    assert [r.head for r in arrived] == [expected], (
        what, [r.head for r in arrived], expected)


def starts(world):
    """How often each room was started, and which process it is; but for the
    couriers, which are replaced after so many requests."""
    return [(r["room"], r["number"], r["pid"], r["starts"])
            for r in world.vault.rows("status")
            if r["kind"] == "room" and r["room"] != "courier"]


class Unchanged:
    """No room dies or is started again meanwhile, none complains of another,
    and the vault works after."""

    def __init__(self, world):
        self.world = world

    def __enter__(self):
        assert self.world.get("/echo").status == 200
        self.before = starts(self.world)

    def __exit__(self, failed, *_):
        if failed is None:
            assert self.world.get("/echo").status == 200
            assert ask_framed(self.world, "GET", "/echo").status == 200
            assert starts(self.world) == self.before
            log = self.world.vault.log()
            for bad in "broke the protocol", "its wall tripped":
                assert bad not in log, log


def judge_targets(world, ask):
    for name, target in {**BAD_TARGETS, **UNPRINTABLE_TARGETS}.items():
        refused(world, verdict_of_target(ask, name), name,
                lambda: ask(world, "GET", target))
    for name, (target, arrives) in GOOD_TARGETS.items():
        forwarded(world, name, lambda: ask(world, "GET", target),
                  head(world, "GET", arrives, []))
    return len(BAD_TARGETS) + len(UNPRINTABLE_TARGETS) + len(GOOD_TARGETS)


def verdict_of_target(ask, name):
    """A request line may have 8 KiB, an image's target as well."""
    return LARGE if name == "too long" and ask is ask_http else BAD


def judge_methods(world, ask):
    bad = BAD_METHODS + (BAD_METHODS_FRAMED if ask is ask_framed else [])
    for method in bad:
        refused(world, BAD, method, lambda: ask(world, method, "/echo"))
    for method in GOOD_METHODS:
        forwarded(world, method, lambda: ask(world, method, "/echo"),
                  head(world, method, "/echo", []))
    return len(bad) + len(GOOD_METHODS)


def judge_fields(world, ask):
    for name, (fields, http, framed) in BAD_FIELDS.items():
        refused(world, http if ask is ask_http else framed, name,
                lambda: ask(world, "GET", "/echo", fields))
    for name, (fields, arrives) in GOOD_FIELDS.items():
        forwarded(world, name, lambda: ask(world, "GET", "/echo", fields),
                  head(world, "GET", "/echo", arrives))
    for name, fields in FRAMING_FIELDS.items():
        if ask is ask_http:
            refused(world, BAD, name,
                    lambda: ask(world, "POST", "/upload", fields))
        else:
            forwarded(world, name, lambda: ask(world, "POST", "/upload",
                                               fields, b"hello, world!"),
                      head(world, "POST", "/upload", [], b"hello, world!"))
    return len(BAD_FIELDS) + len(GOOD_FIELDS) + len(FRAMING_FIELDS)
