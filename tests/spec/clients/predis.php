<?php
/* Predis with its sentinel replication; reads go to a replica, writes to the master.
 * argv: master name, then host:port of each monitor. Prints "OK <port>" or "ERR <text>" a write. */
require 'Predis/autoload.php';

$monitors = array_map(fn ($at) => "tcp://$at?timeout=0.5", array_slice($argv, 2));
$client = new Predis\Client($monitors, [
    'replication' => 'sentinel',
    'service' => $argv[1],
    'parameters' => ['timeout' => 0.5, 'read_write_timeout' => 1],
]);
for ($number = 1; true; $number++) {
    try {
        $client->get('predis');
        $client->set('predis', (string) $number);
        $port = $client->getConnection()->getMaster()->getParameters()->port;
        echo "OK $port\n";
    } catch (Predis\PredisException $error) {
        echo 'ERR ' . str_replace("\n", ' ', $error->getMessage()) . "\n";
    }
    usleep(50000);
}
