// The proof of the proof: each of these bugs, built into a copy of the engine, must be noticed by the random lives.
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Engine } from './delegation-life.ts';
import { tryLives } from './delegation-trials.ts';

export interface Mutant {
  readonly bug: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const mutant = (bug: string, file: string, from: string, to: string): Mutant => ({ bug, file: `src/${file}`, from, to });

export const MUTANTS: readonly Mutant[] = [
  mutant('a request replaces what is held', 'sts/exchange.ts', 'narrow(held.mandate, request.details)', 'request.details'),
  mutant('the expiry of the parent is forgotten', 'sts/exchange.ts', 'at + life, expiresAt,', 'at + life,'),
  mutant('the expiry of the mandate is forgotten', 'sts/exchange.ts', 'endOf(mandate) ?? Infinity', 'Infinity'),
  mutant('a certificate may be outlived', 'sts/exchange.ts', 'ofCertificate);', 'Infinity);'),
  mutant('a wider scope is given', 'sts/exchange.ts', 'return narrowScope(held.scope, asked);', 'return asked ?? held.scope;'),
  mutant('the binding of the parent is forgotten', 'sts/exchange.ts', 'boundTo(held.confirmation, proven)', 'boundTo(undefined, proven)'),
  mutant('nothing is ever revoked', 'sts/hop.ts', 'service.isRevoked({ ...held, chain })', 'false'),
  mutant('the actor may be revoked', 'sts/hop.ts', 'service.isRevoked({ ...held, chain })', 'service.isRevoked(held)'),
  mutant('chains may be one longer', 'sts/hop.ts', 'chain.length > service.limits.depth', 'chain.length > service.limits.depth + 1'),
  mutant('agents may be in a chain twice', 'sts/hop.ts', '!isOwn && held.chain.some(', '!isOwn && [].some('),
  mutant('`may_act` is not read', 'sts/hop.ts', 'if (named !== undefined)', 'if (false)'),
  mutant('anybody takes a transaction token', 'sts/hop.ts', 'return callee === name;', 'return true;'),
  mutant('agents that are apart hand on', 'sts/hop.ts', 'service.mayDelegate(parseWorkload(last).name, name)', 'true'),
  mutant('whoever asks replaces the actor', 'sts/hop.ts', '[...held.chain, actor.id]', '[...held.chain.slice(0, -1), actor.id]'),
  mutant('any resource will do', 'sts/issue.ts', 'audience === held.audience ||', 'true ||'),
  mutant('a prefix of an audience will do', 'sts/issue.ts', '!service.isResource(audience)', '!audience.startsWith(service.audience)'),
  mutant('parents are forgotten', 'sts/held.ts', 'tokens: [...token.parents, token.jti]', 'tokens: [token.jti]'),
  mutant('a transaction token is replaced by anybody', 'sts/replace.ts', '!isOwn && !isCallee', 'false'),
  mutant('a replacement widens the scope', 'sts/txn-token.ts', 'scope: narrowed,', "scope: 'read pay',"),
  mutant(
    'a limit that is left out is no limit',
    'domain/mandate-limits.ts',
    'return own !== undefined && coversLimit',
    'return own === undefined || coversLimit',
  ),
  mutant('of values, some are enough', 'domain/mandate-limits.ts', 'narrower.in.every(', 'narrower.in.some('),
  mutant('what is closed may be opened', 'domain/mandate.ts', "return 'other_arguments';", 'return undefined;'),
  mutant('what both allow is open', 'domain/mandate.ts', '(closed.length === 0 ? {} : { other_arguments', '(true ? {} : { other_arguments'),
  mutant('what comes after may come first', 'domain/mandate.ts', "return 'after';", 'return undefined;'),
  mutant('what both allow comes at any time', 'domain/mandate.ts', '(after.length === 0 ? {} : { after })', '({})'),
  mutant('budgets add nothing', 'domain/mandate.ts', "return 'budget';", 'return undefined;'),
  mutant('any place is within a pattern', 'domain/mandate.ts', 'name.startsWith(start)', 'true'),
  mutant('actions are not compared', 'domain/mandate.ts', 'here.some(({ acts }) => acts(action))', 'here.length > 0'),
  mutant(
    'what is not held is cut away without a word',
    'domain/mandate.ts',
    'if (!holds(holders, entry)) throw',
    'if (holders.length === 0) throw',
  ),
];

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** What the engine is made of, and imports nothing else. */
const PARTS = ['src/domain', 'src/sts', 'src/crypto/jws.ts', 'src/crypto/jwk.ts', 'src/crypto/hash.ts', 'src/crypto/ecdsa.ts'];
/** Lives in which a bug must be noticed. */
const PATIENCE = 20_000;

/** @returns how the bug was noticed; undefined when it was not @throws Error when the source no longer has the snippet */
export async function noticed({ bug, file, from, to }: Mutant, seed: number): Promise<string | undefined> {
  const dir = await mkdtemp(join(tmpdir(), 'cordon-mutant-'));
  try {
    for (const part of PARTS) {
      await mkdir(dirname(join(dir, part)), { recursive: true });
      await cp(join(ROOT, part), join(dir, part), { recursive: true });
    }
    await writeFile(join(dir, 'package.json'), '{"type":"module"}');
    const source = await readFile(join(ROOT, file), 'utf8');
    if (source.split(from).length !== 2) throw new Error(`\`${bug}\`: \`${from}\` is not once in ${file}`);
    await writeFile(
      join(dir, file),
      source.replace(from, () => to),
    );
    return tryLives(await engineIn(dir), PATIENCE, seed).problem;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function engineIn(dir: string): Promise<Engine> {
  const loaded: unknown = await import(pathToFileURL(join(dir, 'src/sts/exchange.ts')).href);
  if (isEngine(loaded)) return loaded;
  throw new Error('the copy has no `exchange`');
}

const isEngine = (loaded: unknown): loaded is Engine =>
  typeof loaded === 'object' && loaded !== null && 'exchange' in loaded && typeof loaded.exchange === 'function';
