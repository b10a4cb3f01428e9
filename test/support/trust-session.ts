// A session of a small desk, for tests of the containment engine.
import { judge, type Verdict } from '../../src/trust/facts.ts';
import { type Call, type Output, type Plan, Session, draftManifests } from '../../src/trust/session.ts';

const text = { type: 'string', description: '' };

export const MANIFESTS = draftManifests([
  { name: 'fetch_note', description: 'Reads the contents of a note', parameters: { path: text } },
  { name: 'list_people', description: 'Lists people', parameters: {} },
  { name: 'open_page', description: 'Opens a page', parameters: { url: text } },
  { name: 'send_parcel', description: 'Sends a parcel', parameters: { recipient: text, body: text } },
  { name: 'change_order', description: 'Changes an order', parameters: { id: { type: 'integer', description: '' } } },
  { name: 'erase_note', description: 'Erases a note', parameters: { path: text } },
]);

const PLAN: Plan = { tools: ['send_parcel', 'open_page'], text: '' };

export const desk = (prompt: string, plans: readonly Plan[] = [PLAN]): Session =>
  new Session({ manifests: MANIFESTS, trusted: [prompt], plans, salt: new Uint8Array(16).fill(7) });

export const verdict = (run: Session, call: Call): Verdict => judge(run.facts(call));
export const parcel = (recipient: unknown, body = 'hello'): Call => ({ tool: 'send_parcel', arguments: { recipient, body } });
export const page = (url: string): Call => ({ tool: 'open_page', arguments: { url } });
export const note = (path: string): Call => ({ tool: 'fetch_note', arguments: { path } });
export const PEOPLE: Call = { tool: 'list_people', arguments: {} };

/** A session that has read one thing. */
export function after(prompt: string, call: Call, output: Output): Session {
  const run = desk(prompt);
  run.admit(call);
  run.observe(call, output);
  return run;
}
