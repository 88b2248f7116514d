/* node-redis' createSentinel.
 * argv: master name, then host:port of each monitor. Prints "OK <port>" or "ERR <text>" a write;
 * the port is the data node's own answer, since the client does not show its connection. */
'use strict';
const { createSentinel } = require('redis');

const [name, ...monitors] = process.argv.slice(2);
const sentinel = createSentinel({
  name,
  sentinelRootNodes: monitors.map((at) => (
    { host: at.split(':')[0], port: Number(at.split(':')[1]) })),
  nodeClientOptions: { commandOptions: { timeout: 1000 } },
});
sentinel.on('error', () => {});

function within(promise, ms) {
  return Promise.race([promise, new Promise((_, reject) => {
    setTimeout(reject, ms, new Error('timeout'));
  })]);
}

async function write(number) {
  try {
    await within(sentinel.set('node-redis', String(number)), 1500);
    const info = await within(sentinel.use((client) => client.info('server')), 1500);
    console.log(`OK ${/tcp_port:(\d+)/.exec(info)[1]}`);
  } catch (error) {
    console.log(`ERR ${error.message}`);
  }
  setTimeout(write, 50, number + 1);
}

sentinel.connect().then(() => write(1), (error) => {
  console.log(`ERR connect: ${error.message}`);
  process.exit(1);
});
