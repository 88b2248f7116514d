<?php
/*
 * Pages of a site, one after another, each on a connection of its own: connect, AUTH, SELECT,
 * 60 reads, 10 writes, close.
 *
 *     php page.php HOST|PATH PORT PASSWORD SHAPE PAGES BEGIN_AT WORKER
 *
 * SHAPE is "single" (each command waits for its answer) or "batch" (the reads in one pipeline, the
 * writes in another). The first page is not measured. All workers begin at BEGIN_AT (unix time).
 * Every value names its key, so an answer that belongs to another request is seen.
 */
const READS = 60;
const WRITES = 10;
const KEYS = 1000;

[, $host, $port, $password, $shape, $pages, $begin_at, $worker] = $argv;
$told = ['ms' => [], 'failed' => 0, 'wrong' => 0, 'reads' => 0, 'writes' => 0, 'error' => null];

function value_of($key)
{
    return str_pad("value of $key;", 256, '.');
}

function tell($keys, $values, &$told)
{
    foreach ($keys as $i => $key) {
        if (!isset($values[$i]) || $values[$i] === false) {
            $told['failed']++;
        } elseif ($values[$i] !== value_of($key)) {
            $told['wrong']++;
        }
        $told['reads']++;
    }
}

function page($number, &$told)
{
    global $host, $port, $password, $shape, $worker;
    $redis = new Redis();
    $redis->connect($host, (int)$port, 5.0);
    $redis->auth($password);
    $redis->select(1);
    $keys = [];
    for ($i = 0; $i < READS; $i++) {
        $keys[] = 'page:' . (($number * 7 + $worker * 131 + $i * 13) % KEYS);
    }
    $is_batch = $shape === 'batch';
    $pipe = $is_batch ? $redis->multi(Redis::PIPELINE) : $redis;
    $values = [];
    foreach ($keys as $key) {
        $values[] = $pipe->get($key);
    }
    tell($keys, $is_batch ? $pipe->exec() : $values, $told);
    $pipe = $is_batch ? $redis->multi(Redis::PIPELINE) : $redis;
    $done = [];
    for ($i = 0; $i < WRITES; $i++) {
        $done[] = $pipe->setex("page:of:$worker:$i", 300, value_of($number));
    }
    $done = $is_batch ? $pipe->exec() : $done;
    $told['failed'] += WRITES - count(array_filter($done, fn($ok) => $ok === true));
    $told['writes'] += WRITES;
    $redis->close();
}

try {
    page(0, $told);
    while (microtime(true) < (float)$begin_at) {
        usleep(1000);
    }
    for ($number = 1; $number <= (int)$pages; $number++) {
        $began = hrtime(true);
        page($number, $told);
        $told['ms'][] = (hrtime(true) - $began) / 1e6;
    }
} catch (RedisException $error) {
    $told['error'] = $error->getMessage();
}
echo json_encode($told), "\n";
