<?php
/*
 * A PHP client of a Galera test, until the file STOP is there:
 *
 *     writer.php KIND NAME HOST:PORT TIMEOUT_S PAUSE_MS STOP     KIND: page | persistent
 *
 * `page` is what a page of WordPress does: it connects, says SET NAMES, reads some options, writes
 * one row and leaves. `persistent` keeps its connection until an error. Prints one JSON line an
 * attempt: times are of the monotonic clock, so that all clients of a machine can be compared.
 */
const USER = 'app', PASSWORD = 'app-secret', DATABASE = 'app';

[, $kind, $name, $address, $timeout_s, $pause_ms, $stop] = $argv;
[$host, $port] = explode(':', $address);
/* A connection that breaks warns as well as throws; the exception is what is counted. */
error_reporting(E_ALL & ~E_WARNING);
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);

function now_ms(): float
{
    return hrtime(true) / 1e6;
}

function connected(string $host, int $port, int $timeout_s): mysqli
{
    $db = mysqli_init();
    $db->options(MYSQLI_OPT_CONNECT_TIMEOUT, $timeout_s);
    $db->options(MYSQLI_OPT_READ_TIMEOUT, $timeout_s);
    $db->real_connect($host, USER, PASSWORD, DATABASE, $port);
    $db->query("SET NAMES utf8mb4");
    return $db;
}

$db = null;
for ($number = 1; !file_exists($stop); $number++) {
    $id = "$name-$number";
    $line = ['client' => $name, 'id' => $id, 'sent_ms' => now_ms(), 'write_ms' => null,
             'node' => null, 'stage' => 'connect', 'ok' => false, 'code' => 0, 'error' => ''];
    try {
        $db = $db ?? connected($host, (int)$port, (int)$timeout_s);
        $line['stage'] = 'read';
        $line['node'] = (int)$db->query("SELECT @@server_id")->fetch_row()[0];
        $db->query("SELECT value FROM options WHERE name = 'siteurl'")->fetch_row();
        $db->query("SELECT name, value FROM options")->fetch_all();
        $line['stage'] = 'write';
        $line['write_ms'] = now_ms();
        $db->query("INSERT INTO written VALUES ('$id', @@server_id, REPEAT('x', 100))");
        $line['ok'] = true;
    } catch (mysqli_sql_exception $failure) {
        $line['code'] = $failure->getCode();
        $line['error'] = $failure->getMessage();
    }
    $line['done_ms'] = now_ms();
    if ($db !== null && ($kind === 'page' || !$line['ok'])) {
        try {
            $db->close();
        } catch (mysqli_sql_exception) {
            /* it is gone either way */
        }
        $db = null;
    }
    fwrite(STDOUT, json_encode($line, JSON_INVALID_UTF8_SUBSTITUTE) . "\n");
    usleep(1000 * (int)$pause_ms);
}
