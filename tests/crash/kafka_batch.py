"""A reader of Kafka log segments (RecordBatch v2) written from Kafka's protocol description alone,
so that our segments are judged by something that shares no code with their writer."""

import struct

import pyarrow

TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


class Bytes:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if n < 0 or self.at + n > len(self.data):
            raise ValueError(f"{n} bytes at {self.at} of {len(self.data)}")
        self.at += n
        return self.data[self.at - n:self.at]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value >> 1 ^ -(value & 1)

    def sized(self):
        n = self.varint()
        return None if n == -1 else self.take(n)


def records(data):
    """(offset, timestamp, key, value) of every record; stops at the zeros of a preallocated tail."""
    at = 0
    while at + 61 <= len(data) and any(data[at:at + 61]):
        (base, length, epoch, magic, crc, attributes, last_delta, base_ts, max_ts, producer, producer_epoch,
         sequence, count) = struct.unpack_from(">qiibIhiqqqhii", data, at)
        body = data[at + 21:at + 12 + length]
        assert magic == 2 and len(body) == length - 9, (at, magic, length)
        assert crc == crc32c(body), f"CRC of the batch at {at}"
        assert (epoch, producer, producer_epoch, sequence) == (0, -1, -1, -1)
        assert last_delta == count - 1
        payload = data[at + 61:at + 12 + length]
        if attributes & 7 == 4:
            payload = pyarrow.CompressedInputStream(pyarrow.BufferReader(payload), "zstd").read()
        else:
            assert attributes == 0, attributes
        c = Bytes(payload)
        stamps = []
        for i in range(count):
            r = Bytes(c.take(c.varint()))
            assert r.take(1) == b"\0"
            ts, delta = base_ts + r.varint(), r.varint()
            key, value = r.sized(), r.sized()
            headers = [(r.sized(), r.sized()) for _ in range(r.varint())]
            assert delta == i and r.at == len(r.data) and all(name for name, _ in headers)
            stamps.append(ts)
            yield base + delta, ts, key, value
        assert c.at == len(payload) and max(stamps) == max_ts
        at += 12 + length
