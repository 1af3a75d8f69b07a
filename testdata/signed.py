#!/usr/bin/env python3
"""Writes signed.json: cookies in the package's own format, and broken ones, made by the
description in Signer's documentation with Python's standard library alone.

    python3 testdata/signed.py > testdata/signed.json

Run it only to add vectors. Those that are there must not change: they stand for the
cookies that visitors already have.
"""
import base64
import hashlib
import hmac
import json
import zlib

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SALT = b"cookiestore:"
AT = 1528093791


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def b62(n):
    text = ""
    while True:
        n, digit = divmod(n, 62)
        text = DIGITS[digit] + text
        if n == 0:
            return text.encode()


def mac(key, name, text, salt=SALT):
    derived = hashlib.sha256(salt + name.encode() + b"signer" + key).digest()
    return b64(hmac.new(derived, text, hashlib.sha256).digest())


def sign(key, name, payload, stamp=None, salt=SALT):
    text = payload + b":" + (b62(AT) if stamp is None else stamp)
    return text + b":" + mac(key, name, text, salt)


def packed(data, level=6):
    return b"." + b64(zlib.compress(data, level))


KEYS = {
    "32 bytes": hashlib.sha256(b"golden 1").digest(),
    "64 bytes": hashlib.sha512(b"golden 2").digest(),
    "33 bytes, many of them zero": bytes(31) + b"\x01\xff",
}
FIRST, SECOND, THIRD = KEYS.values()
NAMES = ["sessionid", "__Host-session", "!#$%&'*+-.^`|~"]
DATA = {
    "nothing": "{}",
    "a number": '{"num_visits":1}',
    "non-ASCII text": '{"name":"Zoë","city":"München","日本":"語","emoji":"😀"}',
    "escapes": '{"a":"\\u00e9\\n\\/\\ud83d\\ude00 \\ud800","<b>":"&"}',
    "numbers that must not change": '{"i":1152921504606846977,"f":1.0,"e":1e3,"n":-0.0}',
    "white space": '{ "a" : 1 ,\n\t"b":[ ] }',
    "every kind of value": '{"t":true,"f":false,"z":null,"l":[1,[2]],"m":{"wheels":{"left":"alloy"}},"s":""}',
    "an age": '{"a":1,"_session_expiry":300}',
    "browser close": '{"a":1,"_session_expiry":0}',
    "a time": '{"a":1,"_session_expiry":"2018-06-05T06:29:51.000001+00:00"}',
    "characters of base64url": '{"a":"~~~???>>>\u00bf\u00be"}',
    "a long text": '{"cart":"' + "three red apples, " * 100 + '"}',
}
TIMES = [0, 1, 61, 62, AT, 2**31 - 1, 2**31, 253402300799]

vectors = []


def add(what, value, *, key=FIRST, fallbacks=(), name="sessionid", payload=None, at=AT,
        index=0, data=None, signer="", store=None):
    """signer and store say why each refuses the value: "" is that it is accepted."""
    vectors.append({
        "what": what, "value": value.decode("latin-1"), "key": key.hex(),
        "fallbacks": [f.hex() for f in fallbacks], "name": name,
        "payload": None if payload is None else payload.decode("latin-1"),
        "signed_at": at, "key_index": index, "json": data,
        "signer": signer, "store": signer if store is None else store,
    })


def accept(what, payload, data, *, key=FIRST, name="sessionid", at=AT, **more):
    add(what, sign(more.pop("signed_with", key), name, payload, b62(at)), key=key, name=name,
        at=at, payload=payload, data=data, **more)


def refuse(what, value, reason, **more):
    add(what, value, signer=reason, **more)


# What is good.
for what, text in DATA.items():
    data = text.encode()
    for key in KEYS:
        for name in NAMES:
            accept(f"{what}, with {key}, for {name}", b64(data), text, key=KEYS[key], name=name)
    for level in (0, 1, 6, 9):
        accept(f"{what}, compressed at level {level}", packed(data, level), text)
for at in TIMES:
    accept(f"at {at}", b64(b'{"a":1}'), '{"a":1}', at=at)
for index, key in enumerate((SECOND, THIRD), 1):
    accept(f"fallback key {index}", b64(b'{"a":1}'), '{"a":1}', signed_with=key,
           fallbacks=(SECOND, THIRD), index=index)
full = b'{"a":"' + b"x" * (65536 - 8) + b'"}'
accept("64 KiB, compressed", packed(full), full.decode())

# What another secret, name or purpose has signed.
good = sign(FIRST, "sessionid", b64(b'{"a":1}'))
refuse("another key", sign(SECOND, "sessionid", b64(b'{"a":1}')), "tampered")
refuse("a key that is no fallback any more", sign(THIRD, "sessionid", b64(b'{"a":1}')), "tampered",
       fallbacks=(SECOND,))
refuse("another cookie's", sign(FIRST, "sessionid2", b64(b'{"a":1}')), "tampered")
refuse("a cookie's whose name ends the same", sign(FIRST, "xsessionid", b64(b'{"a":1}')), "tampered")
refuse("a cookie's with no name", sign(FIRST, "", b64(b'{"a":1}')), "tampered")
refuse("Django's salt", sign(FIRST, "", b64(b'{"a":1}'), salt=b"django.contrib.sessions.backends.signed_cookies"), "tampered")
refuse("no salt", sign(FIRST, "sessionid", b64(b'{"a":1}'), salt=b""), "tampered")
refuse("a salt without its colon", sign(FIRST, "sessionid", b64(b'{"a":1}'), salt=b"cookiestore"), "tampered")
text = good.rsplit(b":", 1)[0]
refuse("the key itself, not derived", text + b":" + b64(hmac.new(FIRST, text, hashlib.sha256).digest()), "tampered")
derived = hashlib.sha256(SALT + b"sessionid" + b"signer" + FIRST).digest()
refuse("SHA-1", text + b":" + b64(hmac.new(derived, text, hashlib.sha1).digest()), "tampered")
refuse("SHA-512", text + b":" + b64(hmac.new(derived, text, hashlib.sha512).digest()), "tampered")
refuse("a hash that is no HMAC", text + b":" + b64(hashlib.sha256(derived + text).digest()), "tampered")

# What was changed since.
for i in range(len(good)):
    if good[i : i + 1] != b":":
        other = b"A" if good[i : i + 1] != b"A" else b"B"
        refuse(f"character {i} changed", good[:i] + other + good[i + 1 :], "tampered")
alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
spelled = alphabet[alphabet.index(good[-1:]) ^ 1]
refuse("another spelling of the signature", good[:-1] + bytes([spelled]), "tampered")
refuse("a signature with padding", good + b"=", "tampered")
refuse("a signature cut short", good[:-1], "tampered")
refuse("no signature, but its colon", text + b":", "tampered")
refuse("a space before", b" " + good, "tampered")
refuse("a space after", good + b" ", "tampered")
refuse("a part before", b"a:" + good, "tampered")
refuse("a part after", good + b":a", "tampered")
refuse("nothing", b"", "malformed")
refuse("no colon", b"eyJhIjoxfQ", "malformed")

# What is signed well and not well-formed.
body = b64(b'{"a":1}')
for what, stamp in {
    "an empty timestamp": b"", "a timestamp with a zero before it": b"0" + b62(AT),
    "a timestamp with a sign": b"-1", "a timestamp with a space": b" " + b62(AT),
    "a timestamp with another character": b"1fPj_3", "a timestamp past the year 9999": b62(253402300800),
    "the largest timestamp": b62(2**63 - 1), "a timestamp past that": b62(2**63),
    "a timestamp that would wrap round": b62(2**64 + AT), "a timestamp of twelve digits": b"1" * 12,
}.items():
    refuse(what, sign(FIRST, "sessionid", body, stamp), "malformed")
refuse("no timestamp", body + b":" + mac(FIRST, "sessionid", body), "malformed")


def unreadable(what, payload, reason="malformed"):
    add(what, sign(FIRST, "sessionid", payload), payload=payload, store=reason)


noise = b"".join(hashlib.sha256(b"noise %d" % i).digest() for i in range(4))
stream = zlib.compress(b'{"a":"' + noise.hex().encode() + b'"}')
unreadable("no payload", b"")
unreadable("a payload with padding", base64.urlsafe_b64encode(b'{"a":12}'))
unreadable("a payload in the other base64", base64.b64encode(b'{"a":"~~~???>>>"}').rstrip(b"="))
unreadable("a payload with a line break", body[:4] + b"\n" + body[4:])
unreadable("a payload with stray bits", b64(b'{"a":1}')[:-1] + b"R")
unreadable("a payload of one character", b"e")
unreadable("a payload in two parts", body + b":" + body)
unreadable("an empty stream", b".")
unreadable("a stream that is none", b"." + body)
unreadable("a stream cut short", b"." + b64(stream[:-1]))
unreadable("a stream with a wrong sum", b"." + b64(stream[:-1] + bytes([stream[-1] ^ 1])))
unreadable("a stream with bytes after it", b"." + b64(stream + b"\0"))
unreadable("two streams", b"." + b64(stream + stream))
unreadable("a stream without zlib's header", b"." + b64(stream[2:-4]))
unreadable("a stream in a stream", b".." + b64(stream))
unreadable("64 KiB and a byte, compressed", packed(b'{"a":"' + b"x" * (65536 - 7) + b'"}'), "too large")
unreadable("a megabyte, compressed", packed(b"x" * (1 << 20)), "too large")
long = b64(b'{"a":"' + b"x" * 3037 + b'"}')
unreadable("a cookie of 4097 bytes", long + b"A" * (4097 - len(sign(FIRST, "sessionid", long)) - len("sessionid")), "too large")
for what, data in {
    "text that is not JSON": b"hello", "a list": b"[1]", "null": b"null", "a string": b'"a"', "a number": b"1",
    "JSON cut short": b'{"a":1', "JSON with bytes after it": b'{"a":1}x', "two objects": b'{"a":1}{"a":2}',
    "text that is not UTF-8": b'{"a":"\xff"}', "UTF-8 of a surrogate": b'{"a":"\xed\xa0\x80"}',
    "UTF-16": '{"a":1}'.encode("utf-16"), "a byte-order mark": b'\xef\xbb\xbf{"a":1}', "a comment": b'{"a":1/**/}',
    "NaN": b'{"a":NaN}', "a comma too many": b'{"a":1,}', "single quotes": b"{'a':1}", "a control character": b'{"a":"\n"}',
    "an expiry that is none": b'{"_session_expiry":[]}', "a zero byte": b'{"a":1}\0',
}.items():
    unreadable(what, b64(data))
    unreadable(what + ", compressed", packed(data))

if __name__ == "__main__":
    print("[")
    print(",\n".join(json.dumps(v, separators=(",", ":")) for v in vectors))
    print("]")
