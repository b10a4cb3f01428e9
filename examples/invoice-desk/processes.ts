// The processes of the desk: what to start, with which environment. Whoever starts them adds CORDON_* in protected mode.
import { join } from 'node:path';

export type Mode = 'protected' | 'unprotected';

export const AGENTS = ['orchestrator', 'researcher', 'clerk'] as const;
export const RESOURCES = ['ledger', 'mail', 'payroll'] as const;
export type ProcessName = (typeof AGENTS)[number] | (typeof RESOURCES)[number];

export const DEFAULT_PORTS: Readonly<Record<ProcessName, number>> = {
  orchestrator: 7311,
  researcher: 7312,
  clerk: 7313,
  ledger: 7321,
  mail: 7322,
  payroll: 7323,
};

export interface ProcessOptions {
  /** Where the books are; see `seed`. */
  readonly stateDir: string;
  readonly inboxDir: string;
  /** The ledger's credential. Its process needs it in both modes; agents hold it only when nobody injects it. */
  readonly ledgerApiKey: string;
  readonly ports?: Readonly<Record<ProcessName, number>>;
  /** Where DESK_MODEL_* come from, if a real model is to decide. */
  readonly env?: NodeJS.ProcessEnv;
}

export interface DeskProcess {
  readonly name: ProcessName;
  readonly kind: 'agent' | 'resource';
  readonly command: readonly string[];
  /** To be added to a minimal environment (PATH). */
  readonly env: Readonly<Record<string, string>>;
}

/** Resources first: agents look for them when they start. */
export function processes(mode: Mode, options: ProcessOptions): DeskProcess[] {
  const ports = options.ports ?? DEFAULT_PORTS;
  const own: Readonly<Record<ProcessName, () => Record<string, string>>> = {
    orchestrator: () => ({ ...modelOf(options.env), ...peers(mode, ports, ['researcher', 'clerk']) }),
    researcher: () => ({
      ...modelOf(options.env),
      ...(mode === 'unprotected' ? { DESK_INBOX: options.inboxDir } : {}),
    }),
    clerk: () => ({
      ...modelOf(options.env),
      ...peers(mode, ports, ['ledger', 'mail', 'payroll']),
      ...(mode === 'unprotected' ? { LEDGER_API_KEY: options.ledgerApiKey } : {}),
      DESK_DIRECT_LEDGER: `127.0.0.1:${ports.ledger}`,
    }),
    ledger: () => ({ DESK_STATE: options.stateDir, LEDGER_API_KEY: options.ledgerApiKey }),
    mail: () => ({ DESK_STATE: options.stateDir }),
    payroll: () => ({ DESK_STATE: options.stateDir }),
  };
  const make = (name: ProcessName, kind: 'agent' | 'resource', folder: string): DeskProcess => ({
    name,
    kind,
    command: [process.execPath, join(import.meta.dirname, folder, `${name}.ts`)],
    env: { DESK_NAME: name, DESK_MODE: mode, DESK_LISTEN: `127.0.0.1:${ports[name]}`, ...own[name]() },
  });
  return [...RESOURCES.map((name) => make(name, 'resource', 'servers')), ...AGENTS.map((name) => make(name, 'agent', 'agents'))];
}

function peers(mode: Mode, ports: Readonly<Record<ProcessName, number>>, names: readonly ProcessName[]): Record<string, string> {
  if (mode === 'protected') return {};
  return Object.fromEntries(names.map((name) => [`DESK_URL_${name.toUpperCase()}`, `http://127.0.0.1:${ports[name]}`]));
}

const modelOf = (env: NodeJS.ProcessEnv = {}): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (name.startsWith('DESK_MODEL_') && value !== undefined ? [[name, value]] : [])),
  );
