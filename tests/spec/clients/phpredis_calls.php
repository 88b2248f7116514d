<?php
/* Every method of RedisSentinel once, as JSON: argv: host, port, master name. */
[, $host, $port, $name] = $argv;
$sentinel = new RedisSentinel($host, (int) $port, 1.0, null, 0, 1.0);
echo json_encode([
    'ping' => $sentinel->ping(),
    'addr' => $sentinel->getMasterAddrByName($name),
    'unknown' => $sentinel->getMasterAddrByName('unknown'),
    'master' => $sentinel->master($name),
    'masters' => $sentinel->masters(),
    'slaves' => $sentinel->slaves($name),
    'sentinels' => $sentinel->sentinels($name),
    'ckquorum' => $sentinel->ckquorum($name),
    'flushconfig' => $sentinel->flushconfig(),
    'reset' => $sentinel->reset('nothing*'),
]), "\n";
