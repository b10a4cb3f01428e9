// One instance of the official Cedar engine (`@cedar-policy/cedar-wasm` 4.13.0, language 4.5). The package's own glue makes one
// instance when it is loaded and speaks to it through `JSON`, which rounds integers. It is run here as a function, with a `JSON` of our
// own, and over a module that is compiled once: an instance more costs 2 ms instead of 30.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { compileFunction } from 'node:vm';
import type {
  AuthorizationAnswer,
  CheckParseAnswer,
  DetailedError,
  FormattingAnswer,
  SchemaJson,
  ValidationAnswer,
} from '@cedar-policy/cedar-wasm/nodejs';
import type { EstPolicy } from './est.ts';
import { EXACT_JSON, type JsonText } from './official-json.ts';

type Failure = { readonly type: 'failure'; readonly errors: readonly DetailedError[] };
export type EstAnswer = Failure | { readonly type: 'success'; readonly json: EstPolicy };
export type SchemaAnswer = Failure | { readonly type: 'success'; readonly json: SchemaJson<string> };

/** The part of the package's interface that is used. */
export interface CedarWasm {
  policyToJson(policy: JsonText): EstAnswer;
  templateToJson(template: JsonText): EstAnswer;
  formatPolicies(call: JsonText): FormattingAnswer;
  validate(call: JsonText): ValidationAnswer;
  schemaToJson(schema: JsonText): SchemaAnswer;
  schemaToJsonWithResolvedTypes(schema: string): SchemaAnswer;
  preparsePolicySet(name: string, policies: JsonText): CheckParseAnswer;
  preparseSchema(name: string, schema: JsonText): CheckParseAnswer;
  statefulIsAuthorized(call: JsonText): AuthorizationAnswer;
}

declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => object;
};

let factory: (() => CedarWasm) | undefined;

/** A fresh instance. @throws Error when the package is not what it was */
export function newInstance(): CedarWasm {
  factory ??= instanceFactory();
  return factory();
}

function instanceFactory(): () => CedarWasm {
  const path = createRequire(import.meta.url).resolve('@cedar-policy/cedar-wasm/nodejs');
  const folder = dirname(path);
  const glue = compileFunction(readFileSync(path, 'utf8'), ['exports', 'require', '__dirname', 'JSON', 'WebAssembly'], { filename: path });
  const compiled = new WebAssembly.Module(readFileSync(join(folder, 'cedar_wasm_bg.wasm')));
  // the glue reads the module's bytes and compiles them each time: it is handed the compiled module instead
  const nothing = { readFileSync: (): undefined => undefined };
  const wasm = {
    Instance: WebAssembly.Instance,
    Module: function Compiled(): object {
      return compiled;
    },
  };
  return () => {
    const instance: unknown = {};
    Reflect.apply(glue, undefined, [instance, () => nothing, folder, EXACT_JSON, wasm]);
    if (!isCedar(instance)) throw new Error(`\`${path}\` is not the engine`);
    return instance;
  };
}

const isCedar = (loaded: unknown): loaded is CedarWasm => typeof loaded === 'object' && loaded !== null && 'statefulIsAuthorized' in loaded;
