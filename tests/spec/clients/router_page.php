<?php
/* Pages of a shop with an object cache at 127.0.0.1:argv[1], until it is ended. The truth of each
 * product is a file in argv[2]; a cached value that is not from it, once the page that changed it is
 * through, is STALE. Only this process (argv[3]) changes its products, so it knows. */
[, $port, $truth, $me] = $argv;
$version = 0;
while (true) {
    try {
        $redis = new Redis();
        $redis->connect('127.0.0.1', (int) $port, 1.0, null, 0, 15.0);
        $redis->select(0);
        $redis->ping();
        $redis->info();
        for ($product = 0; $product < 20; $product++) {
            $key = "wp:products:$me-$product";
            $cached = $redis->get($key);
            $now = @file_get_contents("$truth/$me-$product");
            if ($cached !== false && $cached !== $now) {
                echo "STALE $key: $cached, not $now\n";
            }
            if ($cached === false && $now !== false && !$redis->set($key, $now)) {
                echo "FALSE $key\n";
            }
        }
        /* the owner changes a price: the truth first, then the cache forgets it */
        $product = $version % 20;
        file_put_contents("$truth/$me-$product", 'price ' . ++$version);
        if ($redis->del("wp:products:$me-$product") === false) {
            echo "FALSE del, version $version: {$redis->getLastError()}\n";
        }
        $redis->setex("wp:transient:$me", 600, (string) $version);
        $redis->zAdd('wp:metrics', $version, "$me-$version");
        $redis->close();
        echo "PAGE $version\n";
    } catch (RedisException $error) {
        echo 'EXCEPTION ' . $error->getMessage() . "\n";
    }
}
