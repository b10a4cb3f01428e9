// Runs Cordon from a configuration file until it is told to stop; says `ready` once it listens.
import { readConfig } from '../../src/server/config.ts';
import { up } from '../../src/server/up.ts';

const [config = '', dataDir = '', workers = '1'] = process.argv.slice(2);
const running = await up({
  config: await readConfig(config),
  dataDir,
  onNotice: (line) => process.stderr.write(`${line}\n`),
  ...(workers === '1' ? {} : { workers: { count: Number(workers), configFile: config } }),
});
process.stdout.write('ready\n');
const stop = (): void => void running.close().then(() => process.exit(0));
process.once('SIGTERM', stop);
process.stdin.resume();
process.stdin.once('end', stop);
