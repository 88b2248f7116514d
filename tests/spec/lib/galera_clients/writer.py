#!/usr/bin/python3
"""A python client of a Galera test that keeps its connection, until the file STOP is there:

    writer.py KIND NAME HOST:PORT TIMEOUT_S PAUSE_MS STOP     (as writer.php; KIND is python)

It prints the same JSON lines."""

import json
import os
import sys
import threading
import time

import pymysql

USER, PASSWORD, DATABASE = "app", "app-secret", "app"


def now_ms():
    return time.monotonic() * 1000


def attempt(connection, line):
    with connection.cursor() as cursor:
        line["stage"] = "read"
        cursor.execute("SELECT @@server_id")
        line["node"] = cursor.fetchone()[0]
        cursor.execute("SELECT value FROM options WHERE name = 'siteurl'")
        cursor.fetchone()
        line["stage"] = "write"
        line["write_ms"] = now_ms()
        cursor.execute("INSERT INTO written VALUES (%s, @@server_id, REPEAT('x', 100))",
                       (line["id"],))
        line["ok"] = True


def main():
    _, name, address, timeout_s, pause_ms, stop = sys.argv[1:]
    host, port = address.split(":")
    timeout_s = float(timeout_s)
    connection, number, never = None, 0, threading.Event()
    while not os.path.exists(stop):
        number += 1
        line = {"client": name, "id": f"{name}-{number}", "sent_ms": now_ms(), "write_ms": None,
                "node": None, "stage": "connect", "ok": False, "code": 0, "error": ""}
        try:
            if connection is None:
                connection = pymysql.connect(
                    host=host, port=int(port), user=USER, password=PASSWORD, database=DATABASE,
                    autocommit=True, connect_timeout=timeout_s, read_timeout=timeout_s,
                    write_timeout=timeout_s)
            attempt(connection, line)
        except (pymysql.MySQLError, OSError) as failure:
            code = failure.args[0] if failure.args else 0
            line["code"] = code if isinstance(code, int) else 0
            line["error"] = str(failure)
        line["done_ms"] = now_ms()
        if connection is not None and not line["ok"]:
            connection._force_close()  # close() would wait for a peer that may be silent
            connection = None
        print(json.dumps(line), flush=True)
        never.wait(int(pause_ms) / 1000)


main()
