/* ioredis with sentinels and its failover detector.
 * argv: master name, then host:port of each monitor. Prints "OK <port>" or "ERR <text>" a write. */
'use strict';
const { Redis } = require('ioredis');

const [name, ...monitors] = process.argv.slice(2);
const redis = new Redis({
  name,
  sentinels: monitors.map((at) => ({ host: at.split(':')[0], port: Number(at.split(':')[1]) })),
  failoverDetector: true,
  commandTimeout: 1000,
  sentinelRetryStrategy: () => 100,
});
redis.on('error', () => {});

async function write(number) {
  try {
    await redis.set('ioredis', String(number));
    console.log(`OK ${redis.stream.remotePort}`);
  } catch (error) {
    console.log(`ERR ${error.message}`);
  }
  setTimeout(write, 50, number + 1);
}
write(1);
