// Two parsers, two meanings: what the one decides on is not what the other does.
import { bytes, GOOD, post, utf8, type Attack } from './attack.ts';

const BISHOP = 'Bishop Fox, JSON Interoperability Vulnerabilities (2021)';
const MINEFIELD = 'Seriot, Parsing JSON is a Minefield (2016)';
const DUPLICATE = `RFC 8259 §4; CVE-2017-12635; ${BISHOP}`;
const I_JSON = `RFC 7493 §2; ${BISHOP}`;

/** The call with other `arguments`, as text. */
const args = (text: string): string => GOOD.replace('{"text":"x"}', text);
const deep = (depth: number): string => args(`{"text":${'['.repeat(depth)}${']'.repeat(depth)}}`);
const refused = (id: string, source: string, body: string): Attack => bytes(id, source, post(body), 400, 'CORDON-9011');

const duplicates: readonly Attack[] = [
  refused('duplicate-method', DUPLICATE, GOOD.replace('"method"', '"method":"tools/list","method"')),
  refused('duplicate-name', DUPLICATE, GOOD.replace('"name":"echo"', '"name":"secret","name":"echo"')),
  refused('duplicate-id', DUPLICATE, GOOD.replace('"id":1', '"id":2,"id":1')),
  refused('duplicate-params', DUPLICATE, GOOD.replace('"params"', '"params":{},"params"')),
  refused('duplicate-argument', DUPLICATE, args('{"text":"y","text":"x"}')),
  refused('duplicate-escaped', `${DUPLICATE} §1`, GOOD.replace('"name":"echo"', '"name":"secret","n\\u0061me":"echo"')),
  refused('duplicate-escaped-upper', DUPLICATE, args('{"text":"y","t\\u0065xt":"x"}')),
  refused('duplicate-proto', 'CVE-2019-10744 (prototype pollution)', args('{"text":"x","__proto__":1,"__proto__":2}')),
  refused('duplicate-slash-escape', DUPLICATE, args('{"a/b":1,"a\\/b":2}')),
  refused('duplicate-nested', DUPLICATE, args('{"text":{"a":[{"b":1,"b":2}]}}')),
];

const numbers: readonly Attack[] = [
  refused('number-1e400', `${MINEFIELD}: n_number`, args('{"text":1e400}')),
  refused('number-endless', 'INVARIANT I10', args(`{"text":${'9'.repeat(4000)}}`)),
  refused('number-nan', 'RFC 8259 §6', args('{"text":NaN}')),
  refused('number-infinity', 'RFC 8259 §6', args('{"text":-Infinity}')),
  refused('number-hex', 'RFC 8259 §6', args('{"text":0x10}')),
  refused('number-leading-zero', 'RFC 8259 §6', args('{"text":010}')),
  refused('number-plus', 'RFC 8259 §6', args('{"text":+1}')),
  refused('number-no-integer', 'RFC 8259 §6', args('{"text":.5}')),
  refused('number-no-fraction', 'RFC 8259 §6', args('{"text":5.}')),
  refused('number-id-beyond-2-53', `RFC 7493 §2.2; ${BISHOP} §4`, GOOD.replace('"id":1', '"id":9007199254740993')),
  refused('number-id-fraction', 'JSON-RPC 2.0 §4', GOOD.replace('"id":1', '"id":1.5')),
  refused('number-wide-digits', MINEFIELD, utf8(args('{"text":１}'))),
];

const strings: readonly Attack[] = [
  refused('surrogate-lone-high', I_JSON, args('{"text":"\\ud800"}')),
  refused('surrogate-lone-low', I_JSON, args('{"text":"\\udc00"}')),
  refused('surrogate-in-key', `${BISHOP} §2`, GOOD.replace('"name":"echo"', '"name":"echo","name\\ud800":"secret"')),
  refused('surrogate-reversed', I_JSON, args('{"text":"\\udc00\\ud800"}')),
  refused('surrogate-raw', 'RFC 3629 §3', args('{"text":"\xed\xa0\x80"}')),
  refused('utf8-invalid', 'RFC 8259 §8.1', args('{"text":"\xff\xfe"}')),
  refused('utf8-overlong', 'RFC 3629 §3; CVE-2000-0884', args('{"text":"\xc0\xaf"}')),
  refused('utf8-overlong-quote', 'RFC 3629 §3', args('{"text":"x\xc0\xa2,"}')),
  refused('utf8-truncated', 'RFC 3629 §3', args('{"text":"\xe2\x82"}')),
  refused('utf8-beyond-10ffff', 'RFC 3629 §3', args('{"text":"\xf4\x90\x80\x80"}')),
  refused('utf16-le', 'RFC 8259 §8.1', Buffer.from(GOOD, 'utf16le').toString('latin1')),
  refused('utf16-bom', 'RFC 8259 §8.1', `\xff\xfe${Buffer.from(GOOD, 'utf16le').toString('latin1')}`),
  refused('bom', 'RFC 8259 §8.1', `\xef\xbb\xbf${GOOD}`),
  refused('nul-raw', `RFC 8259 §7; ${BISHOP} §2`, args('{"text":"a\0b"}')),
  refused('control-raw', 'RFC 8259 §7', args('{"text":"a\nb"}')),
  refused('escape-unknown', 'RFC 8259 §7', args('{"text":"\\x41"}')),
  refused('escape-short', 'RFC 8259 §7', args('{"text":"\\u00"}')),
  refused('unquoted-key', MINEFIELD, args('{text:"x"}')),
  refused('single-quotes', MINEFIELD, args("{'text':'x'}")),
];

const shapes: readonly Attack[] = [
  refused('comment-block', `${BISHOP} §3`, args('{"text":"x"/*,"y":1*/}')),
  refused('comment-line', `${BISHOP} §3`, args('{"text":"x"//\n}')),
  refused('comma-trailing-object', MINEFIELD, args('{"text":"x",}')),
  refused('comma-trailing-array', MINEFIELD, args('{"text":[1,]}')),
  refused('comma-missing', MINEFIELD, args('{"text":"x""y":1}')),
  refused('two-documents', `${BISHOP} §5`, `${GOOD}${GOOD}`),
  refused('two-documents-line', 'NDJSON confusion', `${GOOD}\n${GOOD}`),
  refused('garbage-after', `${BISHOP} §5`, `${GOOD}x`),
  refused('nul-after', `${BISHOP} §5`, `${GOOD}\0`),
  refused('truncated', 'RFC 8259 §2', GOOD.slice(0, -1)),
  refused('empty', 'RFC 8259 §2', ''),
  refused('white-only', 'RFC 8259 §2', '   '),
  refused('white-nbsp', `${MINEFIELD}: white space`, utf8(`\u00a0${GOOD}`)),
  refused('white-form-feed', MINEFIELD, `\f${GOOD}`),
  refused('deep-65', 'CVE-2020-36518; INVARIANT I10', deep(65)),
  refused('deep-100000', 'CVE-2020-36518; INVARIANT I10', deep(100_000)),
  refused('deep-objects', 'CVE-2020-36518', args(`${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`)),
  refused('scalar', 'JSON-RPC 2.0 §4', '1'),
  refused('string', 'JSON-RPC 2.0 §4', '"tools/call"'),
  refused('null', 'JSON-RPC 2.0 §4', 'null'),
  refused('batch', 'JSON-RPC 2.0 §6; MCP 2025-06-18 (batches removed)', `[${GOOD}]`),
  refused('batch-mixed', 'JSON-RPC 2.0 §6', `[${GOOD},${GOOD.replace('echo', 'secret')}]`),
  refused('batch-empty', 'JSON-RPC 2.0 §6', '[]'),
  refused('case-method', 'Go encoding/json ignores case', GOOD.replace('"method"', '"Method"')),
  refused('case-jsonrpc', 'Go encoding/json ignores case', GOOD.replace('"jsonrpc"', '"JSONRPC"')),
];

export const JSON_ATTACKS: readonly Attack[] = [...duplicates, ...numbers, ...strings, ...shapes];
