// Runs Cordon with a clock that is behind the true one by so many milliseconds, and SVIDs that live for so many; says `ready` once it
// listens, or why it does not start.
import { asRefusal } from '../../src/domain/refusal.ts';
import { readConfig } from '../../src/server/config.ts';
import { up } from '../../src/server/up.ts';

const [file = '', dataDir = '', behindMs = '0', svidTtlMs = '0'] = process.argv.slice(2);
const say = (line: string): void => void process.stderr.write(`${line}\n`);
try {
  const config = { ...(await readConfig(file)), svidTtl: Number(svidTtlMs) };
  const running = await up({ config, dataDir, onNotice: say, now: () => Date.now() - Number(behindMs) });
  process.stdout.write('ready\n');
  const stop = (): void => void running.close().then(() => process.exit(0));
  process.once('SIGTERM', stop);
  process.stdin.resume();
  process.stdin.once('end', stop);
} catch (error) {
  const { code, message, observed = '', fix } = asRefusal(error, 'CORDON-9001', `no refusal: ${String(error)}`);
  say(`${code} ${message} [${observed}] fix: ${fix}`);
  process.exit(1);
}
