// Who is that: an address of a live connection, a certificate serial, a SPIFFE ID, a decision, or an agent's name.
import { Refusal } from '../domain/refusal.ts';
import { parseSpiffeId, parseWorkload } from '../domain/spiffe-id.ts';
import type { Control } from './control.ts';

export type WhoisAnswer = {
  readonly schema: 'cordon.whois/v1';
  readonly asked: string;
  readonly as: 'address' | 'serial' | 'spiffe-id' | 'decision' | 'agent';
  readonly kind?: string;
  readonly name?: string;
  readonly run?: string;
  readonly spiffeId?: string;
  readonly segment?: string;
  readonly level?: string;
  readonly owner?: string;
  readonly notAfter?: number;
  readonly live: boolean;
};

/** @throws Refusal CORDON-1012 when nothing of that kind is known */
export async function whois(control: Control, asked: string): Promise<WhoisAnswer> {
  if (asked.startsWith('spiffe://')) return ofId(control, asked, 'spiffe-id', asked);
  if (asked.startsWith('dec_')) return ofDecision(control, asked);
  if (/^[\d.]+:\d+$|^\[[0-9a-f:]+\]:\d+$/.test(asked)) return ofAddress(control, asked);
  if (/^[0-9a-fA-F]{16,40}$/.test(asked)) return ofSerial(control, asked.toLowerCase());
  const agent = control.agents().find((candidate) => candidate.name === asked);
  if (agent === undefined) throw unknown(asked);
  return ofId(control, asked, 'agent', control.agentId(asked));
}

const unknown = (asked: string): Refusal =>
  new Refusal('CORDON-1012', `nothing is known of \`${asked.slice(0, 120)}\``, {
    expected: 'an address of a live connection, a serial, a SPIFFE ID, a decision id or an agent name',
    fix: 'list what exists: `cordon agent list`',
  });

function ofAddress(control: Control, asked: string): WhoisAnswer {
  const live = control.connections().find((connection) => connection.address === asked);
  if (live === undefined) throw unknown(asked);
  return { ...ofId(control, asked, 'address', live.spiffeId), notAfter: live.notAfter };
}

async function ofSerial(control: Control, asked: string): Promise<WhoisAnswer> {
  const row = await control.store.certificate(asked);
  if (row === undefined) throw unknown(asked);
  return { ...ofId(control, asked, 'serial', row.spiffeId), notAfter: row.notAfter };
}

async function ofDecision(control: Control, asked: string): Promise<WhoisAnswer> {
  const found = await control.decisions.get(asked);
  const principal = found?.record.principal;
  if (principal === undefined) throw unknown(asked);
  return ofId(control, asked, 'decision', principal);
}

function ofId(control: Control, asked: string, as: WhoisAnswer['as'], id: string): WhoisAnswer {
  const { kind, name, run } = parseWorkload(parseSpiffeId(id));
  const agent = control.agents().find((candidate) => candidate.name === name);
  const registered = kind === 'agent' && agent !== undefined;
  return {
    schema: 'cordon.whois/v1',
    asked,
    as,
    kind,
    name,
    spiffeId: id,
    ...(run === undefined ? {} : { run }),
    ...(registered ? { segment: agent.segment, level: agent.level, owner: agent.owner } : {}),
    live: registered && (run === undefined ? agent.runs.length > 0 : agent.runs.some((candidate) => candidate.id === run)),
  };
}
