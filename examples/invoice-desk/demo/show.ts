// The story as lines for people: mark first, duration last, what agents and documents say stripped of everything but text.
import { styleText } from 'node:util';
import type { Attack } from '../desk.ts';
import { formatEur } from '../documents/money.ts';
import { oneLine } from '../events.ts';
import type { StoryEvent, Summary, Tell } from './story.ts';

export interface Screen {
  readonly write: (text: string) => void;
  readonly colour: boolean;
  readonly columns: number;
}

type Style = Parameters<typeof styleText>[0];

/** What each attack is, in an operator's words. */
const ATTACKS: Readonly<Record<Attack, string>> = {
  exfiltrate: 'mail the vendor list out',
  'redirect-payment': 'pay another account',
  'cross-segment': 'read the payroll of another segment',
  impersonate: 'call as the orchestrator, with a forged certificate',
  bypass: 'call the ledger around the gateway',
};

const ATTACK_WIDTH = 52;

export function shownOn(screen: Screen): Tell {
  const paint = (style: Style, text: string): string => (screen.colour ? styleText(style, text, { validateStream: false }) : text);
  const line = (text = ''): void => screen.write(`${text}\n`);
  const mark = (ok: boolean): string => (ok ? paint('green', 'v') : paint('red', 'x'));
  const seconds = (ms: number): string => paint('dim', ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);
  const heading = (text: string): void => line(`\n  ${paint('bold', text)}`);
  let isProtected = true;
  let working = false;

  const SHOW: { readonly [K in StoryEvent['type']]: (event: Extract<StoryEvent, { type: K }>) => void } = {
    begin(event) {
      isProtected = event.protected;
      const how = event.protected
        ? 'every call below is real mTLS through the gateway'
        : 'without Cordon: plain calls, keys in every agent';
      line(
        `\n  ${paint('bold', event.protected ? 'cordon demo' : 'cordon demo --unprotected')} - an invoice desk, ${event.invoices} invoices; ${how}\n`,
      );
    },
    step: (event) => line(`  ${mark(true)} ${event.what.padEnd(14)}${event.detail}  ${seconds(event.ms)}`),
    invoice(event) {
      if (!working) heading('the desk works');
      working = true;
      const text = event.text.replace(/^(Not )?[Ss]ettled [^:]*: /, '');
      line(`  ${mark(event.ok)} ${oneLine(event.invoice).padEnd(14)}${oneLine(text, screen.columns - 22)}`);
    },
    hijack(event) {
      heading(`an invoice speaks to the machine, and the ${event.agent} obeys`);
      line(
        `  ${paint('yellow', '!')} ${oneLine(event.invoice ?? '').padEnd(14)}${paint('yellow', oneLine(event.says, screen.columns - 22))}`,
      );
    },
    attack(event) {
      if (!event.denied)
        return line(`  ${paint('red', '!')} ${ATTACKS[event.attack].padEnd(ATTACK_WIDTH)}${paint(['red', 'bold'], 'SUCCEEDED')}`);
      const code = event.code ?? 'no answer';
      line(`  ${mark(false)} ${ATTACKS[event.attack].padEnd(ATTACK_WIDTH)}${paint('red', 'DENY')} ${paint('bold', code)}`);
      const path =
        event.code === 'CORDON-3007' &&
        event.segment?.src !== undefined &&
        event.segment.dst !== undefined &&
        event.segment.src !== event.segment.dst;
      const why = path ? `${event.reason ?? ''}: ${event.segment.src} > ${event.segment.dst}` : (event.reason ?? '');
      if (why !== '') line(`      ${paint('dim', oneLine(why, screen.columns - 8))}`);
    },
    contained(event) {
      const drill = event.because === 'drill' ? ' (a drill: nothing attacked)' : '';
      heading(`containment${drill}`);
      const cut = `${plural(event.calls, 'live call')} and ${plural(event.connections, 'connection')} cut`;
      line(
        `  ${mark(event.status === 'contained')} ${`${event.agent} off`.padEnd(14)}${event.status}: ${cut} ${paint('bold', `${event.cutMs} ms`)} after the order; the gateway saw silence at ${event.gatewayMs} ms`,
      );
    },
    probe(event) {
      const said = event.ok
        ? 'a legitimate call goes through again'
        : `a legitimate call  ${paint('red', 'DENY')} ${paint('bold', event.code ?? '')}`;
      line(`  ${mark(event.ok)} ${`${event.agent} tries`.padEnd(14)}${said}`);
    },
    audit: (event) =>
      line(
        `  ${mark(event.result === 'VERIFIED')} ${'audit log'.padEnd(14)}${paint('bold', event.result)}, ${event.entries} entries against the signed tree, offline  ${seconds(event.ms)}`,
      ),
    released: (event) => line(`  ${mark(event.status === 'released')} ${event.agent.padEnd(14)}released`),
    books(event) {
      heading('the books, read from the files');
      line(`  ${mark(event.paid === event.total)} ${'invoices'.padEnd(14)}${event.paid} of ${event.total} paid to the account on record`);
      const { stolen } = event;
      const clean = stolen.payments + stolen.mails + stolen.reads === 0;
      const gone = clean
        ? 'no cent, no mail, no salary left the house'
        : `${formatEur(stolen.cents)} in ${plural(stolen.payments, 'payment')}, ${plural(stolen.mails, 'mail')} with company data, ${plural(stolen.reads, 'forbidden read')}`;
      line(`  ${mark(clean)} ${'stolen'.padEnd(14)}${clean ? gone : paint('red', gone)}`);
    },
    summary(event) {
      line();
      line(`  ${closing(event, isProtected)}`);
    },
  };
  return (event) => show(event.type, event);

  function show<K extends StoryEvent['type']>(type: K, event: Extract<StoryEvent, { type: K }>): void {
    SHOW[type](event);
  }

  function closing(event: Summary, guarded: boolean): string {
    const { attacks, benign } = event;
    if (!guarded)
      return (
        paint('red', `${attacks.tried - attacks.denied} of ${attacks.tried} attacks succeeded`) +
        `; the same desk behind Cordon: ${paint('bold', 'cordon demo')}`
      );
    const counts = `${event.calls.allowed} calls allowed, ${event.calls.denied} denied`;
    const verdict = attacks.denied === attacks.tried && benign.done === benign.total;
    return `${mark(verdict)} ${attacks.denied} of ${attacks.tried} attacks denied, ${benign.done} of ${benign.total} invoices settled, ${counts}  ${seconds(event.seconds * 1000)}`;
  }
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
