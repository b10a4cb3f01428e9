// `cordon can`: asks the policy as the gateway would, without a call, a record or an effect.
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import type { Command } from 'commander';
import { readTools } from '../../control/tools.ts';
import { isJsonArray, isJsonObject, parseJson, type Json, type JsonObject } from '../../domain/json.ts';
import { errorTextOf } from '../../domain/refusal.ts';
import { similar } from '../../domain/similar.ts';
import { METHODS } from '../../policy/methods.ts';
import type { Client, Question } from '../client.ts';
import { contextOf } from '../context.ts';
import { EXIT, Failure } from '../errors.ts';
import { becauseLines, fixLines, gateLines, headline, shadowLines } from '../explain.ts';
import { unknownAgent } from '../levels.ts';
import type { Paint } from '../paint.ts';
import { remediesOf, type Remedy } from '../remedies.ts';
import type { ReplyOf } from '../replies.ts';
import { plain } from '../untrusted.ts';
import { showExamples } from '../usage.ts';
import { policiesIn } from './policy-diff.ts';

interface CanOptions {
  readonly input: string;
  readonly draft?: string;
  readonly user?: string;
  readonly issuer?: string;
  readonly group?: readonly string[];
  readonly mandate?: string;
}

const BOUNDS = { maxBytes: 262_144, maxDepth: 32 };

export function canCommand(program: Command): void {
  const command = program
    .command('can')
    .summary('ask whether a call would be allowed, and why')
    .description(
      'Asks whether a call would be allowed, and why: nothing is called and nothing is recorded.\nWith two arguments the action is `tools/call`, or `http/call` of a route. Exit 0 yes, 5 no.',
    )
    .argument('<agent>', 'name of a registered agent')
    .argument('<action>', '`tools/call`, `http/call`, `egress/connect`, `a2a/SendMessage`, ..; or a tool or route')
    .argument('[resource]', 'a tool `server/tool`, a route `api/route`, a server, an agent, or an egress resource')
    .option('--input <json>', 'the arguments of the call; `-` reads them from stdin', '{}')
    .option('--user <name>', 'on behalf of this user, whose own rights and groups count too')
    .option('--issuer <url>', 'who vouches for the user')
    .option('--group <name>', 'that the user is in; again for more', collect)
    .option('--mandate <file>', 'what the task was given: `authorization_details` as JSON; `-` reads it from stdin')
    .option('--draft <policies>', 'decide with other policies: a directory of *.cedar files, or the number of a version')
    .action(async (agent: string, action: string, resource: string | undefined, options: CanOptions, self: Command) => {
      const context = contextOf(self);
      const { input, draft } = options;
      const onBehalf = await onBehalfOf(options);
      const given = { agent, ...wantedOf(agent, action, resource), input: await readInput(input), ...onBehalf };
      const wanted: Question = draft === undefined ? given : { ...given, draft: await policiesIn(draft) };
      const { json, value, meant, question } = await context.connected(async (client) => {
        const names = (await client.agents()).value.items.map((each) => each.name);
        if (!names.includes(agent)) throw unknownAgent(agent, names);
        const found = await asked(client, wanted, resource === undefined);
        return { ...found.reply, question: found.question, meant: await meantBy(client, found.question, found.reply.value.decision.code) };
      });
      const remedies = meant.length > 0 ? meant : remediesOf({ ...question, ...value.decision }, value.explanation);
      context.out.print({ ...json, remedies: remedies.map((remedy) => ({ ...remedy })) }, (paint) => [
        ...render(paint, question, value),
        ...fixLines(paint, remedies),
      ]);
      if (!value.allowed) process.exitCode = EXIT.no;
    });
  showExamples(command, [
    `cordon can clerk ledger/pay_invoice --input '{"vendor":"Acme","amount_cents":4200}'`,
    'cordon can clerk ledger/pay_invoice --user alice --group finance --mandate mandate.json',
    'cordon can clerk tools/list ledger --draft drafts',
    'cordon can orchestrator a2a/SendMessage clerk',
  ]);
}

/** Of `server/tool` alone nobody can tell whether it is a tool or a route. */
async function asked(
  client: Client,
  question: Question,
  isOpen: boolean,
): Promise<{ readonly question: Question; readonly reply: Awaited<ReturnType<Client['can']>> }> {
  const reply = await client.can(question);
  if (!isOpen || reply.value.decision.code !== 'CORDON-3003') return { question, reply };
  const route: Question = { ...question, action: 'http/call' };
  const other = await client.can(route);
  return other.value.decision.code === 'CORDON-3003' ? { question, reply } : { question: route, reply: other };
}

/** What a name that nothing has may be a slip for, as the question to ask instead; else what there is in its place. */
async function meantBy(client: Client, { agent, action, resource }: Question, code: string | undefined): Promise<readonly Remedy[]> {
  const ask = (...words: readonly string[]): Remedy => ({
    type: 'alternative',
    text: 'if you meant this',
    cmd: `cordon can ${[agent, ...words].map((word) => plain(word)).join(' ')}`,
  });
  if (code === 'CORDON-3008') return similar(action, ['tools/call', 'http/call', ...METHODS.keys()]).map((name) => ask(name, resource));
  if (code !== 'CORDON-3003') return [];
  const { agents, resources, tools } = (await client.world()).value;
  const callees = (action.startsWith('a2a/') ? agents : resources).map(({ name }) => name);
  const called = Object.entries(tools).flatMap(([server, listing]) => readTools(listing).map(({ name }) => `${server}/${name}`));
  const near = similar(resource, resource.includes('/') ? called : callees).map((name) => ask(action, name));
  const [server = ''] = resource.split('/', 1);
  if (near.length > 0 || !resource.includes('/') || !callees.includes(server)) return near;
  const own = called.filter((name) => name.startsWith(`${server}/`));
  return [
    {
      type: 'alternative',
      text: `\`${server}\` has no such tool; it has ${own.length === 0 ? 'none yet: is it running?' : own.slice(0, 10).join(', ')}`,
    },
  ];
}

/** @throws Failure when the second argument is an action and the third is missing */
function wantedOf(agent: string, action: string, resource: string | undefined): Pick<Question, 'action' | 'resource'> {
  if (resource !== undefined) return { action, resource };
  const isTool = action.includes('/') && action !== 'tools/call' && !METHODS.has(action) && !action.startsWith('a2a/');
  if (isTool) return { action: 'tools/call', resource: action };
  throw new Failure('usage', 'the resource is missing', {
    observed: `\`${action}\``,
    expected: 'a tool `server/tool`, or an action and what it is for',
    fix: [`\`cordon can ${agent} ${action.includes('/') ? action : 'ACTION'} ${action.includes('/') ? 'RESOURCE' : action}\``],
  });
}

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** @throws Failure for what belongs to a user when none is named, and for a mandate that is no list */
async function onBehalfOf({ user, issuer, group, mandate }: CanOptions): Promise<Pick<Question, 'onBehalf'>> {
  if (user === undefined) {
    if (issuer === undefined && group === undefined && mandate === undefined) return {};
    throw new Failure('usage', 'the user is missing', { fix: ['name for whom the agent would call: `--user NAME`'] });
  }
  const about = { ...(issuer === undefined ? {} : { issuer }), ...(group === undefined ? {} : { groups: group }) };
  return { onBehalf: { user, ...about, ...(mandate === undefined ? {} : { mandate: await readMandate(mandate) }) } };
}

async function readMandate(file: string): Promise<readonly Json[]> {
  const expected = 'a JSON list of entries: `[{"type":"cordon_task","actions":["tools/call"],"locations":["tool:ledger/*"]}]`';
  try {
    const mandate = parseJson(file === '-' ? await buffer(process.stdin) : await readFile(file), BOUNDS);
    if (isJsonArray(mandate)) return mandate;
  } catch (cause) {
    throw new Failure('usage', 'the mandate cannot be read', { observed: errorTextOf(cause), expected, cause });
  }
  throw new Failure('usage', 'the mandate is no list', { expected });
}

async function readInput(given: string): Promise<JsonObject> {
  const bytes = given === '-' ? await buffer(process.stdin) : Buffer.from(given);
  try {
    const input = parseJson(bytes, BOUNDS);
    if (isJsonObject(input)) return input;
  } catch (cause) {
    throw notArguments(cause instanceof Error ? cause.message : 'malformed JSON', cause);
  }
  throw notArguments('no JSON object');
}

const notArguments = (observed: string, cause?: unknown): Failure =>
  new Failure('usage', '`--input` is not the arguments of a call', {
    observed,
    expected: 'one JSON object',
    fix: [`quote it for the shell: --input '{"amount_cents":4200}'`, 'pipe it: --input -'],
    cause,
  });

function render(
  paint: Paint,
  { agent, action, resource, onBehalf }: Question,
  { decision, explanation }: ReplyOf<'can'>,
): readonly string[] {
  const { shadow } = decision;
  return [
    headline(paint, decision, [agent, action, resource, ...(onBehalf === undefined ? [] : [`for ${onBehalf.user}`])]),
    ...becauseLines(paint, decision, explanation),
    ...gateLines(paint, decision.gates),
    ...(shadow === undefined ? [] : shadowLines(paint, { ...shadow, version: shadow.policyVersion })),
  ];
}
