"""The smallest Ceph that serves S3: a monitor, an OSD that keeps all in memory, an RGW. Used by rig.py.

From Debian: ceph-mon ceph-osd ceph-common radosgw. Everything is in one directory and on 127.0.0.1. No cephx, so also no
encryption to the monitor, which RGW asks for by default (`ms mon client mode`). No manager: nothing here needs its figures.
"""
import os
import socket
import subprocess
import time
import uuid

CONF = """[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon_port}/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
run dir = {dir}
log file = {dir}/$name.log
admin socket = {dir}/$name.asok
pid file =
crash dir = {dir}
keyring = /dev/null
mon data = {dir}/mon
mon allow pool size one = true
mon pg warn min per osd = 0
mon cluster log file = {dir}/cluster.log
osd data = {dir}/osd
osd objectstore = memstore
memstore device bytes = 8589934592
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd crush update on start = true
rgw gc obj min wait = 0
rgw gc processor period = 1
rgw gc processor max time = 1
rgw frontends = beast endpoint=127.0.0.1:{rgw_port}
rgw dns name = localhost
rgw thread pool size = 64
"""


class CephCluster:
    """mon_port: for the monitor; rgw_port: where start_rgw() will answer."""

    def __init__(self, directory, mon_port, rgw_port):
        self.dir = directory
        self.dir.mkdir()
        self.conf = directory / "ceph.conf"
        self.fsid = str(uuid.uuid4())
        self.mon_port = mon_port
        self.conf.write_text(CONF.format(dir=directory, fsid=self.fsid, rgw_port=rgw_port, mon_port=mon_port))
        self.daemons = []
        try:
            self._start_monitor()
            self._start_osd()
        except Exception:
            self.stop()
            raise

    def _command(self, *args):
        return [args[0], "--conf", str(self.conf), *map(str, args[1:])]

    def _run(self, *args):
        done = subprocess.run(self._command(*args), capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, f"{args}: {done.returncode}\n{done.stdout.decode()}{done.stderr.decode()}"
        return done.stdout.decode()

    def _start(self, log, *args):
        return subprocess.Popen(self._command(*args), stdout=log, stderr=log)

    def _start_daemon(self, *args):
        with open(self.dir / "daemons.out", "ab") as log:
            self.daemons.append(self._start(log, *args))

    def _start_monitor(self):
        monmap = self.dir / "monmap"
        subprocess.run(["monmaptool", "--create", "--fsid", self.fsid, "--addv", "a",
                        f"[v2:127.0.0.1:{self.mon_port}]", str(monmap)], check=True, capture_output=True)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        self._start_daemon("ceph-mon", "-f", "-i", "a")

    def _start_osd(self):
        osd = str(uuid.uuid4())
        (self.dir / "osd").mkdir()
        assert self._run("ceph", "osd", "new", osd).strip() == "0"
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._start_daemon("ceph-osd", "-f", "-i", "0")

    def create_user(self, key, secret):
        self._run("radosgw-admin", "user", "create", "--uid", "test", "--display-name", "test", "--access-key", key,
                  "--secret-key", secret)

    def start_rgw(self, log):
        return self._start(log, "radosgw", "-f", "-n", "client.rgw")

    def stop(self):
        for daemon in reversed(self.daemons):
            daemon.kill()
            daemon.wait()
        self.daemons = []
