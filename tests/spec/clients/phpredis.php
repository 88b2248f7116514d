<?php
/* A PHP page's way with phpredis: ask RedisSentinel for the master, write, ask again after an error.
 * argv: master name, then host:port of each monitor. Prints "OK <port>" or "ERR <text>" a write. */
$name = $argv[1];
$monitors = array_slice($argv, 2);

function find_master(string $name, array $monitors): array
{
    foreach ($monitors as $monitor) {
        [$host, $port] = explode(':', $monitor);
        try {
            $sentinel = new RedisSentinel($host, (int) $port, 0.5, null, 0, 0.5);
            $addr = $sentinel->getMasterAddrByName($name);
            if (is_array($addr) && count($addr) === 2) {
                return $addr;
            }
        } catch (RedisException $error) {
            continue;
        }
    }
    throw new RedisException('no monitor answers');
}

$redis = null;
$port = 0;
for ($number = 1; true; $number++) {
    try {
        if ($redis === null) {
            [$host, $port] = find_master($name, $monitors);
            $redis = new Redis();
            $redis->connect($host, (int) $port, 0.5, null, 0, 0.5);
        }
        if ($redis->set('phpredis', (string) $number) !== true) {
            throw new RedisException($redis->getLastError() ?? 'not stored');
        }
        echo "OK $port\n";
    } catch (RedisException $error) {
        echo 'ERR ' . $error->getMessage() . "\n";
        $redis = null;
    }
    usleep(50000);
}
