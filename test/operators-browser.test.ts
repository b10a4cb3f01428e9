// Operators as people: a one-time link, a passkey in a real browser, an account at a real provider, and a terminal that gets an identity.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Provider } from 'oidc-provider';
import { freePorts } from './support/bed.ts';
import { noBrowser, visit, type Visitor } from './support/browser.ts';
import { environment, MAIN, openDesk, type Desk, type Ran } from './support/cordon.ts';

const skip = noBrowser();
let desk: Desk;
let visitor: Visitor;
let provider: Server;
const opened = new AsyncDisposableStack();
let origin: string;

before(async () => {
  if (skip !== false) return;
  const [pages = 0, idp = 0] = await freePorts(2);
  origin = `http://localhost:${pages}`;
  provider = await openProvider(idp, `${origin}/sign-in/oidc/callback`);
  opened.defer(() => {
    provider.close();
    provider.closeAllConnections();
  });
  desk = await openDesk(
    (yaml) => `${yaml}
operators:
  listen: 127.0.0.1:${pages}
  people:
    olga: { role: viewer, subject: account-7 }
  oidc: { issuer: "http://localhost:${idp}", clientId: cordon, allowPlaintextLoopback: true }
  twoPersons: [policy]
`,
  );
  opened.defer(() => desk.close());
  await desk.up();
  visitor = await visit();
  opened.defer(() => visitor.close());
});

after(() => opened.disposeAsync());

interface Invitation {
  readonly link: string;
  readonly server: string;
  readonly trust: readonly string[];
}

const jsonOf = (ran: Ran): Record<string, unknown> => {
  assert.equal(ran.code, 0, ran.stderr);
  return JSON.parse(ran.stdout) as Record<string, unknown>;
};
const invitationOf = (ran: Ran): Invitation => jsonOf(ran) as unknown as Invitation;

const keptAt = (name: string): string => join(desk.dir, `${name}.json`);
/** `cordon` as a person who signed in. */
const as = (name: string, ...args: readonly string[]): Promise<Ran> => desk.cordon(...args, '--credentials', keptAt(name));

/** A terminal that signs in; `url` is where its person goes. */
async function terminal(
  name: string,
  args: readonly string[],
): Promise<{ readonly url: string; readonly code: string; readonly done: Promise<number | null> }> {
  const child: ChildProcess = spawn(process.execPath, [MAIN, 'login', '--credentials', keptAt(name), ...args], {
    cwd: desk.dir,
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const done = once(child, 'exit').then(([code]) => code as number | null);
  let said = '';
  while (!/code {2}\S+/.test(said)) {
    const gone = done.then((code) => assert.fail(`cordon login ended with ${String(code)}: ${said}`));
    const [chunk] = (await Promise.race([once(child.stderr ?? assert.fail(), 'data'), gone])) as [Buffer];
    said += chunk.toString();
  }
  return { url: /open {2}(\S+)/.exec(said)?.[1] ?? '', code: /code {2}(\S+)/.exec(said)?.[1] ?? '', done };
}

async function enrol(link: string): Promise<void> {
  await visitor.page.goto('about:blank');
  await visitor.page.goto(link);
  await visitor.page.getByRole('button', { name: 'Make a passkey' }).click();
  await visitor.page.getByRole('heading', { name: 'Your passkey is made' }).waitFor();
}

async function signInByPasskey(url: string, code: string): Promise<void> {
  await visitor.page.goto(url);
  await visitor.page.getByText(code).waitFor();
  await visitor.page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await visitor.page.getByRole('heading', { name: /^Signed in as/ }).waitFor();
}

void test('[I7] an invited person makes a passkey, signs in from a terminal, and may do what the role says', { skip }, async () => {
  const invitation = invitationOf(await desk.cordon('operator', 'invite', 'alice', '--role', 'analyst', '--json'));
  await enrol(invitation.link);
  assert.equal(visitor.page.url(), `${origin}/`, 'the secret stays in the address');
  const login = await terminal('alice', ['--server', invitation.server, '--trust', invitation.trust[0] ?? '']);
  await signInByPasskey(login.url, login.code);
  assert.equal(await login.done, 0);
  const me = jsonOf(await as('alice', 'whoami', '--json'));
  assert.deepEqual([me['name'], me['role']], ['alice', 'analyst']);
  assert.equal((await as('alice', 'agent', 'list')).code, 0);
  assert.equal((await as('alice', 'off', 'assistant', '--reason', 'test')).code, 0);
  assert.equal((await as('alice', 'release', 'assistant', '--reason', 'test')).code, 0);
  const ghost = await desk.cordon('operator', 'role', 'ghost', 'admin');
  assert.deepEqual([ghost.code, /cordon operator invite ghost/.test(ghost.stderr)], [2, true], 'nobody becomes an operator by a slip');
  const refused = await as('alice', 'operator', 'invite', 'mallory', '--role', 'admin');
  assert.deepEqual([refused.code, /CORDON-1017/.test(refused.stderr)], [3, true], refused.stderr);

  // the link is used up, and so is a right that is taken away
  await visitor.page.goto('about:blank');
  await visitor.page.goto(invitation.link);
  await visitor.page
    .getByRole('alert')
    .getByText(/used or expired/)
    .waitFor();
  assert.equal((await desk.cordon('operator', 'remove', 'alice')).code, 0);
  const gone = await as('alice', 'agent', 'list');
  assert.deepEqual([gone.code, /no operator any more/.test(gone.stderr)], [3, true], gone.stderr);
  assert.deepEqual(
    visitor.complaints.filter((text) => !/status of 40\d/.test(text)),
    [],
  );
});

void test(
  '[I7] a person of cordon.yaml signs in at a real OpenID provider, under the name that the account has here',
  { skip },
  async () => {
    const invitation = invitationOf(await desk.cordon('operator', 'invite', 'bob', '--role', 'viewer', '--json'));
    const login = await terminal('olga', ['--server', invitation.server, '--trust', invitation.trust[0] ?? '']);
    const { page } = visitor;
    await page.goto('about:blank');
    await page.goto(login.url);
    await page.getByRole('link', { name: 'Sign in with your organisation' }).click();
    await page.getByPlaceholder(/login/i).fill('account-7');
    await page.getByPlaceholder(/password/i).fill('any');
    await page.getByRole('button', { name: /sign-in/i }).click();
    await page.getByRole('button', { name: /continue/i }).click();
    await page.getByRole('heading', { name: 'Signed in as olga' }).waitFor();
    assert.equal(await login.done, 0);
    assert.equal(jsonOf(await as('olga', 'whoami', '--json'))['role'], 'viewer');
    assert.equal((await as('olga', 'off', 'assistant', '--reason', 'test')).code, 3);
  },
);

void test(
  '[I7] an order about policy waits for a second person; nobody is their own second; broken glass is told and reviewed',
  { skip },
  async () => {
    for (const name of ['carol', 'dan']) {
      const invitation = invitationOf(await desk.cordon('operator', 'invite', name, '--role', 'operator', '--json'));
      await visitor.close(); // each person has an authenticator of their own
      visitor = await visit();
      await enrol(invitation.link);
      const login = await terminal(name, ['--server', invitation.server, '--trust', invitation.trust[0] ?? '']);
      await signInByPasskey(login.url, login.code);
      assert.equal(await login.done, 0);
    }
    const held = await as('carol', 'policy', 'rollback', '--note', 'two see more');
    assert.deepEqual([held.code, /waits for a second person/.test(held.stderr)], [5, true], held.stderr);
    const id = /ord_[0-9A-Z]{10}/.exec(held.stderr)?.[0] ?? '';
    const own = await as('carol', 'order', 'approve', id);
    assert.match(own.stderr, /CORDON-5008/);
    const second = await as('dan', 'order', 'approve', id);
    assert.match(second.stdout + second.stderr, /approved|no earlier version|CORDON-/);
    assert.match((await desk.cordon('order', 'list')).stdout, new RegExp(`${id} +(approved|waiting)`));

    assert.match((await as('dan', 'operator', 'break-glass', '--reason', 'test')).stderr, /CORDON-1017/);
    const glass = jsonOf(await desk.cordon('operator', 'break-glass', '--reason', 'nobody else is awake', '--json'));
    assert.match((await desk.cordon('operator', 'list')).stdout, /broke the glass/);
    assert.match((await desk.cordon('operator', 'review', String(glass['id']))).stderr, /CORDON-5008/);
  },
);

/** A provider that takes any password, as its developers ship it for trying out. */
async function openProvider(port: number, redirectUri: string): Promise<Server> {
  const oidc = new Provider(`http://localhost:${port}`, {
    clients: [
      {
        client_id: 'cordon',
        redirect_uris: [redirectUri],
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code'],
        response_types: ['code'],
      },
    ],
    pkce: { required: () => true },
  });
  const answer = oidc.callback();
  const server = createServer((request, response) => void answer(request, response));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
