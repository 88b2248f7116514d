<?php
/*
 * One PHP client of failover_errors.py, until the file argv[5] is there.
 *   load.php KIND ID WAY TIMEOUT STOP
 * KIND is wordpress, predis, session or w3tc; WAY is host:port, or NAME@host:port,... of the
 * monitors; TIMEOUT seconds are what it waits for one answer. Prints "T <unix ms>" now and then
 * while it succeeds, and a line of JSON at the end.
 */
const KEYS = 64;
const PAUSE_US = 120000;

[, $kind, $id, $way, $timeout, $stop] = $argv;
$timeout = (float) $timeout;

/* Past PHP's own output: sessions may not begin after that. */
function say(string $line): void
{
    fwrite(STDOUT, "$line\n");
}

function now_ms(): float
{
    return microtime(true) * 1000;
}

/* What happened, for the line at the end. */
class Tally
{
    public array $counts = ['reads' => 0, 'reads_failed' => 0, 'writes' => 0, 'writes_failed' => 0,
                            'others' => 0, 'others_failed' => 0, 'aborted' => 0, 'pages' => 0,
                            'pages_failed' => 0, 'foreign' => 0, 'closed' => 0, 'acked' => 0];
    public array $errors = [];
    public array $gaps = [];
    private float $last_ok;
    private float $told = 0;

    public function __construct()
    {
        $this->last_ok = now_ms();
    }

    /* kind is reads, writes or others */
    public function note(string $kind, bool $is_ok, ?string $error = null): void
    {
        $this->counts[$kind]++;
        if (!$is_ok) {
            $this->counts[$kind . '_failed']++;
            $this->error($kind . ': ' . ($error ?? 'false'));
            return;
        }
        $now = now_ms();
        if ($now - $this->last_ok > 100) {
            $this->gaps[] = [$this->last_ok, $now];
        }
        $this->last_ok = $now;
        if ($now - $this->told > 100) {
            say('T ' . (int) $now);
            $this->told = $now;
        }
    }

    public function error(string $text): void
    {
        $this->errors[$text] = ($this->errors[$text] ?? 0) + 1;
    }

    public function thrown(Throwable $error): void
    {
        $this->counts['pages_failed']++;
        $text = $error->getMessage();
        $is_network = '/read error|went away|closed|lost|refused|reset|broken|while reading/i';
        if (!str_contains($text, 'holdfast:') && preg_match($is_network, $text)) {
            $this->counts['closed']++;
        }
        $this->error('page: ' . preg_replace('/[0-9.]+:[0-9]+/', 'address', $text));
    }

    /* A pause of the client is no stall of the server's, unless it is in one already. */
    public function pause(bool $was_ok): void
    {
        usleep(PAUSE_US + random_int(0, PAUSE_US / 4));
        if ($was_ok) {
            $this->last_ok = now_ms();
        }
    }
}

/* [host, port] of the master, asked now when the way is by the monitors. */
function where(string $way): array
{
    if (!str_contains($way, '@')) {
        [$host, $port] = explode(':', $way);
        return [$host, (int) $port];
    }
    [$name, $monitors] = explode('@', $way);
    foreach (explode(',', $monitors) as $monitor) {
        [$host, $port] = explode(':', $monitor);
        try {
            $sentinel = new RedisSentinel($host, (int) $port, 0.5, null, 0, 0.5);
            $at = $sentinel->getMasterAddrByName($name);
            if (is_array($at) && count($at) === 2) {
                return [$at[0], (int) $at[1]];
            }
        } catch (RedisException $error) {
            continue;
        }
    }
    throw new RedisException('no monitor answers: refused');
}

function connection(string $way, float $timeout): Redis
{
    [$host, $port] = where($way);
    $redis = new Redis();
    if (!$redis->connect($host, $port, 1.0, null, 0, $timeout)) {
        throw new RedisException('connect: refused');
    }
    return $redis;
}

function read_value(Tally $tally, string $key, $value, ?string $error): void
{
    $is_ok = is_string($value);
    if ($is_ok && $value !== "value of $key") {
        $tally->counts['foreign']++;
        $tally->error("$key is $value");
    }
    $tally->note('reads', $is_ok, $error ?? 'nothing there');
}

/* What a page of WordPress with Redis Object Cache asks. $last tells what the client library knows
 * of an error that it did not throw. */
function page($redis, Tally $tally, string $id, int $number, callable $last): void
{
    $redis->select(0);
    $tally->note('reads', (bool) $redis->ping(), $last());
    if ($redis instanceof Redis) { /* Predis has no INFO where it discovers */
        $tally->note('reads', !empty($redis->info()), $last());
    }
    for ($i = 0; $i < 52; $i++) {
        $key = 'tag:' . ($i * 5 + $number) % KEYS;
        read_value($tally, $key, $redis->get($key), $last());
    }
    for ($i = 0; $i < 6; $i++) {
        $keys = array_map(fn ($n) => 'tag:' . ($n + $i + $number) % KEYS, range(0, 4));
        $values = $redis->mget($keys);
        foreach ($keys as $n => $key) {
            read_value($tally, $key, is_array($values) ? ($values[$n] ?? false) : false, $last());
        }
    }
    for ($i = 0; $i < 3; $i++) {
        $tally->note('writes', (bool) $redis->setex("page:$id:$i", 600, "$number"), $last());
    }
    $tally->note('writes', in_array($redis->del("page:$id:0"), [0, 1], true), $last());
    $count = $redis->incr("count:$id");
    $tally->counts['acked'] += is_int($count) ? 1 : 0;
    $tally->note('others', is_int($count), $last());
    $tally->note('writes', in_array($redis instanceof Redis
        ? $redis->zAdd("metrics:$id", $number, 'm' . $number % 50)
        : $redis->zadd("metrics:$id", ['m' . $number % 50 => $number]), [0, 1], true), $last());
}

function wordpress(Tally $tally, int $number): void
{
    global $id, $way, $timeout;
    $redis = connection($way, $timeout);
    page($redis, $tally, $id, $number, function () use ($redis) {
        $error = $redis->getLastError();
        $redis->clearLastError();
        return $error;
    });
    $redis->close();
}

function predis(Tally $tally, int $number): void
{
    global $id, $way, $timeout;
    static $client = null;
    $parameters = ['timeout' => 1.0, 'read_write_timeout' => $timeout];
    if ($client === null && str_contains($way, '@')) {
        [$name, $monitors] = explode('@', $way);
        $client = new Predis\Client(
            array_map(fn ($at) => "tcp://$at?timeout=0.5", explode(',', $monitors)),
            ['replication' => 'sentinel', 'service' => $name, 'parameters' => $parameters]
        );
    } elseif ($client === null) {
        [$host, $port] = where($way);
        $client = new Predis\Client(['host' => $host, 'port' => $port] + $parameters);
    }
    try {
        page($client, $tally, $id, $number, fn () => null);
        $client->disconnect();
    } catch (Predis\PredisException $error) {
        $client->disconnect();
        throw $error;
    }
}

/* A session with a lock, by phpredis' own handler; it counts its pages. */
function session(Tally $tally, int $number): void
{
    global $id, $way, $timeout;
    static $last = 0;
    [$host, $port] = where($way);
    session_save_path("tcp://$host:$port?timeout=1&read_timeout=$timeout&prefix=sess:");
    session_id("session$id");
    $is_open = session_start();
    $tally->note('others', $is_open, 'session_start');
    if (!$is_open) {
        throw new RedisException('the session does not start');
    }
    $count = $_SESSION['count'] ?? 0;
    if (($_SESSION['owner'] ?? $id) !== $id || $count > $last) {
        $tally->counts['foreign']++;
    }
    $_SESSION = ['count' => $number, 'owner' => $id];
    $is_kept = session_write_close();
    $tally->note('others', $is_kept, 'session_write_close');
    $last = $number;
}

/* W3 Total Cache: what it changes it watches. */
function w3tc(Tally $tally, int $number): void
{
    global $id, $way, $timeout;
    $redis = connection($way, $timeout);
    $redis->select(0);
    for ($i = 0; $i < 5; $i++) {
        $watched = $redis->watch("w3tc:$id");
        $value = $redis->get("w3tc:$id");
        $done = $redis->multi()->setex("w3tc:$id", 600, "$id at $number")->exec();
        if (is_string($value) && !str_starts_with($value, "$id at ")) {
            $tally->counts['foreign']++;
        }
        $tally->counts['aborted'] += $done === false ? 1 : 0;
        $tally->note('others', $watched !== false, 'watch');
        read_value($tally, 'tag:7', $redis->get('tag:7'), $redis->getLastError());
    }
    $redis->close();
}

ini_set('session.save_handler', 'redis');
ini_set('session.use_cookies', '0');
ini_set('session.cache_limiter', '');
ini_set('session.gc_probability', '0');
ini_set('redis.session.locking_enabled', '1');
ini_set('redis.session.lock_expire', '10');
ini_set('redis.session.lock_retries', '400');
ini_set('redis.session.lock_wait_time', '20000');
if ($kind === 'predis') {
    require 'Predis/autoload.php';
}
$tally = new Tally();
set_error_handler(function (int $level, string $text) use ($tally): bool {
    $tally->error('warning: ' . preg_replace('/[0-9.]+:[0-9]+/', 'address', $text));
    return true;
});
usleep(random_int(0, PAUSE_US));
for ($number = 1; !file_exists($stop); $number++) {
    $was_ok = false;
    try {
        $tally->counts['pages']++;
        $kind($tally, $number);
        $was_ok = true;
    } catch (RedisException | Error $error) {
        $tally->thrown($error);
        @session_abort();
    } catch (Exception $error) { /* Predis' */
        $tally->thrown($error);
    }
    $tally->pause($was_ok);
    clearstatcache();
}
say(json_encode(['kind' => $kind, 'id' => $id, 'errors' => (object) $tally->errors,
                  'gaps' => $tally->gaps] + $tally->counts));
