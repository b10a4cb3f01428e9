// `cordon run --proxy` as programs without mTLS meet it: curl and Node's own fetch by HTTP_PROXY, through the gateway as the run, and nothing
// for whoever was not told the password.
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer as createHttps, type Server } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openBed, POLICIES, type Bed } from './support/bed.ts';
import { environment, execute, MAIN, type Ran } from './support/cordon.ts';
import { headersOf, openHttpUpstream, type HttpUpstream } from './support/http-upstream.ts';
import { until } from './support/until.ts';
import { openWebAuthority, type WebAuthority } from './support/web-certificate.ts';

const noCurl = spawnSync('curl', ['--version']).status === 0 ? undefined : 'curl is not installed';
if (noCurl !== undefined && process.env['CI'] === 'true') throw new Error(noCurl);

const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'plain', version: '1' } },
});

describe('a program that knows only HTTP_PROXY', () => {
  let bed: Bed;
  let authority: WebAuthority;
  let https: Server;
  let outside: { readonly https: number; readonly http: number };
  let plain: HttpUpstream;
  let ca: string;
  let launcher: ChildProcess;
  let proxy: URL;

  before(async () => {
    authority = await openWebAuthority();
    https = createHttps(await authority.issue('api.partner.example'), (req, res) => {
      if (req.url === '/stream') res.write('first');
      else res.end('over TLS');
    });
    https.listen(0, '127.0.0.1');
    await once(https, 'listening');
    plain = await openHttpUpstream();
    outside = { https: (https.address() as { port: number }).port, http: plain.port };
    const hosts = `["api.partner.example:${outside.https}", "api.partner.example:${outside.http}"]`;
    bed = await openBed({
      up: 'test/support/egress-up.ts',
      policies: `${POLICIES}
@id("out")
permit (principal == Agent::"caller", action in Action::"egress", resource == Egress::"partner") when { context.input.port != 1 };
`,
      configure: (yaml) =>
        yaml.replace(
          '\npolicies:',
          `\n  partner:\n    segment: tools\n    egress: { hosts: ${hosts}, addresses: [127.0.0.0/8] }\npolicies:`,
        ),
      beforeStart: (dir) => writeFile(join(dir, 'hosts.json'), JSON.stringify({ 'api.partner.example': [['127.0.0.1']] })),
    });
    await bed.ready();
    ca = join(bed.dir, 'web.pem');
    await writeFile(ca, authority.ca);
    // a child that tells its proxy and stays, so that others can try what it was told
    launcher = spawn(process.execPath, run(process.execPath, '-e', 'console.log(process.env.HTTP_PROXY); process.stdin.resume()'), {
      cwd: bed.dir,
      env: environment(),
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    assert.ok(launcher.stdout);
    proxy = new URL(String((await once(launcher.stdout, 'data'))[0]).trim());
  });
  after(async () => {
    launcher.kill();
    await (bed as Bed | undefined)?.close();
    https.closeAllConnections();
    https.close();
    await plain.close();
  });

  const run = (...cmd: readonly string[]): string[] => [MAIN, 'run', '--as', 'caller', '--proxy', '--data', bed.data, '--', ...cmd];
  const inside = (cmd: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> =>
    execute(process.execPath, run(...cmd), { cwd: bed.dir, env, input: '' });
  const curl = (...args: readonly string[]): Promise<Ran> => inside(['curl', '-sS', '--max-time', '20', '-w', ' %{http_code}', ...args]);
  const mcp = ['-H', 'content-type: application/json', '-H', 'accept: application/json, text/event-stream', '-d', INITIALIZE];
  const callerRuns = async (): Promise<readonly { id: string }[]> =>
    ((await bed.control('GET', '/v1/agents/caller')).json as unknown as { runs: readonly { id: string }[] }).runs;

  test('curl reaches a tool server, a host in the open and one behind TLS', { skip: noCurl ?? false }, async () => {
    const tool = await curl(...mcp, 'http://cordon.internal/mcp/bench');
    assert.match(tool.stdout, /"protocolVersion":"2025-11-25".* 200$/s, tool.stderr);
    const open = await curl('-X', 'POST', '-d', 'hello', `http://api.partner.example:${outside.http}/public/a?b=1`);
    assert.match(open.stdout, / 200$/, open.stderr);
    assert.equal(headersOf(plain.received.at(-1) ?? assert.fail()).get('host'), `api.partner.example:${outside.http}`);
    assert.doesNotMatch(JSON.stringify(plain.received.at(-1)), /proxy-authorization|Basic/i, '[I8] the password goes nowhere');
    const tls = await curl('--cacert', ca, `https://api.partner.example:${outside.https}/a`);
    assert.equal(tls.stdout, 'over TLS 200', tls.stderr);
  });

  test('a refusal of the gateway comes back as it is, in a tunnel too', { skip: noCurl ?? false }, async () => {
    const open = await curl('http://nothing.example/');
    assert.match(open.stdout, /"status":404\} 404$/);
    const tunnel = await curl('-v', 'https://nothing.example/');
    assert.match(tunnel.stderr, /< HTTP\/1\.1 404 [\s\S]*application\/problem\+json/);
    const wrong = await curl('https://cordon.internal/mcp/bench');
    assert.match(wrong.stderr, /response 400/);
  });

  test("Node's own fetch goes that way, whatever NO_PROXY says, and the child holds no token", async () => {
    const script = `
      const { CORDON_JOIN_TOKEN, NO_PROXY } = process.env;
      const answer = await fetch(process.env.CORDON_GATEWAY_URL + '/mcp/bench', { method: 'POST', body: ${JSON.stringify(INITIALIZE)},
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' } });
      console.log(JSON.stringify([answer.status, CORDON_JOIN_TOKEN, NO_PROXY, (await answer.text()).includes('protocolVersion')]));`;
    const { stdout, stderr } = await inside([process.execPath, '--input-type=module', '-e', script], { NO_PROXY: '*', no_proxy: '*' });
    assert.equal(stdout.trim(), '[200,null,null,true]', stderr);
  });

  test('[I5] without the password nothing goes to the gateway, by a request or a tunnel', async () => {
    const wrong = ['', 'Basic Y29yZG9uOng=', `Bearer ${proxy.password}`, `Basic ${Buffer.from(`:${proxy.password}`).toString('base64')}`];
    for (const given of wrong)
      for (const first of ['GET http://cordon.internal/mcp/bench HTTP/1.1', `CONNECT api.partner.example:${outside.https} HTTP/1.1`]) {
        const header = given === '' ? '' : `proxy-authorization: ${given}\r\n`;
        assert.match(await bytes(`${first}\r\nhost: x\r\n${header}\r\n`), /^HTTP\/1\.1 407 [\s\S]*basic realm/i, `${first} ${given}`);
      }
  });

  test('[I10] what is no request of a proxy is refused by itself', async () => {
    const known = `proxy-authorization: Basic ${Buffer.from(`cordon:${proxy.password}`).toString('base64')}\r\n`;
    for (const [target, status] of [
      ['/mcp/bench', 400],
      ['https://api.partner.example/', 400],
      ['http://', 400],
      ['http://cordon.internal/../admin', 400],
      ['http://cordon.internal/mcp/bench/../../v1/status', 404],
    ] as const)
      assert.match(
        await bytes(`GET ${target} HTTP/1.1\r\nhost: x\r\n${known}\r\n`),
        new RegExp(`^HTTP/1\\.1 (${status}|404|405) `),
        target,
      );
    assert.match(await bytes(`GET http://cordon.internal/ HTTP/1.1\r\nhost: x\r\n${known}upgrade: websocket\r\nconnection: upgrade\r\n\r\n`), /^HTTP\/1\.1 501 /); // prettier-ignore
    assert.match(await bytes(`GET http://cordon.internal/ HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
  });

  test('[I6] when the agent is off its tunnels end, and when the child ends the proxy is gone', async () => {
    const known = `proxy-authorization: Basic ${Buffer.from(`cordon:${proxy.password}`).toString('base64')}\r\n`;
    const tunnel = connect(Number(proxy.port), '127.0.0.1');
    tunnel.write(`CONNECT api.partner.example:${outside.https} HTTP/1.1\r\nhost: api.partner.example:${outside.https}\r\n${known}\r\n`);
    assert.match(String((await once(tunnel, 'data'))[0]), /^HTTP\/1\.1 200 /);
    tunnel.on('error', () => undefined);
    const closed = once(tunnel, 'close');
    await bed.control('POST', '/v1/agents/caller/level', { level: 'off', reason: 'test' });
    await closed;
    const gone = once(launcher, 'exit');
    launcher.stdin?.end();
    await gone;
    const [error] = (await once(connect(Number(proxy.port), '127.0.0.1'), 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNREFUSED');
    await until('the run has ended', async () => ((await callerRuns()).length === 0 ? true : undefined));
  });

  /** What is answered to these bytes. */
  async function bytes(text: string): Promise<string> {
    const socket = connect(Number(proxy.port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(text);
    let answer = '';
    for await (const chunk of socket) {
      answer += String(chunk);
      if (answer.includes('\r\n\r\n')) break;
    }
    socket.destroy();
    return answer;
  }
});
