#!/usr/bin/env python3
"""Archives as Python and GNU tar see and make them: the judge of ours. Usage: archive_judge.py list FORMAT FILE | make NAME FILE"""
import gzip
import io
import os
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib

MIB = 1 << 20
TIME = 1700000000


def noise(size):
    """Bytes that no deflater makes smaller, the same each time."""
    data, state = bytearray(), 12345
    while len(data) < size:
        state = (state * 6364136223846793005 + 1442695040888963407) & ((1 << 64) - 1)
        data += struct.pack("<Q", state)[3:]
    return bytes(data[:size])


FILES = {"a.txt": b"a text\n", "big.bin": noise(400000), "dir/\u00e9": b"<p>", "empty": b"", "zeros": bytes(3 * MIB),
         "last": b"the last one"}


# --- list: a row a member: kind name size mtime mode crc32 ---

def row(kind, name, data, mtime, mode):
    print(kind, name, len(data), mtime, "%o" % mode, "%08x" % zlib.crc32(data))


def list_tar(file):
    subprocess.run(["tar", "-tf", file], check=True, stdout=subprocess.DEVNULL)  # is stricter at times, and laxer at others
    with tarfile.open(file, errorlevel=2) as tar:
        for member in tar:
            assert member.uid == 0 and member.gid == 0, member.get_info()
            data = tar.extractfile(member).read() if member.isfile() else b""
            row("dir" if member.isdir() else "file", member.name, data, int(member.mtime), member.mode)


def check_gzip(data):
    """One member whose trailer holds, and nothing behind it."""
    inflater = zlib.decompressobj(31)
    inflater.decompress(data)
    assert inflater.eof and inflater.unused_data == b"", len(inflater.unused_data)


def list_zip(file):
    with open(file, "rb") as data:
        end = data.read()[-22:]
    assert end[:4] == b"PK\5\6" and end[20:] == b"\0\0", "its directory's end is not the file's"
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        for info in archive.infolist():
            mode = info.external_attr >> 16
            assert info.is_dir() == stat.S_ISDIR(mode), oct(mode)
            # The extra field of Info-ZIP has the time in UTC; that of DOS is local, to two seconds.
            extra, mtime = info.extra, 0
            while len(extra) >= 4:
                kind, size = struct.unpack_from("<HH", extra)
                if kind == 0x5455 and size >= 5:
                    mtime = struct.unpack_from("<I", extra, 5)[0]
                extra = extra[4 + size:]
            row("dir" if info.is_dir() else "file", info.filename.rstrip("/"), archive.read(info), mtime, mode & 0o7777)


def list_archive(form, file):
    if form == "zip":
        list_zip(file)
        return
    if form == "tar.gz":
        with open(file, "rb") as data:
            check_gzip(data.read())
    list_tar(file)


# --- make ---

def add(tar, name, data=b"", **more):
    info = tarfile.TarInfo(name)
    info.size, info.mtime = len(data), TIME
    for key, value in more.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(data))


def tar_of(fill, form=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        fill(tar)
    return out.getvalue()


def usual(tar):
    for name, data in FILES.items():
        add(tar, "./" + name, data)
    add(tar, "link", type=tarfile.SYMTYPE, linkname="../../etc/passwd")
    add(tar, "hard", type=tarfile.LNKTYPE, linkname="./a.txt")
    add(tar, "fifo", type=tarfile.FIFOTYPE)


class Pipe(io.RawIOBase):
    """Python's zipfile writes to it as to a pipe: sizes stand behind the bytes."""

    def __init__(self):
        self.data = b""

    def writable(self):
        return True

    def write(self, data):
        self.data += bytes(data)
        return len(data)


def zip_of(files, out=None, kind=None):
    out = out if out is not None else io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i, (name, data) in enumerate(files):
            chosen = kind if kind is not None else zipfile.ZIP_DEFLATED if i % 2 else zipfile.ZIP_STORED
            archive.writestr(zipfile.ZipInfo(name, (2023, 11, 14, 22, 13, 20)), data, chosen)
    return out.data if isinstance(out, Pipe) else out.getvalue()


def zstd(data, *flags):
    """From a pipe: the frame does not tell its size, so its window is as large as the level says."""
    return subprocess.run(["zstd", "-q", *flags], input=data, capture_output=True, check=True).stdout


def hostile(tar):
    """What an extractor must not do; a list shows it, and nothing else happens."""
    add(tar, "../up", b"up")
    add(tar, "/etc/passwd", b"root")
    add(tar, "a\nb", b"line")
    add(tar, "same", b"first")
    add(tar, "same", b"second")
    add(tar, "x" * 3000, b"long")


def sparse():
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/sparse", "wb") as file:
            file.seek(3 * MIB)
            file.write(b"end")
            file.truncate(4 * MIB)
        subprocess.run(["tar", "-C", folder, "-Scf", folder + "/out", "sparse"], check=True)
        with open(folder + "/out", "rb") as file:
            return file.read()


def encrypted():
    """The flag of encryption at both places; the bytes do not matter."""
    data = bytearray(zip_of([("secret", b"hidden"), ("plain", b"seen")], kind=zipfile.ZIP_STORED))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


def large_zip():
    return zip_of([(str(i), noise(2 * MIB) if i % 2 else b"small") for i in range(24)], kind=zipfile.ZIP_STORED)


def flipped_zip():
    data = bytearray(zip_of([("one", noise(200000)), ("two", b"2")], kind=zipfile.ZIP_STORED))
    data[100000] ^= 1
    return bytes(data)


MAKE = {
    "tar": lambda: tar_of(usual),
    "gnu.tar": lambda: tar_of(usual, tarfile.GNU_FORMAT),
    "tar.gz": lambda: gzip.compress(tar_of(usual), 6, mtime=0),
    "tar.zst": lambda: zstd(tar_of(usual)),
    "ultra.tar.zst": lambda: zstd(tar_of(usual), "-19"),  # 8 MiB
    "long.tar.zst": lambda: zstd(tar_of(usual), "--long=27"),  # 128 MiB
    "skip.tar.zst": lambda: b"\x53\x2a\x4d\x18\4\0\0\0data" + zstd(tar_of(usual)),  # RFC 8878 3.1.2
    "twice.tar.gz": lambda: gzip.compress(zstd(tar_of(usual), "--long=27"), mtime=0),
    "zip": lambda: zip_of(FILES.items()),
    "lzma.zip": lambda: zip_of([("packed", b"x" * 1000)], kind=zipfile.ZIP_LZMA),
    "bzip2.zip": lambda: zip_of([("packed", b"x" * 1000)], kind=zipfile.ZIP_BZIP2),
    "stream.zip": lambda: zip_of(FILES.items(), Pipe()),
    "none.zip": lambda: zip_of([]),
    "none.tar": lambda: tar_of(lambda tar: None),
    "hostile.tar": lambda: tar_of(hostile),
    "sparse.tar": sparse,
    "encrypted.zip": encrypted,
    "large.zip": large_zip,
    "flipped.zip": flipped_zip,
    "cut.tar.gz": lambda: gzip.compress(tar_of(usual), 6, mtime=0)[:300000],
    "cut.zip": lambda: zip_of(FILES.items())[:-100],
    "text": lambda: b"no archive at all, but long enough to be looked at. " * 100,
    "bomb.zip": lambda: zip_of([("bomb", bytes(32 * MIB))], kind=zipfile.ZIP_DEFLATED),
    "bomb.tar.gz": lambda: gzip.compress(tar_of(lambda tar: add(tar, "bomb", bytes(32 * MIB))), 9, mtime=0),
    "wide.zip": lambda: zip_of([("%05d" % i, b"") for i in range(40000)], kind=zipfile.ZIP_STORED),
    "huge.zip": lambda: zip_of([("bomb", bytes(300 * MIB))], kind=zipfile.ZIP_DEFLATED),
    "huge.tar.gz": lambda: gzip.compress(tar_of(lambda tar: add(tar, "bomb", bytes(300 * MIB))), 1, mtime=0),
    "many.tar": lambda: tar_of(lambda tar: [add(tar, "%05d" % i, b"%d" % i) for i in range(3000)]),
}


def main():
    if sys.argv[1] == "list":
        list_archive(sys.argv[2], sys.argv[3])
    else:
        with open(sys.argv[3], "wb") as file:
            file.write(MAKE[sys.argv[2]]())


if __name__ == "__main__":
    main()
