"""What the policy judges is what is sent: random requests on both sockets, of
which ten thousand arrive, compared byte for byte with what the upstream got,
with the audit log's word, and with a normal form and globs written a second
time."""
import random
import re
import string

from harness import ADMIN, LONG, World
from support.cases import GOOD_METHODS, head
from support.framed import REFUSED, RESPONSE, END, Framed, Fields, refusal
from support.framed import request as framed_request
from support.vault import eventually

COUNT = 44000 if LONG else 22000
ARRIVE = COUNT * 10 // 22       # so many are to be captured at the upstream
BATCH = 25
UNRESERVED = set(string.ascii_letters + string.digits + "-._~")
PATH_CHARS = UNRESERVED | set("/!$&'()*+,;=:@")
QUERY_CHARS = {chr(c) for c in range(0x21, 0x7f)} - set("\\\"<>#%")
TOKEN = string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~"


class Refused(Exception):
    pass


def escaped(text, in_path):
    """The normal form of a run of escapes that stands for this text."""
    out = ""
    for c in text:
        if c in UNRESERVED:
            out += c
            continue
        code = ord(c)
        if code == 0 or in_path and (c in "/\\" or code < 0x20
                                     or 0x7f <= code < 0xa0):
            raise Refused(c)
        out += "".join(f"%{byte:02X}" for byte in c.encode())
    return out


def normal_part(part, allowed, in_path):
    out = ""
    # Escapes that follow one another may be one character together.
    for run in re.split(r"((?:%[0-9A-Fa-f]{2})+)", part):
        if re.fullmatch(r"(?:%[0-9A-Fa-f]{2})+", run):
            try:
                text = bytes.fromhex(run.replace("%", "")).decode()
            except UnicodeDecodeError as why:
                raise Refused(run) from why
            out += escaped(text, in_path)
        elif set(run) <= allowed:
            out += run
        else:
            raise Refused(run)
    return out


def normal_form(target):
    """(path, the query with its '?') of a target, as it is to be sent."""
    path, mark, query = target.partition("?")
    path = normal_part(path, PATH_CHARS, True)
    query = normal_part(query, QUERY_CHARS, False)
    first, *segments = path.split("/")
    if first or not segments or len(target) > 8192:
        raise Refused("not a path")
    for number, segment in enumerate(segments):
        plain = re.split(";|%3B", segment)[0]
        last = number == len(segments) - 1
        if plain in (".", "..") or (plain == "" and (segment or not last)):
            raise Refused("a segment")
        if re.search("%25[0-9A-Fa-f]{2}", segment):
            raise Refused("escaped twice")
    return path, mark + query


def matches(pattern, path):
    """The policy's globs."""
    parts = [{"**": ".*", "*": "[^/]*"}.get(part, re.escape(part))
             for part in re.split(r"(\*\*|\*)", pattern)]
    return re.fullmatch("".join(parts), path, re.DOTALL) is not None


# What canonical segments there are, so that the policy's paths are met.
WORDS = ["v1", "charges", "a_b", "x-y~z", "A.b", "", "..a", "q:r", "s@t",
         "k=v,w", "p;q", "!$&'()*+", "caf\xe9", "\u20ac", "\U0001f600", "a b",
         "100%", "[]", "{x}", "a\"b", "<>", "^|`"]
POISON = [".", "..", "", "%2e", "%2E%2e", ".%2e", "%2f", "%5C", "\\", "%00",
          "%0a", "%7f", "%c2%80", "%ff", "%c0%af", "%ed%a0%80", "%e2%82",
          "%zz", "%", "%4", "%2541", "%252e", "..;", ";x", "%3bx", "\x7f",
          "\xe9", "\"", "<", "[", "`", "{", "^", "|"]


class Maker:
    """Cases from a seed."""

    def __init__(self, seed):
        self.noise = random.Random(seed)

    def spelled(self, text, raw_chars):
        """One of the ways to write this text."""
        out = ""
        for c in text:
            if c in raw_chars and self.noise.random() < 0.7:
                out += c
                continue
            for byte in c.encode():
                form = self.noise.choice(["%{:02x}", "%{:02X}"])
                out += form.format(byte)
        return out

    def target(self):
        noise = self.noise
        segments = []
        for _ in range(noise.choice([1, 1, 2, 2, 3, 4])):
            if noise.random() < 0.08:
                segments.append(noise.choice(POISON))
            else:
                word = noise.choice([w for w in WORDS if w])
                segments.append(self.spelled(word, PATH_CHARS - {"/"}))
        path = "/" + "/".join(segments)
        if noise.random() < 0.1:
            path += "/"
        if noise.random() < 0.4:
            path += "?" + self.query()
        return path

    def query(self):
        noise = self.noise
        if noise.random() < 0.1:
            # Any byte at all, in hex.
            return "b=" + f"%{noise.randrange(256):02x}"
        text = "".join(noise.choice([
            chr(noise.randrange(1, 128)), noise.choice("&=/?;:@.~-_a1"),
            chr(noise.randrange(0xa0, 0x800))]) for _ in range(
                noise.randrange(12)))
        query = self.spelled(text, QUERY_CHARS)
        if noise.random() < 0.05:
            query += noise.choice([*" \"<>\\#\x7f\xe9", "%", "%0", "%00",
                                   "%ff", "%gg"])
        return query

    def fields(self, number):
        """(lines as sent, lines as they arrive)"""
        noise = self.noise
        sent, arrive = f"X-Case: {number}\r\n", [f"X-Case: {number}"]
        for _ in range(noise.randrange(4)):
            name = "Z" + "".join(noise.choices(TOKEN, k=noise.randrange(12)))
            value = "".join(chr(noise.randrange(0x20, 0x7f))
                            for _ in range(noise.randrange(20)))
            blank = noise.choice(["", " ", "   "])
            sent += f"{name}:{blank}{value}{noise.choice(['', ' '])}\r\n"
            value = value.strip(" ")
            arrive.append(f"{name}: {value}" if value else f"{name}:")
        return sent, arrive

    def patterns(self):
        """Most of the words at one place or another, and some stars."""
        noise = self.noise
        words = [normal_part(self.spelled(w, UNRESERVED), PATH_CHARS, True)
                 for w in WORDS if w]
        most = noise.sample(words, len(words) * 4 // 5)
        found = {f"/{w}" for w in most} | {f"/{w}/**" for w in most[3:]}
        found |= {f"/{w}/*" for w in noise.sample(words, 4)}
        found |= {f"/*/{w}" for w in noise.sample(words, 4)}
        found |= {f"/{w}/**/{v}" for w, v in
                  zip(noise.sample(words, 4), noise.sample(words, 4))}
        found |= {f"/*{w[:3]}*/{w}/" for w in noise.sample(words, 4)
                  if "%" not in w}
        # A star that is in a word is itself a star in a pattern.
        return sorted(p for p in found if "*+" not in p)


class Case:
    def __init__(self, maker, number, patterns):
        noise = maker.noise
        self.number = number
        self.method = noise.choice(["GET"] * 6 + GOOD_METHODS)
        self.target = maker.target()
        self.sent, self.arrive = maker.fields(number)
        try:
            self.path, self.query = normal_form(self.target)
        except Refused:
            self.verdict = "bad-request"
            return
        permitted = any(matches(p, self.path) for p in patterns)
        self.verdict = None if permitted else "denied"

    def as_http(self):
        return (f"{self.method} /acme/demo{self.target} HTTP/1.1\r\n"
                f"Host: v\r\n{self.sent}\r\n").encode()

    def as_frames(self, number):
        return framed_request(number, "acme/demo", self.method, self.target,
                              self.sent)


def told_by_http(world, cases):
    """Each case's answer: (error or None, the audit log's number)."""
    told = []
    while len(told) < len(cases):
        with world.vault.connect() as c:
            rest = cases[len(told):]
            c.send(b"".join(case.as_http() for case in rest))
            for case in rest:
                answer = c.read(case.method)
                told.append((answer.error, answer.get("Vaultd-Request")))
                if answer.get("Connection") == "close":
                    break       # what HTTP itself cannot read
    return told


def told_by_frames(world, cases):
    told = {}
    with Framed(world.vault.socket) as c:
        c.send(b"".join(case.as_frames(number)
                        for number, case in enumerate(cases, 1)))
        open_ids = set(range(1, len(cases) + 1))
        while open_ids:
            kind, number, body = c.read()
            if kind == REFUSED:
                answer = refusal(body)
                told[number] = answer.error, answer.get("vaultd-request")
                open_ids.remove(number)
            elif kind == RESPONSE:
                fields = Fields(body)
                fields.u32(), fields.blob()
                told[number] = None, str(fields.u64())
            elif kind == END:
                open_ids.remove(number)
    return [told[number] for number in range(1, len(cases) + 1)]


def policy_judges_the_form_that_is_sent():
    maker = Maker(5)
    patterns = maker.patterns()
    rule = "permit admin to request on acme/demo {\n    path " + " ".join(
        f'"{p}"' for p in patterns) + "\n}\n"
    policy = ADMIN.replace("permit admin to request,", "permit admin to")
    with World() as w:
        w.vault.set_policy(policy + rule,
                           lambda: w.get("/account").status == 403)
        start = len(w.upstream.requests)
        cases = [Case(maker, number, patterns) for number in range(COUNT)]
        told = []
        for at in range(0, COUNT, BATCH):
            ask = told_by_http if at // BATCH % 2 else told_by_frames
            told += ask(w, cases[at:at + BATCH])
        arrived = {int(r.header("x-case")): r.head
                   for r in w.upstream.requests[start:]}
        assert len(arrived) == len(w.upstream.requests) - start
        for case, (error, _) in zip(cases, told):
            assert error == case.verdict, (case.target, error, case.verdict)
            expected = None if case.verdict else head(
                w, case.method, case.path + case.query, case.arrive)
            assert arrived.get(case.number) == expected, (
                case.target, arrived.get(case.number), expected)
        records = {r["seq"]: r for r in w.vault.audit()}
        logged = 0
        for case, (_, seq) in zip(cases, told):
            if case.verdict != "bad-request":
                record = records[int(seq)]
                assert record["path"].partition("?")[0] == case.path, record
                assert record["method"] == case.method, record
                logged += 1
        count = {v: sum(c.verdict == v for c in cases)
                 for v in (None, "denied", "bad-request")}
        assert count[None] >= ARRIVE, count
        assert min(count.values()) > COUNT // 20, count
        assert logged == count[None] + count["denied"]
        print(count)
        eventually(lambda: w.vault.unsettled() == [])
