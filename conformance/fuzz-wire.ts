// Every decoder of what others send, fed with mutations of a corpus that is kept beside it. The same seed, the same inputs.
import { Random } from './random.ts';
import type { Score, SuiteOptions } from './score.ts';
import { DECODER_NAMES, fuzz } from './wire/fuzz.ts';

const ROUNDS = 20_000;
const SHOWN = 20;

export async function run({ requests = ROUNDS, seed = Date.now() & 0x7fffffff, onProgress }: SuiteOptions): Promise<Score> {
  onProgress(`seed ${seed}`);
  const failures: string[] = [];
  let passed = 0;
  for (const name of DECODER_NAMES) {
    const { accepted, refused, failures: found } = await fuzz(name, requests, new Random(seed));
    failures.push(...found);
    passed += accepted + refused;
    onProgress(`${name}: ${accepted} accepted, ${refused} refused, ${found.length} failed`);
  }
  return { passed, failed: failures.length, notes: failures.slice(0, SHOWN) };
}
