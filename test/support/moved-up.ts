// As `up.ts`, and each SIGUSR2 sets its clock forward by 45 minutes.
import { readConfig } from '../../src/server/config.ts';
import { up } from '../../src/server/up.ts';

const [config = '', dataDir = ''] = process.argv.slice(2);
let ahead = 0;
process.on('SIGUSR2', () => void (ahead += 45 * 60_000));
const running = await up({
  config: await readConfig(config),
  dataDir,
  onNotice: (line) => process.stderr.write(`${line}\n`),
  now: () => Date.now() + ahead,
});
process.stdout.write('ready\n');
const stop = (): void => void running.close().then(() => process.exit(0));
process.once('SIGTERM', stop);
process.stdin.resume();
process.stdin.once('end', stop);
