// Streams whose caller goes away, stays for long, or stops reading: nothing is left behind, nobody else has to wait, nothing grows.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { POLICIES, openBed, type Answer, type Bed, type Svid } from './support/bed.ts';
import { messagesOf, streamCall, type CallStream } from './support/call-stream.ts';
import { openLine } from './support/line.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { until } from './support/until.ts';

const range = (length: number): readonly number[] => Array.from({ length }, (_, n) => n);
const saidOf = ({ json }: Answer): string | undefined => (json['result'] as { content: { text: string }[] } | undefined)?.content[0]?.text;

interface Gateway {
  readonly connections: number;
  readonly openCalls: number;
}
const gatewayOf = async (): Promise<Gateway> => ((await bed.control('GET', '/v1/status')).json as { gateway: Gateway }).gateway;
const openCalls = (count: number): Promise<unknown> =>
  until(`${count} calls are open`, async () => ((await gatewayOf()).openCalls === count ? true : undefined));

let bed: Bed;
let caller: Svid;

// two servers: the official one, and beside it one that streams as fast as it is read
before(async () => {
  bed = await openBed({
    policies: `${POLICIES}@id("floods") permit (principal == Agent::"caller", action == Action::"raw/flood", resource);`,
    configure: (yaml) =>
      yaml
        .replace('\npolicies:', '\n  raw: { segment: tools, mcp: { url: "https://127.0.0.1:PORT/mcp" } }\npolicies:')
        .replace('PORT', /a2a: "https:[^:]+:(\d+)/.exec(yaml)?.[1] ?? ''),
  });
  const integer = { type: 'integer' };
  const flood = {
    name: 'flood',
    inputSchema: { type: 'object', properties: { events: integer, bytes: integer }, required: ['events', 'bytes'] },
  };
  await bed.spawnWorkload('resource', 'raw', 'test/support/raw-server.ts', [
    String(bed.ports.callee),
    bed.effects,
    JSON.stringify([flood]),
  ]);
  await bed.ready();
  caller = await bed.svid('caller');
});
after(() => (bed as Bed | undefined)?.close());

describe('streams that are left', () => {
  void test('[I6] 200 calls that are aborted leave no open call and no connection, and each is told to the tool and recorded', async () => {
    const BATCH = 50;
    for (const batch of range(4)) {
      const streams = await Promise.all(range(BATCH).map(() => streamCall(bed.ports.gateway, caller, 'slow', {})));
      assert.equal((await gatewayOf()).openCalls, BATCH, `batch ${batch}`);
      for (const stream of streams) stream.abort();
      await openCalls(0);
    }
    await until('the tool heard of all', async () =>
      (await readFile(bed.effects, 'utf8')).split('aborted').length - 1 === 200 ? true : undefined,
    );
    await until('no connection is left', async () => ((await gatewayOf()).connections === 0 ? true : undefined));
    await signedAll(bed);
    const aborted = (await readLog(bed)).outcomes.filter(({ status }) => status !== 'completed');
    assert.deepEqual(
      [aborted.length, new Set(aborted.map(({ status, code }) => `${status} ${code ?? ''}`))],
      [200, new Set(['aborted CORDON-9010'])],
    );
  });

  void test('[I10] as many streams as one run may hold do not keep another run from the same server', async () => {
    const streams: CallStream[] = [];
    const opened = Promise.all(range(100).map(async () => streams.push(await streamCall(bed.ports.gateway, caller, 'slow', {}))));
    opened.catch(() => undefined);
    await openCalls(100);
    const line = openLine(bed.ports.gateway, await bed.svid('caller'));
    let answer: Answer | undefined;
    const answered = line.call('echo', { text: 'me too' }).then((said) => (answer = said));
    answered.catch(() => undefined);
    assert.equal(saidOf(await until('the other run is answered', () => answer, 500)), 'me too');
    await opened;
    for (const stream of streams) stream.abort();
    await openCalls(0);
    await line.close();
  });
});

describe('a caller that stops reading', () => {
  const EVENTS = 800;
  const BYTES = 100_000;
  const sent = async (): Promise<number> => Number(await readFile(`${bed.effects}.reached`, 'utf8').catch(() => '0'));
  const memory = async (): Promise<number> => {
    const [, kib = '0'] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${bed.process().pid ?? 0}/status`, 'utf8')) ?? [];
    return Number(kib) * 1024;
  };

  void test(
    '[I10] makes the tool server wait, not the gateway grow; when it reads again nothing is missing',
    { skip: process.platform === 'linux' ? false : 'reads /proc' },
    async () => {
      const idle = await memory();
      const stream = await streamCall(bed.ports.gateway, caller, 'flood', { events: EVENTS, bytes: BYTES }, 'raw');
      const UNCHANGED = 25;
      let seen = -1;
      let times = 0;
      const stoppedAt = await until('the server stops sending', async () => {
        const now = await sent();
        times = now === seen ? times + 1 : 0;
        seen = now;
        return now > 0 && times >= UNCHANGED ? now : undefined;
      });
      assert.ok(stoppedAt < EVENTS / 2, `${stoppedAt} of ${EVENTS} events were taken from the server for nobody`);
      const grown = (await memory()) - idle;
      assert.ok(grown < (EVENTS * BYTES) / 2, `the gateway grew by ${grown} bytes`);
      let progress = 0;
      for await (const message of messagesOf(stream)) {
        const { params } = message as { params?: { progress: number; progressToken: number } };
        if (params === undefined) assert.match(JSON.stringify(message['result']), /flooded/);
        else assert.deepEqual([params.progress, params.progressToken], [++progress, 1]);
      }
      assert.equal(progress, EVENTS);
      assert.equal(await sent(), EVENTS);
      await openCalls(0);
    },
  );
});
