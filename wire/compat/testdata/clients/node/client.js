// A client of memjs:
//
//	client.js HOST PORT [USER PASSWORD]
//
// It does what its users do and checks each answer, prints a line for each check,
// and last how many passed. When it has stored client:ready, the driver
// (languages_test.go) stores driver:..., driver:ready last; and in the end it looks at
// client:..., all by the other protocol. With a user, where there is no text
// protocol, it reads what python/client.py left.
'use strict';

const memjs = require('memjs');

let passed = 0;
let failed = 0;

function check(holds, what) {
  console.log((holds ? '' : 'not ') + 'ok - ' + what);
  if (holds) { passed++; } else { failed++; }
}

function equal(got, want, what) {
  if (got !== want) { console.log('# got %s, wanted %s', String(got).slice(0, 100), String(want).slice(0, 100)); }
  check(got === want, what);
}

async function rejects(promise, message, what) {
  try {
    console.log('# resolved to', await promise);
    check(false, what);
  } catch (e) {
    const said = String(e.message || e); // some are strings
    if (!message.test(said)) { console.log('# rejected with', said); }
    check(message.test(said), what);
  }
}

const pattern = (n) => 'abcdefghijklmnopqrstuvw'.repeat(n / 23 + 1).slice(0, n);

async function text(c, key) {
  const { value } = await c.get(key);
  return value === null ? null : value.toString();
}

async function flags(c, key) {
  return (await c.get(key)).flags.toString('hex');
}

async function storing(c) {
  equal(await c.set('value', 'first'), true, 'set');
  equal(await text(c, 'value'), 'first', 'get what was set');
  equal(await flags(c, 'value'), '00000000', 'its flags');
  equal(await text(c, 'nobody'), null, 'get of what is not there');
  equal(await c.set('binary', Buffer.from([0, 255, 13, 10, 0])), true, 'set of bytes');
  equal((await c.get('binary')).value.toString('hex'), '00ff0d0a00', 'get of them');
  equal(await c.set('empty', ''), true, 'set of nothing');
  equal(await text(c, 'empty'), '', 'get of nothing');

  equal(await c.add('added', 'one'), true, 'add');
  equal(await c.add('added', 'two'), false, 'add again');
  equal(await text(c, 'added'), 'one', 'the first of the adds stays');
  equal(await c.replace('added', 'three'), true, 'replace');
  equal(await text(c, 'added'), 'three', 'get what was replaced');
  equal(await c.replace('nobody', 'x'), false, 'replace of what is not there');
  equal(await c.append('added', ' tail'), true, 'append');
  equal(await text(c, 'added'), 'three tail', 'get what was appended to');
  await rejects(c.append('nobody', 'x'), /Item not stored/i, 'append to what is not there');

  equal(await c.delete('added'), true, 'delete');
  equal(await c.delete('added'), false, 'delete again');
  equal(await text(c, 'added'), null, 'get what was deleted');
}

async function counting(c) {
  const count = async (promise, want, what) => equal((await promise).value, want, what);
  await count(c.increment('counter', 5, { initial: 10 }), 10, 'increment with an initial value');
  await count(c.increment('counter', 5, { initial: 10 }), 15, 'increment');
  await count(c.decrement('counter', 6, {}), 9, 'decrement');
  await count(c.decrement('counter', 100, {}), 0, 'decrement below zero');
  await count(c.decrement('counter2', 1, { initial: 50 }), 50, 'decrement with an initial value');
  equal(await text(c, 'counter'), '0 ', 'a counter is text, as long as it once was');
  await c.set('letters', 'abc');
  await rejects(c.increment('letters', 1, {}), /non-numeric/i, 'increment of letters is refused');
}

// many sends a hundred requests before it waits for any reply.
async function many(c) {
  const names = Array.from({ length: 100 }, (_, i) => 'many-' + i);
  const stored = await Promise.all(names.map((name) => c.set(name, 'value of ' + name)));
  equal(stored.every((ok) => ok === true), true, 'a hundred sets at once');
  const got = await Promise.all(names.map((name) => text(c, name)));
  equal(got.every((value, i) => value === 'value of ' + names[i]), true, 'a hundred gets at once');
}

// sooner waits until a key has a value, for at most ten seconds.
async function sooner(c, key, want) {
  const end = Date.now() + 10000;
  while (await text(c, key) !== want && Date.now() < end) {
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
  return text(c, key);
}

// An expiry of n seconds comes after n-1 to n of them.
async function expiry(c) {
  equal(await c.set('brief', 'x', { expires: 3 }), true, 'set with an expiry');
  equal(await text(c, 'brief'), 'x', 'get before it');
  equal(await c.set('touched', 'x', { expires: 2 }), true, 'set to be touched');
  equal(await c.touch('touched', 600), true, 'touch');
  equal(await c.touch('nobody', 600), false, 'touch of what is not there');
  equal(await c.set('past', 'x', { expires: 1000000000 }), true, 'set with an expiry that is past');
  equal(await text(c, 'past'), null, 'get of it');
  equal(await sooner(c, 'brief', null), null, 'get after its expiry');
  equal(await text(c, 'touched'), 'x', 'what was touched is there');
}

async function large(c) {
  equal(await c.set('large', pattern(1000000)), true, 'set of a large value');
  equal(await text(c, 'large'), pattern(1000000), 'get of it');
  await rejects(c.set('large', pattern(2000000)), /too large/i, 'set of a value too large');
  equal(await text(c, 'large'), null, 'the old one is gone with it');
  const longest = 'k'.repeat(250);
  equal(await c.set(longest, 'x'), true, 'set of the longest key');
  equal(await text(c, longest), 'x', 'get of it');
}

const statistics = (c, key) => new Promise((resolve, reject) => {
  c.statsWithKey(key, (err, server, stats) => { if (err) { reject(err); } else { resolve(stats); } });
});

async function operating(c) {
  const general = await statistics(c, '');
  check(Number(general.curr_items) > 50, 'curr_items');
  check(general.version.startsWith('1.6.'), 'it is 1.6');
  equal((await statistics(c, 'settings')).item_size_max, '1048576', 'stats settings');
  check(Object.keys(await statistics(c, 'items')).some((name) => name.startsWith('items:')), 'stats items');
}

async function crossing(c) {
  equal(await c.set('client:ready', 'x'), true, 'a sign for the driver');
  equal(await sooner(c, 'driver:ready', 'x'), 'x', 'a sign from the driver');
  equal(await text(c, 'driver:value'), "driver's own", "the driver's value");
  equal(await flags(c, 'driver:value'), '00000000', 'and its flags');
  equal(await flags(c, 'driver:large'), '00000009', "the flags of the driver's large value");
  equal(await text(c, 'driver:large'), pattern(400000), "the driver's large value");
  equal((await c.increment('driver:counter', 1, {})).value, 42, "increment of the driver's counter");
  equal(await c.append('driver:appended', ", and the client's"), true, "append to the driver's value");
  equal(await c.touch('driver:touched', 700), true, "touch of the driver's value");
  equal(await c.delete('driver:deleted'), true, "delete of the driver's value");
  equal(await c.set('client:value', "client's own"), true, 'a value for the driver');
  equal((await c.increment('client:counter', 1, { initial: 100 })).value, 100, 'a counter for the driver');
  equal(await c.set('client:expiring', 'x', { expires: 500 }), true, 'a value that expires, for the driver');
  equal(await c.set('client:large', pattern(400000)), true, 'a large value for the driver');
}

async function main() {
  const [host, port, user, password] = process.argv.slice(2);
  const options = { timeout: 10, retries: 1, logger: { log() {} } };
  const connect = (who) => memjs.Client.create(host + ':' + port, { ...options, ...who });
  const c = connect(user ? { username: user, password } : {});
  if (user) {
    const wrong = connect({ username: user, password: password + 'x' });
    await rejects(wrong.get('value'), /auth/i, 'a wrong password is refused');
    wrong.close();
    equal(await text(c, 'python:value'), "python's own", 'what another client wrote');
  }
  await c.flush();
  await storing(c);
  await counting(c);
  await many(c);
  await expiry(c);
  await large(c);
  await operating(c);
  equal((await c.flush())[host + ':' + port], true, 'flush');
  equal(await text(c, 'value'), null, 'nothing is left');
  if (!user) { await crossing(c); }
  c.close();
  console.log('%d passed, %d failed', passed, failed);
  process.exitCode = failed === 0 ? 0 : 1;
}

main().catch((e) => { console.log('not ok -', e); process.exit(1); });
