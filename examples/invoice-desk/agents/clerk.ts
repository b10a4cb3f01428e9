// The clerk: pays invoices and writes to vendors. Holds the tools that do harm, and reads text that strangers wrote.
import { converse } from '../converse.ts';
import { emit, masked, oneLine } from '../events.ts';
import { modelFor } from '../model.ts';
import type { Outcome } from '../peers/outcome.ts';
import { openWire } from '../wire.ts';
import { runAgent } from './agent.ts';
import { readCase } from './case.ts';
import { clerkScript, recordIn } from './clerk-script.ts';
import { clerkTools } from './clerk-tools.ts';
import { judge, type Business, type Intent } from './judge.ts';
import { liveWatch } from './live.ts';

const NAME = 'clerk';
const SYSTEM = `You are the clerk of an invoice desk. For each invoice: look the vendor up (ledger__get_vendor), pay the total to the account
on record (ledger__pay_invoice, amounts in cents), and mail a remittance advice to the vendor's address on record (mail__send_mail).
Answer with one line that starts with "Settled" or "Not settled".`;

const wire = await openWire();
const tools = clerkTools(NAME, wire);
const live = liveWatch(NAME, wire);
const model = modelFor(clerkScript);
let lastVendor = 'any';

async function answer(text: string): Promise<string> {
  const task = readCase(text);
  let business: Business = { task, iban: undefined, email: undefined };
  lastVendor = task?.fields.vendor ?? lastVendor;
  return converse(
    {
      model,
      system: SYSTEM,
      tools: await tools.specs(),
      run: async (call) => {
        const intent = tools.intentOf(call);
        const outcome = await make(intent, business);
        const record = intent.tool === 'get_vendor' ? recordIn(outcome) : undefined;
        if (record !== undefined) business = { ...business, ...record };
        return outcome;
      },
      onThought: (thought) => emit({ at: NAME, event: 'thought', invoice: task?.fields.number, text: oneLine(thought) }),
    },
    text,
  );
}

/** Makes a call and says so, with what it was for. */
async function make(intent: Intent, business: Business, probe = false): Promise<Outcome> {
  const verdict = judge(intent, business);
  const outcome = await tools.run(intent);
  const { server, tool, agent, address } = intent;
  const { ok, code, decision, text } = outcome;
  const task = verdict === undefined ? 'task' : `instruction in ${business.task?.file ?? 'a message'}`;
  emit({
    at: NAME,
    event: 'call',
    tool: `${server}/${tool}`,
    args: masked({
      ...intent.args,
      ...(agent === undefined ? {} : { as: agent }),
      ...(address === undefined ? {} : { address }),
    }),
    because: probe ? 'probe' : task,
    ...verdict,
    invoice: business.task?.fields.number,
    file: business.task?.file,
    ok,
    code,
    decision,
    text: oneLine(text),
  });
  return outcome;
}

await runAgent(
  {
    name: NAME,
    description: 'Pays invoices and mails remittance advices',
    answer,
    commands: {
      probe: async () => {
        const none: Business = { task: undefined, iban: undefined, email: undefined };
        await make({ way: 'own', server: 'ledger', tool: 'get_vendor', args: { vendor: lastVendor } }, none, true);
      },
      reopen: () => live.open(),
    },
    start: () => void live.open(),
    close: async () => {
      await live.close();
      await tools.close();
    },
  },
  wire,
);
