#!/usr/bin/env python3
"""Archives made to do harm, extracted by purser: nothing outside DEST, nothing hangs, a clear error. Each case is a
generator; the ideas are those of CVE-2007-4559 and PEP 706 (Python), of Go's archive/tar and archive/zip tests
(insecure paths), and of libarchive's test_write_disk_secure and of the bombs that are known. Usage: hostile.py"""
import gzip
import io
import os
import stat
import struct
import subprocess
import tarfile
import warnings
import zipfile
import zlib

from rig import MIB, PURSER, Rig

warnings.filterwarnings("ignore", message="Duplicate name")
CASES = []
OK, REFUSED, CORRUPT = 0, 8, 9


def case(expect, *words):
    """expect: exit code, or several; words: what the error must say, and of the two special ones how to run it."""
    def add(make):
        CASES.append((make, expect if isinstance(expect, tuple) else (expect,), words))
        return make
    return add


class Tar:
    """Entries one by one, with whatever in them."""

    def __init__(self, format=tarfile.PAX_FORMAT):
        self.bytes = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.bytes, mode="w", format=format)

    def add(self, name, type=tarfile.REGTYPE, data=b"", **fields):
        info = tarfile.TarInfo(name)
        info.type, info.size = type, len(data)
        for field, value in fields.items():
            setattr(info, field, value)
        self.tar.addfile(info, io.BytesIO(data))
        return self

    def link(self, name, target):
        return self.add(name, tarfile.SYMTYPE, linkname=target)

    def hard(self, name, target):
        return self.add(name, tarfile.LNKTYPE, linkname=target)

    def done(self):
        self.tar.close()
        return self.bytes.getvalue()


def zipped(*entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.create_system = 3
            archive.writestr(info, data)
    return out.getvalue()


def header(name, size, type=b"0", link=b"", magic=b"ustar\x0000", mode=b"0000644\0"):
    """A raw ustar header: what tarfile would not write."""
    size = size if isinstance(size, bytes) else b"%011o\0" % size
    block = bytearray(name.ljust(100, b"\0")[:100] + mode + b"0000000\0" * 2 + size + b"00000000000\0" +
                      b" " * 8 + type + link.ljust(100, b"\0")[:100] + magic)
    block = block.ljust(512, b"\0")
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


END = bytes(1024)

# --- paths ---


@case(REFUSED, "absolute path")
def absolute_path(top):
    return Tar().add(f"{top}/outside/x", data=b"x").done()


@case(REFUSED, "absolute path")
def many_slashes(top):
    return Tar().add(f"///{top}/outside/x", data=b"x").done()


@case(REFUSED, "'..'")
def dot_dot(top):
    return Tar().add("../outside/x", data=b"x").done()


@case(REFUSED, "'..'")
def dot_dot_inside(top):
    return Tar().add("a/b/../../../outside/x", data=b"x").done()


@case(REFUSED, "'..'")
def dot_dot_that_stays(top):
    return Tar().add("a/../b", data=b"x").done()


@case(REFUSED, "'..'")
def dot_dot_directory(top):
    return Tar().add("..", tarfile.DIRTYPE, mode=0o777).done()


@case(REFUSED, "'..'")
def dot_dot_at_the_end(top):
    return Tar().add("a/..", tarfile.DIRTYPE).done()


@case(REFUSED, "'..'")
def dot_dot_in_gnu_long_name(top):
    return Tar(tarfile.GNU_FORMAT).add("a/" * 80 + "../" * 90 + "outside/x", data=b"x").done()


@case(REFUSED, "'..'")
def dot_dot_in_pax_path(top):
    return Tar().add("harmless", data=b"x", pax_headers={"path": "../outside/x"}).done()


@case(REFUSED, "too long")
def path_too_long(top):
    return Tar().add("a/" * 3000 + "x", data=b"x").done()


@case(REFUSED, "too long")
def name_too_long(top):
    return Tar().add("a" * 300, data=b"x").done()


@case((REFUSED, CORRUPT, OK))
def empty_name(top):
    return header(b"", 0) + END


@case(OK)
def dot_only(top):
    return Tar().add(".", tarfile.DIRTYPE, mode=0o000).add("./a", data=b"x").done()


@case(REFUSED, "name")
def dot_as_a_file(top):
    return Tar().add("./", data=b"x", type=tarfile.REGTYPE).link(".", "outside").done()


@case(REFUSED, "purser's own")
def our_temporary_names(top):
    return Tar().add(".purser-tmp-1-1", data=b"x").done()


@case(OK)
def control_bytes_in_a_name(top):
    return Tar().add("a\x1b[31m\nb", data=b"x").done()


@case(OK)
def backslashes(top):
    return Tar().add("..\\outside\\x", data=b"x").done()

# --- symbolic links ---


@case(REFUSED, "may lead out")
def link_absolute(top):
    return Tar().link("l", f"{top}/outside").add("l/x", data=b"x").done()


@case(REFUSED, "may lead out")
def link_up(top):
    return Tar().link("l", "..").add("l/outside/x", data=b"x").done()


@case(REFUSED, "may lead out")
def link_up_from_below(top):
    return Tar().link("a/b/l", "../../../outside").done()


@case(REFUSED, "may lead out")
def link_through_a_link(top):
    return Tar().link("here", ".").link("a/l", "../here/..").add("a/l/outside/x", data=b"x").done()


@case(REFUSED, "may lead out")
def link_down_and_up(top):
    return Tar().add("a", tarfile.DIRTYPE).link("l", "a/../..").done()


@case(REFUSED, "in the way")
def write_through_a_link_inside(top):
    return Tar().add("a", tarfile.DIRTYPE).link("l", "a").add("l/x", data=b"x").done()


@case(REFUSED, "in the way")
def directory_over_a_link(top):
    return Tar().link("l/m", "n").add("l/m/n", tarfile.DIRTYPE).done()


@case(REFUSED, "twice")
def file_over_its_link(top):
    return Tar().link("l", "a").add("l", data=b"x").done()


@case(REFUSED, "in the way", "outside-links")
def write_through_a_kept_link(top):
    return Tar().link("l", f"{top}/outside").add("l/x", data=b"x").done()


@case(REFUSED, "twice", "outside-links")
def replace_what_a_kept_link_names(top):
    return Tar().link("l", f"{top}/outside/canary").add("l", data=b"x").done()


@case((REFUSED, CORRUPT))
def link_to_nothing(top):
    return Tar().link("l", "").done()


@case(OK)
def link_loop(top):
    return Tar().link("a", "b").link("b", "a").done()


@case(REFUSED, "in the way")
def write_into_a_link_loop(top):
    return Tar().link("a", "b").link("b", "a").add("a/x", data=b"x").done()


@case(REFUSED, "in the way", "planted")
def link_that_was_there_before(top):
    return Tar().add("planted/x", data=b"x").done()

# --- hard links ---


@case(REFUSED, "absolute path")
def hard_link_absolute(top):
    return Tar().hard("h", f"{top}/outside/canary").add("h", data=b"x").done()


@case(REFUSED, "'..'")
def hard_link_up(top):
    return Tar().hard("h", "../outside/canary").done()


@case(REFUSED, "is no file")
def hard_link_to_a_link(top):
    return Tar().link("l", "a").hard("h", "l").done()


@case(REFUSED, "not there")
def hard_link_to_nothing(top):
    return Tar().hard("h", "missing").done()


@case(REFUSED, "is no file")
def hard_link_to_a_directory(top):
    return Tar().add("d", tarfile.DIRTYPE).hard("h", "d").done()


@case(REFUSED, "in the way", "outside-links")
def hard_link_through_a_kept_link(top):
    return Tar().link("l", f"{top}/outside").hard("h", "l/canary").done()


@case((REFUSED, OK))
def hard_link_to_itself(top):
    return Tar().add("h", data=b"x").hard("h", "h").done()

# --- kinds, modes, doubles ---


@case(REFUSED, "device, fifo or socket")
def character_device(top):
    return Tar().add("null", tarfile.CHRTYPE, devmajor=1, devminor=3).done()


@case(REFUSED, "device, fifo or socket")
def block_device(top):
    return Tar().add("disk", tarfile.BLKTYPE, devmajor=8, devminor=0).done()


@case(REFUSED, "device, fifo or socket")
def fifo(top):
    return Tar().add("pipe", tarfile.FIFOTYPE).done()


@case(OK)
def setuid_and_friends(top):
    return Tar().add("su", data=b"x", mode=0o7777, uid=0, gid=0).add("sd", tarfile.DIRTYPE, mode=0o7777).done()


@case(OK)
def closed_directory_first(top):
    return Tar().add("d", tarfile.DIRTYPE, mode=0o000).add("d/x", data=b"x").done()


@case(REFUSED, "twice")
def the_same_file_twice(top):
    return Tar().add("a", data=b"good").add("./a", data=b"bad").done()


@case(REFUSED, "twice")
def a_file_then_a_directory(top):
    return Tar().add("a", data=b"x").add("a", tarfile.DIRTYPE).done()


@case(REFUSED, "in the way")
def a_file_as_a_directory(top):
    return Tar().add("a", data=b"x").add("a/b", data=b"x").done()


@case(REFUSED, "is a directory")
def a_directory_by_itself_then_a_file(top):
    return Tar().add("a/b", data=b"x").add("a", data=b"x").done()


@case(OK)
def names_that_differ_in_case(top):  # this file system tells them apart
    return Tar().add("README", data=b"1").add("readme", data=b"2").done()

# --- bombs ---


@case(REFUSED, "extract.ratio_limit")
def gzip_bomb(top):
    out = io.BytesIO()
    zeros = bytes(MIB)
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as file:
        file.write(header(b"zeros", 400 * MIB))
        for _ in range(400):
            file.write(zeros)
    return out.getvalue()


@case(REFUSED, "extract.size_limit")
def size_over_the_limit(top):
    return header(b"big", 3 << 30) + END


@case(REFUSED, "extract.size_limit")
def sparse_exabytes(top):
    return Tar().add("hole", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                                          "GNU.sparse.name": "hole", "GNU.sparse.realsize": str(1 << 60)},
                     data=b"0\n".ljust(512, b"\0")).done()


@case(REFUSED, "extract.entry_limit")
def entries_over_the_limit(top):
    tar = Tar()
    for i in range(1100):
        tar.add(f"f{i}")
    return tar.done()


@case((REFUSED, CORRUPT))
def zip_bomb(top):
    return zipped(("zeros", bytes(400 * MIB), 0o644))[:0] or zip_of_zeros(400)


def zip_of_zeros(mib):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(packer.compress(bytes(MIB)) for _ in range(mib)) + packer.flush()
    crc = 0
    for _ in range(mib):
        crc = zlib.crc32(bytes(MIB), crc)
    local = struct.pack("<IHHHHHIIIHH", 0x04034b50, 20, 0, 8, 0, 0x21, crc, len(packed), mib * MIB, 5, 0) + b"zeros"
    return local + packed


@case((REFUSED, CORRUPT, OK))
def negative_size(top):
    return header(b"n", b"\xff" * 12) + END


@case((CORRUPT, REFUSED))
def endless_pax_header(top):
    return header(b"x", 1 << 33, b"x") + bytes(4096)


@case((CORRUPT, REFUSED, OK))  # passed over: what it says is not believed
def pax_header_of_hell(top):
    record = b"99999999999999999999 path=x\n"
    return header(b"x", len(record), b"x") + record.ljust(512, b"\0") + header(b"y", 0) + END


@case((CORRUPT, REFUSED, OK))
def sparse_map_out_of_order(top):
    data = b"2\n4096\n512\n0\n512\n".ljust(512, b"\0") + bytes(1024)
    return Tar().add("s", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s",
                                       "GNU.sparse.realsize": "8192"}, data=data).done()


@case((CORRUPT, REFUSED))
def sparse_name_that_leads_out(top):
    return Tar().add("s", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                                       "GNU.sparse.name": "../outside/x", "GNU.sparse.realsize": "1"},
                     data=b"1\n0\n1\n".ljust(512, b"\0") + b"x".ljust(512, b"\0")).done()

# --- broken ---


@case(CORRUPT, "no tar")
def not_an_archive(top):
    return os.urandom(100000)


@case(CORRUPT, "no tar")
def nothing_at_all(top):
    return b""


@case(CORRUPT, "no tar")
def gzip_of_no_archive(top):
    return gzip.compress(b"hello" * 1000)


@case(CORRUPT, "broken")
def cut_in_a_file(top):
    return Tar().add("a", data=b"x" * 100000).done()[:50000]


@case(CORRUPT)
def cut_gzip(top):
    return gzip.compress(Tar().add("a", data=os.urandom(100000)).done())[:50000]


@case(CORRUPT)
def gzip_with_a_wrong_crc(top):
    data = bytearray(gzip.compress(Tar().add("a", data=os.urandom(100000)).done()))
    data[50000] ^= 0x40
    return bytes(data)


@case((CORRUPT, REFUSED))
def wrong_header_checksum(top):
    good = bytearray(Tar().add("a", data=b"x").add("b", data=b"y").done())
    at = good.index(b"b\0", 1024)
    good[at + 148] = ord("7")
    return bytes(good)


@case((CORRUPT, REFUSED))
def zip_path_up(top):
    return zipped(("../outside/x", b"x", 0o644))


@case(REFUSED, "absolute path")
def zip_absolute(top):
    return zipped((f"{top}/outside/x", b"x", 0o644))


@case((REFUSED, OK))
def zip_link_up(top):  # a reader of a stream sees no modes of a plain zip: it becomes a file, which does no harm
    return zipped(("l", b"../outside", stat.S_IFLNK | 0o777), ("l/x", b"x", 0o644))


@case(REFUSED, "twice")
def zip_twice(top):
    return zipped(("a", b"x", 0o644), ("a", b"y", 0o644))


def snapshot(top):
    """All that lies in top but not in dest, with contents."""
    found = {}
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if os.path.join(folder, name) != os.path.join(top, "dest")]
        for name in folders + files:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            content = open(path, "rb").read() if stat.S_ISREG(status.st_mode) else os.readlink(path) \
                if stat.S_ISLNK(status.st_mode) else ""
            found[path] = (stat.S_IFMT(status.st_mode), status.st_mode & 0o7777, status.st_nlink, content)
    return found


def check_dest(dest):
    for folder, folders, files in os.walk(dest):
        for name in folders + files:
            mode = os.lstat(os.path.join(folder, name)).st_mode
            assert stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode), name
            assert stat.S_ISLNK(mode) or mode & 0o7000 == 0, f"{name}: {mode:o}"
            assert not name.startswith(".purser-"), name


def run_case(rig, make, expect, words, number):
    top = rig.dir / f"case{number}"
    outside, dest, store = top / "outside", top / "dest", rig.dir / "hostile"
    outside.mkdir(parents=True)
    (outside / "canary").write_text("alive")
    store.mkdir(exist_ok=True)
    flags = []
    words = list(words)
    if "outside-links" in words:
        words.remove("outside-links")
        flags.append("--outside-links")
    if "planted" in words:
        words.remove("planted")
        dest.mkdir()
        (dest / "planted").symlink_to("../outside")
    (store / "x").write_bytes(make(str(top)))
    before = snapshot(top)
    done = subprocess.run([PURSER, "get", "-q", f"file://{store}/x", str(dest), "--extract", *flags], env=rig.env,
                          capture_output=True, check=False, timeout=60)
    err = done.stderr.decode(errors="replace")
    name = make.__name__
    assert done.returncode in expect, f"{name}: exit {done.returncode}, not {expect}: {err}"
    assert snapshot(top) == before, f"{name}: something outside of DEST changed"
    assert done.returncode == 0 or (err.count("\n") == 1 and err.startswith("purser: ")), f"{name}: {err}"
    for word in words:
        assert word in err, f"{name}: no '{word}' in: {err}"
    if dest.exists():
        check_dest(dest)


def main():
    with Rig("file") as rig:
        rig.env.update(PURSER_EXTRACT_ENTRY_LIMIT="1000", PURSER_EXTRACT_SIZE_LIMIT="2GiB")
        failures = []
        for number, (make, expect, words) in enumerate(CASES):
            try:
                run_case(rig, make, expect, words, number)
            except (AssertionError, subprocess.TimeoutExpired) as error:
                failures.append(str(error))
        assert not failures, "\n".join(failures)
        print(f"{len(CASES)} hostile archives: nothing outside DEST, nothing hangs, a clear error each")


main()
