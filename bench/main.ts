// `npm run bench`: what Cordon costs, beside a peer in the same run. `-- <name>` runs one, `--json` prints one object a line, `--quick`
// shows in seconds that everything works. Exit 2 on bad usage, 1 when a bench failed.
import { parseArgs } from 'node:util';
import { cut } from './cut.ts';
import { decide } from './decide.ts';
import { gateway } from './gateway.ts';
import { identity } from './identity.ts';
import { log } from './log.ts';
import { pdp } from './pdp.ts';
import { revoke } from './revoke.ts';
import { trust } from './trust.ts';
import type { Bench } from './row.ts';
import { soak } from './soak.ts';
import { streams } from './streams.ts';
import { workers } from './workers.ts';
import { renderReport } from './table.ts';

const BENCHES: Readonly<Record<string, Bench>> = { gateway, decide, pdp, log, identity, revoke, cut, streams, soak, trust, workers };
const USAGE = `usage: npm run bench [-- [${Object.keys(BENCHES).join('|')}]... [--json] [--quick] [--minutes N]]`;

function readArguments(): {
  readonly names: readonly string[];
  readonly json: boolean;
  readonly quick: boolean;
  readonly minutes?: number;
} {
  const flag = { type: 'boolean', default: false } as const;
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: flag, quick: flag, help: flag, minutes: { type: 'string' } },
  });
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  const unknown = positionals.find((name) => !Object.hasOwn(BENCHES, name));
  if (unknown !== undefined) throw new Error(`no bench is called \`${unknown}\``);
  const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
  if (minutes !== undefined && !(minutes > 0 && minutes <= 1440)) throw new Error('`--minutes` is a number up to 1440');
  return {
    ...(minutes === undefined ? {} : { minutes }),
    names: positionals.length === 0 ? Object.keys(BENCHES) : positionals,
    json: values.json,
    quick: values.quick,
  };
}

async function run(name: string, { json, quick, minutes }: ReturnType<typeof readArguments>): Promise<void> {
  const report = await BENCHES[name]?.({
    quick,
    ...(minutes === undefined ? {} : { minutes }),
    onNotice: (line) => process.stderr.write(`${line}\n`),
  });
  if (report === undefined) return;
  if (json) for (const row of report.rows) process.stdout.write(`${JSON.stringify(row)}\n`);
  else process.stdout.write(`${renderReport(report)}\n`);
}

let wanted: ReturnType<typeof readArguments>;
try {
  wanted = readArguments();
} catch (error) {
  console.error(`x ${error instanceof Error ? error.message : String(error)}\n  ${USAGE}`);
  process.exit(2);
}
// children are ended on `exit`, which a signal alone would skip
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
if (wanted.quick) process.stderr.write('! --quick: cold code and few calls; it shows that the bench works, not what Cordon costs\n');
try {
  for (const name of wanted.names) await run(name, wanted);
} catch (error) {
  console.error(`x bench  ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
