import hashlib
from io import BytesIO

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from platforms.snapchat import sealed
from platforms.snapchat.sealed import Seal, SealedPart, part_bytes, sealed_bytes
from platforms.snapchat.spec import MAX_PARTS, VIDEO_BYTES


def whole(seal: Seal, plain: bytes) -> bytes:
    """Encrypted in one go."""
    padder = PKCS7(128).padder()
    padded = padder.update(plain) + padder.finalize()
    cipher = Cipher(algorithms.AES256(seal.key), modes.CBC(seal.iv)).encryptor()
    return cipher.update(padded) + cipher.finalize()


@pytest.mark.trap("snapchat", 4)
@pytest.mark.trap("snapchat", 5)
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 63, 64, 65, 128, 200_001])
@pytest.mark.parametrize("part", [32, 64, 131_072])
@pytest.mark.parametrize("ask", [7, 65_536, -1])
def test_parts_that_are_made_alone_are_the_encrypted_file(
    size: int, part: int, ask: int
) -> None:
    if size > 1000 and (part < 1000 or ask == 7):
        return
    seal = Seal.of("secret", "nonce")
    plain = bytes(n % 251 for n in range(size))
    total = sealed_bytes(size)
    assert 1 <= total - size <= 16
    sent, tail = b"", seal.iv
    for start in range(0, total, part):
        stream = BytesIO(plain)
        stream.seek(start)
        length = min(part, total - start)
        made = SealedPart(seal, stream, length, tail, last=start + part >= total)
        block = b"".join(iter(lambda made=made: made.read(ask), b""))
        assert len(block) == length
        assert made.tail == block[-16:]
        sent, tail = sent + block, made.tail
    assert sent == whole(seal, plain)


@pytest.mark.trap("snapchat", 4)
@pytest.mark.trap("snapchat", 5)
@pytest.mark.parametrize("size", [1, 7_999_999, 280_000_000, VIDEO_BYTES])
def test_there_are_never_too_many_parts_nor_too_large_ones(size: int) -> None:
    part = part_bytes(size)
    assert part % 16 == 0
    # 32 MB are those of the whole request, with its wrapping.
    assert part <= 31_000_000
    assert -(-sealed_bytes(size) // part) <= MAX_PARTS


def test_each_upload_has_a_key_of_its_own_that_nothing_shows() -> None:
    one, same = Seal.of("secret", "n1"), Seal.of("secret", "n1")
    assert (one.key, one.iv) == (same.key, same.iv)
    assert (len(one.key), len(one.iv)) == (32, 16)
    others = [Seal.of("secret", "n2"), Seal.of("another", "n1")]
    assert len({seal.key for seal in (one, *others)}) == 3
    assert len({seal.check for seal in (one, *others)}) == 3
    assert one.key.hex() not in repr(one)
    assert one.check not in hashlib.sha256(one.key).hexdigest()


def test_a_part_is_read_in_pieces_however_long_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No more than a piece sits in memory."""
    seal = Seal.of("secret", "nonce")
    part = SealedPart(seal, BytesIO(bytes(1 << 20)), 1 << 20, seal.iv, last=False)
    part.read(65_536)
    assert len(part._ready) <= 65_536 + sealed.BLOCK
