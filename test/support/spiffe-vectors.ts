// The published SPIFFE cases (go-spiffe, java-spiffe, the specifications; see the README beside the vectors), each with what must come out of
// it and how it is tried. A refusal counts only for its own reason: many of the wrong files break more than one rule.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isJsonArray, isJsonObject, type Json, type JsonObject, parseJson, writeJson } from '../../src/domain/json.ts';
import { Refusal } from '../../src/domain/refusal.ts';
import { parseSpiffeId, parseTrustDomain, trustDomainOf } from '../../src/domain/spiffe-id.ts';
import { parseBundle, readJwtBundle } from '../../src/identity/bundle.ts';
import { verifyChain } from '../../src/identity/chain.ts';
import { certificatesOfDer, certificatesOfPem, privateKeyOfPem, readSvidChain } from '../../src/identity/x509-svid.ts';
import { JWT_REASONS, MANIFEST_REASONS, NAME_REASONS, NOT_PEM, WIT_REASONS } from './spiffe-reasons.ts';
import { jwtCase, witCase, witExample } from './spiffe-tokens.ts';

const SHARED = process.env['CORDON_SHARED'] ?? resolve(import.meta.dirname, '../../../shared');
const FOLDER = join(SHARED, 'vectors/spiffe');

/** Why there are no vectors; undefined when there are. */
export const missingVectors = (): string | undefined =>
  existsSync(FOLDER) ? undefined : `vectors not found: ${FOLDER} (set CORDON_SHARED)`;

/** What a valid input must say, or the reason of the refusal. */
export type Expected = { readonly facts: JsonObject } | { readonly reason: string };

export interface SpiffeCase {
  /** `x509svid-parse x12`, `jwt-svid jwt9`, `spiffe-id sweep 0 64` */
  readonly name: string;
  readonly expected: Expected;
  /** What Cordon reads out of the input. Throws when it refuses it. */
  readonly read: () => JsonObject;
}

/** @returns what is wrong with the outcome of a case; undefined: nothing */
export function judge({ name, expected, read }: SpiffeCase): string | undefined {
  const observed = observe(read);
  if ('reason' in observed || 'reason' in expected) {
    const [got, wanted] = [observed, expected].map((one) => ('reason' in one ? `refused: ${one.reason}` : 'valid'));
    return got === wanted ? undefined : `${name}: ${got}, expected ${wanted}`;
  }
  const wrong = Object.keys(expected.facts).filter((fact) => textOf(observed.facts[fact]) !== textOf(expected.facts[fact]));
  return wrong.length === 0 ? undefined : `${name}: ${wrong.map((fact) => `${fact} is ${textOf(observed.facts[fact])}`).join(', ')}`;
}

function observe(read: () => JsonObject): Expected {
  try {
    return { facts: read() };
  } catch (error) {
    return { reason: error instanceof Refusal ? (error.reason ?? error.message) : String(error) };
  }
}

const textOf = (json: Json | undefined): string => writeJson(json ?? null);

/** All of them, in a fixed order. */
export const everyCase = (): readonly SpiffeCase[] => [...manifestCases(), ...tokenCases(), ...nameCases()];

const fileBytes = (path: string): Buffer => readFileSync(join(FOLDER, path));
const fileText = (path: string): string => fileBytes(path).toString('latin1');

function fileJson(path: string): JsonObject {
  const json = parseJson(fileBytes(path), { maxBytes: 1_000_000, maxDepth: 20 });
  if (!isJsonObject(json)) throw new Error(`${path} is no object`);
  return json;
}

const objectsIn = (json: Json | undefined): readonly JsonObject[] => (isJsonArray(json) ? json.filter(isJsonObject) : []);
const textIn = (json: Json | undefined): string => (typeof json === 'string' ? json : '');
const objectIn = (json: Json | undefined): JsonObject => (isJsonObject(json) ? json : {});

const FACTS: ReadonlySet<string> = new Set([
  'spiffeId',
  'certificates',
  'authorities',
  'x509Authorities',
  'jwtAuthorities',
  'witAuthorities',
  'keys',
  'kids',
  'refreshHint',
  'sequence',
  'spiffeIds',
  'set',
  'trustDomain',
  'path',
]);

function expectedOf(row: JsonObject, reasons: Readonly<Record<string, string>>, fallback = ''): Expected {
  if (row['expect'] === 'valid') return { facts: Object.fromEntries(Object.entries(row).filter(([name]) => FACTS.has(name))) };
  const stated = textIn(row['reason']) || fallback;
  return { reason: reasons[stated] ?? `no reason is known for: ${stated}` };
}

function manifestCases(): readonly SpiffeCase[] {
  return objectsIn(fileJson('manifest.json')['cases']).map((row) => {
    const [id, check] = [textIn(row['id']), textIn(row['check'])];
    const inputs = objectIn(row['inputs']);
    return {
      name: `${check} ${id}`,
      ...(OWN[id]?.(row, inputs) ?? { expected: manifestExpected(id, row), read: () => readOf(check, row, inputs) }),
    };
  });
}

/** A case that may end in two ways is held to the one that the specification asks for. */
const manifestExpected = (id: string, row: JsonObject): Expected =>
  NOT_PEM.has(id) ? { reason: 'not-pem' } : expectedOf(isJsonObject(row['alsoAccepted']) ? row['alsoAccepted'] : row, MANIFEST_REASONS);

/** Cases that the form of the others does not fit. */
const OWN: Readonly<Record<string, (row: JsonObject, inputs: JsonObject) => Omit<SpiffeCase, 'name'>>> = {
  // an empty bundle may parse or not; what must not be is that something is trusted by it
  b3: (_row, { bundle }) => ({
    expected: { reason: 'unknown-authority' },
    read: () => {
      let roots: readonly Uint8Array[] = [];
      try {
        roots = certificatesOfPem(fileText(textIn(bundle)));
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
      }
      verifyChain(certificatesOfPem(fileText('verify/example-leaf.pem')), () => roots, Date.UTC(2020, 2, 20));
      return {};
    },
  }),
};

function readOf(check: string, row: JsonObject, inputs: JsonObject): JsonObject {
  const read = READERS[check];
  if (read === undefined) throw new Error(`no check is called ${check}`);
  return read(inputs, row);
}

const READERS: Readonly<Record<string, (inputs: JsonObject, row: JsonObject) => JsonObject>> = {
  'x509svid-parse': ({ certs, key }) => svidFacts(certificatesOfPem(fileText(textIn(certs))), () => privateKeyOfPem(fileText(textIn(key)))),
  'x509svid-parse-der': ({ certs, key }) => svidFacts(certificatesOfDer(fileBytes(textIn(certs))), () => fileBytes(textIn(key))),
  'x509svid-verify': ({ certs, bundle, bundleTrustDomain, at }) => {
    const roots = certificatesOf(textIn(bundle));
    const configured = new Map([[parseTrustDomain(textIn(bundleTrustDomain)), roots]]);
    const now = at === 'now' ? Date.now() : Date.parse(textIn(at));
    return { spiffeId: verifyChain(certificatesOf(textIn(certs)), (domain) => configured.get(domain), now).id };
  },
  'x509bundle-parse': ({ bundle }) => ({ authorities: certificatesOfPem(fileText(textIn(bundle))).length }),
  'x509bundle-parse-der': ({ bundle }) => ({ authorities: certificatesOfDer(fileBytes(textIn(bundle))).length }),
  'spiffebundle-parse': ({ bundle }) => {
    const { roots, jwtKeys, witKeys, refreshHint = null, sequence } = parseBundle(fileBytes(textIn(bundle)));
    return {
      x509Authorities: roots.length,
      jwtAuthorities: jwtKeys.size,
      witAuthorities: witKeys.size,
      refreshHint,
      sequence: sequence === undefined ? null : Number(sequence),
    };
  },
  'jwtbundle-parse': ({ bundle, text }) => {
    const json = parseJson(typeof text === 'string' ? Buffer.from(text) : fileBytes(textIn(bundle)), { maxBytes: 100_000, maxDepth: 8 });
    const keys = readJwtBundle(objectIn(json));
    return { keys: keys.size, kids: [...keys.keys()] };
  },
  'workloadapi-hints': ({ svids }) => ({ spiffeIds: distinct(objectsIn(svids)).map(hintedId) }),
  'spiffeid-list': ({ list }) => ({
    set: [
      ...new Set(
        fileText(textIn(list))
          .split('\n')
          .filter((line) => line !== '')
          .map(parseSpiffeId),
      ),
    ],
  }),
};

const certificatesOf = (path: string): readonly Uint8Array[] =>
  path.endsWith('.der') ? certificatesOfDer(fileBytes(path)) : certificatesOfPem(fileText(path));

function svidFacts(certificates: readonly Uint8Array[], key: () => Uint8Array): JsonObject {
  const { id } = readSvidChain(certificates, key());
  return { spiffeId: id, certificates: certificates.length };
}

/** What a client of the Workload API keeps: of entries with one hint the first. */
const distinct = (svids: readonly JsonObject[]): readonly JsonObject[] =>
  svids.filter(({ hint }, at) => hint === '' || svids.findIndex((other) => other['hint'] === hint) === at);

function hintedId({ spiffeId, x509_svid: svid, x509_svid_key: key }: JsonObject): string {
  const { id } = readSvidChain(certificatesOfDer(fileBytes(textIn(svid))), fileBytes(textIn(key)));
  if (id !== spiffeId) throw new Error(`the SVID of ${textIn(spiffeId)} names ${id}`);
  return id;
}

function tokenCases(): readonly SpiffeCase[] {
  const [jwt, wit] = [fileJson('jwtsvid/jwt-svid.json'), fileJson('jwtsvid/wit-svid.json')];
  return [
    ...objectsIn(jwt['cases']).map((row) => ({
      name: `jwt-svid ${textIn(row['id'])}`,
      expected: expectedOf(row, JWT_REASONS),
      read: () => jwtCase(jwt, row),
    })),
    ...objectsIn(wit['cases']).map((row) => ({
      name: `wit-svid ${textIn(row['id'])}`,
      expected: expectedOf(row, WIT_REASONS),
      read: () => witCase(wit, row),
    })),
    { name: 'wit-svid example', ...witExample(objectIn(wit['example'])) },
  ];
}

function nameCases(): readonly SpiffeCase[] {
  const { spiffeIds, trustDomains, fromSegments, characterSweeps } = fileJson('spiffeid/ids.json');
  const segments = objectIn(fromSegments);
  const domain = textIn(segments['trustDomain']);
  return [
    ...objectsIn(spiffeIds).map((row, at) => idCase(`spiffe-id ${at}`, textIn(row['id']), expectedOf(row, NAME_REASONS))),
    ...objectsIn(trustDomains).map((row, at) =>
      domainCase(`trust-domain ${at}`, textIn(row['input']), expectedOf(row, NAME_REASONS, textIn(row['input']))),
    ),
    ...objectsIn(segments['cases']).map((row, at) => {
      const path = isJsonArray(row['segments']) ? row['segments'].map((segment) => `/${textIn(segment)}`).join('') : '';
      return idCase(`segments ${at}`, `spiffe://${domain}${path}`, expectedOf(row, NAME_REASONS, 'path characters'));
    }),
    ...objectsIn(characterSweeps).flatMap(sweep),
  ];
}

const idCase = (name: string, id: string, expected: Expected): SpiffeCase => ({ name, expected, read: () => idFacts(id) });

function idFacts(text: string): JsonObject {
  const id = parseSpiffeId(text);
  const trustDomain = trustDomainOf(id);
  return { trustDomain, path: id.slice(`spiffe://${trustDomain}`.length) };
}

/** As go-spiffe has it, an ID stands for its trust domain. */
const domainCase = (name: string, text: string, expected: Expected): SpiffeCase => ({
  name,
  expected,
  read: () => ({ trustDomain: text.includes(':/') ? trustDomainOf(parseSpiffeId(text)) : parseTrustDomain(text) }),
});

/** Every character in one place; above 127 as the bytes of its UTF-8, which is how a certificate would carry it. */
function sweep(row: JsonObject, at: number): readonly SpiffeCase[] {
  const [template, valid] = [textIn(row['template']), textIn(row['validCharacters'])];
  const except = isJsonArray(row['except']) ? row['except'] : [];
  const reason = template.endsWith('{c}') && row['kind'] === undefined ? 'path' : 'trust-domain';
  return Array.from({ length: 256 }, (_, point) => point)
    .filter((point) => !except.includes(point))
    .map((point) => {
      const character = String.fromCharCode(point);
      const text = template.replace('{c}', () => Buffer.from(character, 'utf8').toString('latin1'));
      const expected = valid.includes(character) ? { facts: {} } : { reason };
      const make = row['kind'] === 'trustDomain' ? domainCase : idCase;
      return make(`sweep ${at} ${point}`, text, expected);
    });
}
