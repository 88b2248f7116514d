'use strict';
/*
 * One Node client of failover_errors.py, a connection that lasts, until the file STOP is there:
 *   load.js KIND ID WAY TIMEOUT STOP        (as load.php; KIND is ioredis or node_redis)
 */
const fs = require('fs');
const path = require('path');

const [kind, id, way, timeout, stop] = process.argv.slice(2);
const modules = path.join(__dirname, '..', '..', 'spec', 'clients', 'node_modules');
const KEYS = 64;
const PAUSE_MS = 20;

const counts = {
  reads: 0, reads_failed: 0, writes: 0, writes_failed: 0, others: 0, others_failed: 0, aborted: 0,
  pages: 0, pages_failed: 0, foreign: 0, closed: 0, acked: 0,
};
const errors = {};
const gaps = [];
let lastOk = Date.now();
let told = 0;
let isEnding = false;

function note(what, error) {
  counts[what] += 1;
  if (error) {
    counts[`${what}_failed`] += 1;
    const text = `${what}: ${error.message || error}`;
    errors[text] = (errors[text] || 0) + 1;
    return;
  }
  const now = Date.now();
  if (now - lastOk > 100) {
    gaps.push([lastOk, now]);
  }
  lastOk = now;
  if (now - told > 100) {
    console.log(`T ${now}`);
    told = now;
  }
}

async function ask(what, call, check) {
  try {
    const reply = await call();
    if (!check(reply)) {
      counts.foreign += 1;
      errors[`foreign: ${JSON.stringify(reply)}`] = 1;
    }
    note(what);
  } catch (error) {
    note(what, error);
  }
}

/* One round: everything at once, which both libraries send as a pipeline. */
function round(client, number) {
  const all = [];
  for (let i = 0; i < 10; i += 1) {
    const key = `tag:${(i * 3 + number) % KEYS}`;
    all.push(ask('reads', () => client.get(key), (reply) => reply === `value of ${key}`));
  }
  all.push(ask('writes', () => client.set(`node:${id}`, `${number}`), (reply) => reply === 'OK'));
  all.push(ask('others', async () => {
    const reply = await client.incr(`count:${id}`);
    counts.acked += 1;
    return reply;
  }, Number.isInteger));
  return Promise.all(all);
}

function address(at) {
  return { host: at.split(':')[0], port: Number(at.split(':')[1]) };
}

function monitors() {
  return way.split('@')[1].split(',').map(address);
}

async function connectIoredis() {
  const Redis = require(path.join(modules, 'ioredis'));
  const common = { commandTimeout: timeout * 1000, maxRetriesPerRequest: 50 };
  const client = way.includes('@')
    ? new Redis({ ...common, sentinels: monitors(), name: way.split('@')[0] })
    : new Redis({ ...common, ...address(way) });
  client.on('error', () => {});
  client.on('close', () => { counts.closed += isEnding ? 0 : 1; });
  return client;
}

async function connectNodeRedis() {
  const { createClient, createSentinel } = require(path.join(modules, 'redis'));
  const client = way.includes('@')
    ? createSentinel({ name: way.split('@')[0], sentinelRootNodes: monitors() })
    : createClient({ RESP: 3, socket: address(way) });
  client.on('error', () => {});
  client.on('reconnecting', () => { counts.closed += isEnding ? 0 : 1; });
  await client.connect();
  return client;
}

async function main() {
  const client = await (kind === 'ioredis' ? connectIoredis() : connectNodeRedis());
  for (let number = 1; !fs.existsSync(stop); number += 1) {
    counts.pages += 1;
    await round(client, number);
    await new Promise((resolve) => { setTimeout(resolve, PAUSE_MS); });
  }
  isEnding = true;
  console.log(JSON.stringify({ kind, id, errors, gaps, ...counts }));
  process.exit(0);
}

process.on('unhandledRejection', () => {});
main();
