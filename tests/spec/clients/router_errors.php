<?php
/* What a page sees of the router at argv[1]: each call's result, in words. An exception is exit 1: a
 * WordPress page would be an HTTP 500. */
function word($value): string
{
    return is_bool($value) ? ($value ? 'true' : 'false') : (is_array($value) ? 'array' : (string) $value);
}

try {
    $redis = new Redis();
    $redis->connect('127.0.0.1', (int) $argv[1], 1.0, null, 0, 2.0);
    echo 'get=' . word($redis->get('a')) . "\n";
    echo 'set=' . word($redis->set('a', '1')) . "\n";
    echo 'mget=' . word($redis->mget(['a', 'b'])) . "\n";
    echo 'exec=' . word($redis->multi()->set('t', '1')->get('t')->exec()) . "\n";
    echo 'incr=' . word($redis->incr('n')) . "\n";
    echo 'again=' . word($redis->get('a')) . "\n";
} catch (RedisException $error) {
    echo 'EXCEPTION ' . $error->getMessage() . "\n";
    exit(1);
}
