"""An independent implementation of the encrypted cookies that Encrypter describes.

    encrypted_cookies.py vectors    prints testdata/encrypted.json
    encrypted_cookies.py exchange   reads {"open": [...], "make": [...]} from standard
                                    input, and prints what comes of each

A cookie to open has a name, a value and the keys in hex. The answer is its data and
time and which key it was, or why it is refused. A cookie to make has a name, data, a
time and a key. The answer is its value.

AES-GCM is that of Debian's python3-cryptography. The rest is hmac and hashlib.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import zlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

JSON, ZLIB = 1, 2


def cookie_key(secret, context):
    """HKDF-SHA256 of RFC 5869, of one block."""
    extracted = hmac.new(b"cookiestore:encryption", secret, hashlib.sha256).digest()
    return hmac.new(extracted, context + b"\x01", hashlib.sha256).digest()


def base64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def plaintext(data, at, form=JSON, zeros=None):
    content = at.to_bytes(8, "big") + data + bytes([form])
    if zeros is None:
        zeros = -(len(data) + 1) % 32
    return content + bytes(zeros)


def seal(secret, name, plain, random, nonce, version=1, context=None, aad=None):
    """Returns a cookie's bytes. What breaks its rules is for cookies to refuse."""
    if context is None:
        context = bytes([version]) + random + name.encode()
    key = cookie_key(secret, context)
    sealed = AESGCM(key).encrypt(nonce, plain, context if aad is None else aad)
    return bytes([version]) + random + nonce + sealed


class Refused(Exception):
    pass


def open_cookie(secrets, name, value):
    try:
        raw = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except ValueError:
        raise Refused("not base64url")
    if base64url(raw) != value:
        raise Refused("not the one spelling in base64url")
    if len(raw) < 85 or (len(raw) - 53) % 32:
        raise Refused("not the size of a cookie")
    if raw[0] != 1:
        raise Refused("unknown version")
    context = raw[:17] + name.encode()
    for i, secret in enumerate(secrets):
        try:
            plain = AESGCM(cookie_key(secret, context)).decrypt(raw[17:29], raw[29:], context)
        except InvalidTag:
            continue
        return *read_plaintext(plain), i
    raise Refused("no key decrypts it")


def read_plaintext(plain):
    at = int.from_bytes(plain[:8], "big")
    if at > 253402300799:  # the end of the year 9999
        raise Refused("no such time")
    content = plain[8:].rstrip(b"\x00")
    if len(plain) - 8 - len(content) > 31:
        raise Refused("too much padding")
    data, form = content[:-1], content[-1]
    if form == ZLIB:
        return inflate(data), at
    if form != JSON:
        raise Refused("unknown form")
    return data, at


def inflate(stream):
    z = zlib.decompressobj()
    try:
        data = z.decompress(stream)
    except zlib.error as error:
        raise Refused(str(error))
    if not z.eof or z.unused_data:
        raise Refused("not one whole zlib stream")
    return data


# The vectors. Nothing in them is random, so that they can be made again.


def stream(label, size):
    return hashlib.shake_256(label.encode()).digest(size)


KEYS = [stream("key %d" % i, 32) for i in range(3)]
NOW = 1800000000


def stored(data):
    """Returns a zlib stream that no version of zlib makes differently."""
    size = len(data).to_bytes(2, "little")
    inverse = (len(data) ^ 0xFFFF).to_bytes(2, "little")
    return b"\x78\x01\x01" + size + inverse + data + zlib.adler32(data).to_bytes(4, "big")


def vectors():
    all_vectors = []

    def add(why, value, name="sessionid", keys=(0,), data=None, at=None):
        all_vectors.append(
            {
                "why": why,
                "name": name,
                "keys": [KEYS[k].hex() for k in keys],
                "value": value,
                "valid": data is not None,
                "data": None if data is None else data.decode(),
                "at": at,
            }
        )

    count = 0

    def raw(data=b'{"num_visits":1}', name="sessionid", key=0, plain=None, at=NOW, **rest):
        nonlocal count
        count += 1
        if plain is None:
            plain = plaintext(data, at)
        random, nonce = stream("random %d" % count, 16), stream("nonce %d" % count, 12)
        return seal(KEYS[key], name, plain, random, nonce, **rest)

    def good(why, data, name="sessionid", key=0, keys=(0,), at=NOW, **rest):
        add(why, base64url(raw(data, name, key, at=at, **rest)), name, keys, data, at)

    for size in [0, 1, 30, 31, 32, 33, 63, 64, 1000, 3000]:
        data = b'{"a":"' + b"x" * (size - 8) + b'"}' if size > 8 else b"{}"[:size]
        good("%d bytes of data" % len(data), data)
    good("letters of all kinds", '{"name":"Ömer 😀","ключ":"\\ud800"}'.encode())
    good("the beginning of time", b"{}", at=0)
    good("the end of the year 9999", b"{}", at=253402300799)
    good("another name", b"{}", name="__Host-session")
    good("no name", b"{}", name="")
    good("a name that isn't ASCII", b"{}", name="sitzung-größe")
    good("the first fallback key", b"{}", key=1, keys=(0, 1, 2))
    good("the second fallback key", b"{}", key=2, keys=(0, 1, 2))
    compressed = b'{"a":"' + b"y" * 100 + b'"}'
    good("a zlib stream", compressed, plain=plaintext(stored(compressed), NOW, ZLIB))
    good("data that ends in zeros", b"{}\x00\x00")

    a = raw()
    text = base64url(a)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for position in range(0, len(text), 3):
        other = alphabet[alphabet.index(text[position]) ^ 1 << position % 6]
        add("character %d is another" % position, text[:position] + other + text[position + 1 :])
    for size in range(0, len(text), 5):
        add("cut to %d characters" % size, text[:size])
    for size in (32, 64):
        add("%d bytes cut from the end" % size, base64url(raw(b"x" * 90)[:-size]))
    add("one of two blocks left out", base64url(a[:29] + raw(b"x" * 40)[61:]))
    add("padded base64", text + "=" * (-len(text) % 4))
    add("a line break", text[:20] + "\n" + text[20:])
    add("a line break at the end", text + "\r\n")
    add("a space before", " " + text)
    add("the other alphabet of base64", base64.b64encode(raw(stream("any", 200).hex().encode())).decode().rstrip("="))
    add("bits to spare that are set", text[:-1] + alphabet[alphabet.index(text[-1]) | 1])
    add("encoded twice", base64url(text.encode()))
    add("a byte before", base64url(b"\x01" + a))
    add("a byte after", base64url(a + b"\x00"))
    add("32 bytes after", base64url(a + bytes(32)))
    add("another name", text, name="session")
    add("a name in other letters", text, name="SessionID")
    add("no name", text, name="")
    add("another key", text, keys=(1,))
    add("other keys", text, keys=(1, 2))
    for version in (0, 2, 255):
        add("version %d" % version, base64url(raw(version=version)))
    add("version 2, called 1", base64url(b"\x01" + raw(version=2)[1:]))
    add("without additional data", base64url(raw(aad=b"")))
    add("the name alone as additional data", base64url(raw(aad=b"sessionid")))
    add("a key of no context", base64url(raw(context=b"", aad=b"\x01" + stream("random", 16) + b"sessionid")))
    add("two nonces exchanged", base64url(a[:17] + raw()[17:29] + a[29:]))
    add("two random parts exchanged", base64url(a[:1] + raw()[1:17] + a[17:]))
    add("the salt of a signature", base64url(raw(b"{}", key=0, context=b"cookiestore:sessionid")))
    data = b'{"num_visits":1}'
    add("no padding", base64url(raw(plain=plaintext(data, NOW, zeros=0))))
    add("padding to 16 bytes", base64url(raw(plain=plaintext(b"x" * 40, NOW, zeros=7))))
    add("32 bytes of padding too many", base64url(raw(plain=plaintext(data, NOW, zeros=47))))
    add("32 bytes of padding", base64url(raw(plain=plaintext(b"x" * 31, NOW, zeros=32))))
    add("padding alone", base64url(raw(plain=NOW.to_bytes(8, "big") + bytes(32))))
    add("nothing but a time", base64url(raw(plain=NOW.to_bytes(8, "big"))))
    add("nothing at all", base64url(raw(plain=b"")))
    add("padding that isn't zeros", base64url(raw(plain=plaintext(data, NOW)[:-1] + b"\x03")))
    add("PKCS #7 padding", base64url(raw(plain=NOW.to_bytes(8, "big") + data + bytes([16] * 16))))
    for form in (0, 3, 255):
        add("form %d" % form, base64url(raw(plain=plaintext(b"x" * 31, NOW, form))))
    add("a time before 1970", base64url(raw(at=2**64 - 1)))
    add("a time past the year 9999", base64url(raw(at=253402300800)))
    add("a time past int64", base64url(raw(at=2**63)))
    for why, broken in [
        ("data that is not a zlib stream", b"{}"),
        ("an empty zlib stream", b""),
        ("half of a zlib stream", stored(compressed)[:50]),
        ("a zlib stream with another checksum", stored(compressed)[:-1] + b"\x01"),
        ("a zlib stream with a byte after it", stored(compressed) + b"\x01"),
    ]:
        add(why, base64url(raw(plain=plaintext(broken, NOW, ZLIB))))
    add("a signed cookie", "eyJudW1fdmlzaXRzIjoxfQ:1fPj03:3Nu5Hmzye20IZTdt9QReim3P2S2gToTuMTN-3H8rgwI")
    add("a colon before", ":" + text)
    add("a colon after", text + ":")
    for v in all_vectors:
        answer = opened(v)
        assert ("refused" not in answer) == v["valid"], (v, answer)
        assert not v["valid"] or (answer["data"], answer["at"]) == (v["data"], v["at"]), (v, answer)
    return {
        "made_with": "interop/testdata/encrypted_cookies.py vectors",
        "vectors": all_vectors,
    }


def opened(cookie):
    keys = [bytes.fromhex(k) for k in cookie["keys"]]
    try:
        data, at, key = open_cookie(keys, cookie["name"], cookie["value"])
    except Refused as refusal:
        return {"refused": str(refusal)}
    return {"data": data.decode(), "at": at, "key": key}


def made(cookie):
    plain = plaintext(cookie["data"].encode(), cookie["at"])
    key = bytes.fromhex(cookie["key"])
    return base64url(seal(key, cookie["name"], plain, os.urandom(16), os.urandom(12)))


if sys.argv[1:] == ["vectors"]:
    json.dump(vectors(), sys.stdout, indent=0, ensure_ascii=True)
    print()
elif sys.argv[1:] == ["exchange"]:
    asked = json.load(sys.stdin)
    answer = {
        "opened": [opened(c) for c in asked["open"]],
        "made": [made(c) for c in asked["make"]],
    }
    json.dump(answer, sys.stdout)
else:
    sys.exit(__doc__)
