// One thing that the token service must refuse, and what it must say.
import type { Answer } from '../support/bed.ts';
import type { FormValues, Post } from '../support/oauth-bed.ts';
import type { AgentName, World } from '../support/oauth-world.ts';

export interface Ask extends Post {
  readonly form: FormValues;
}

export interface Case {
  /** The section that forbids it. */
  readonly section: string;
  readonly what: string;
  readonly error: string;
  readonly code: string;
  readonly status: number;
  readonly ask: (world: World) => Ask | Promise<Ask>;
}

type Row = readonly [what: string, error: string, code: number, ask: Case['ask'], status?: number];

/** 401 for a client that is not known, 400 for anything else, unless a row says otherwise. */
export const under = (section: string, rows: readonly Row[]): readonly Case[] =>
  rows.map(([what, error, code, ask, status = error === 'invalid_client' ? 401 : 400]) => ({
    section,
    what,
    error,
    code: `CORDON-${code}`,
    status,
    ask,
  }));

/** A form that would be granted, but for this. */
export const exchanging =
  (over: FormValues | ((world: World) => FormValues | Promise<FormValues>), agent: AgentName = 'caller'): Case['ask'] =>
  async (world) => ({ form: world.exchange(typeof over === 'function' ? await over(world) : over), as: world.runs[agent] });

/** The same with a subject token that is made for the case. */
export const subject = (
  make: (world: World) => string | Promise<string>,
  over: FormValues = {},
  agent: AgentName = 'caller',
): Case['ask'] => exchanging(async (world) => ({ subject_token: await make(world), ...over }), agent);

export const describedBy = ({ json }: Answer): readonly [error: unknown, code: string] => [
  json['error'],
  String(json['error_description']).split(':', 1)[0] ?? '',
];
