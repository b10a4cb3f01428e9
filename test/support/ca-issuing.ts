// Opens a data directory and issues SVIDs until it is told to stop or cannot go on: one line on stdout for each that left, with its
// serial; one on stderr with why it stopped. Arguments: directory, how many.
import { createIssuer } from '../../src/control/issuer.ts';
import { createRequest, generateKeyPem } from '../../src/crypto/x509.ts';
import { asRefusal } from '../../src/domain/refusal.ts';
import { readConfig } from '../../src/server/config.ts';
import { openState } from '../../src/server/state.ts';

const [config = '', dataDir = '', count = '0'] = process.argv.slice(2);
const stack = new AsyncDisposableStack();
const say = (line: string): boolean => process.stderr.write(`${line}\n`);
try {
  const now = Date.now;
  const setting = { config: await readConfig(config), dataDir, pep: 'gateway-1', now, onNotice: say };
  const { authority, store, log } = await openState(setting, stack);
  const parts = { isRegistered: () => true, mayHave: () => undefined, onIssued: () => undefined };
  const issuer = createIssuer({ authority, store, log, now, ttl: 900_000, ...parts });
  const request = await createRequest(await generateKeyPem());
  process.stdout.write(`root ${authority.keys().find(({ use }) => use === 'root')?.id ?? ''}\n`);
  for (let n = 0; n < Number(count); n++) {
    const { token } = await issuer.startRun('agent', `agent-${n % 50}`, 'test');
    const { serial } = await issuer.join(token, request);
    process.stdout.write(`issued ${serial}\n`);
  }
} catch (error) {
  const { code, message, fix } = asRefusal(error, 'CORDON-9001', `no refusal: ${String(error)}`);
  say(`${code} ${message} fix: ${fix}`);
  process.exitCode = 1;
}
await stack.disposeAsync().catch((error: unknown) => say(`closing: ${String(error)}`));
