// Runs Cordon with a resolver that a test controls: `hosts.json` beside cordon.yaml has, for each name, the answers to give one after the
// other, the last for ever. Every question is noted in `resolved.txt`.
import { appendFile, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readConfig } from '../../src/server/config.ts';
import { up } from '../../src/server/up.ts';

const [config = '', dataDir = ''] = process.argv.slice(2);
const dir = dirname(config);
const asked = new Map<string, number>();

async function resolve(host: string): Promise<readonly string[]> {
  await appendFile(join(dir, 'resolved.txt'), `${host}\n`);
  const answers = (JSON.parse(await readFile(join(dir, 'hosts.json'), 'utf8')) as Record<string, string[][]>)[host];
  if (answers === undefined) throw Object.assign(new Error('not found'), { code: 'ENOTFOUND' });
  const times = asked.get(host) ?? 0;
  asked.set(host, times + 1);
  return answers[Math.min(times, answers.length - 1)] ?? [];
}

const running = await up({ config: await readConfig(config), dataDir, resolve, onNotice: (line) => process.stderr.write(`${line}\n`) });
process.stdout.write('ready\n');
const stop = (): void => void running.close().then(() => process.exit(0));
process.once('SIGTERM', stop);
process.stdin.resume();
process.stdin.once('end', stop);
