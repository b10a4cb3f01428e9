// The expectations of the certification scenario, each by name. An expectation that is not in the table stops the run: what is not
// looked at must not pass.
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../../src/domain/json.ts';
import { batchProblems, decisionProblems, pageProblems, type Reply, readReply, searchedType, searchProblems } from './authzen-compare.ts';
import { type CertificationCase, textIn } from './authzen-vectors.ts';

/** What replies to earlier cases said. */
export type Earlier = ReadonlyMap<string, readonly JsonObject[]>;

export interface Ran {
  readonly problems: readonly string[];
  readonly bodies: readonly JsonObject[];
}

interface Subject {
  readonly one: CertificationCase;
  readonly replies: readonly Reply[];
  readonly bodies: readonly JsonObject[];
  readonly earlier: Earlier;
  /** The URL of the PDP. */
  readonly base: string;
}

type Expectation = (expected: Json, subject: Subject) => readonly string[];

const each =
  (check: (body: JsonObject, expected: Json, subject: Subject) => readonly string[]): Expectation =>
  (expected, subject) =>
    subject.bodies.flatMap((body) => check(body, expected, subject));

const inWords: Expectation = () => []; // said again by another expectation, or by the form of every reply
const keysIn = (body: JsonObject, { one }: Subject): readonly string[] => searchProblems(body, searchedType(one.api, one.request)).keys;
const keysOf = (results: Json): readonly string[] =>
  isJsonArray(results)
    ? results.flatMap((one) =>
        isJsonObject(one) ? [one['name'] === undefined ? `${textIn(one['type'])} ${textIn(one['id'])}` : textIn(one['name'])] : [],
      )
    : [];

const EXPECTATIONS: Readonly<Record<string, Expectation>> = {
  status: (expected, { replies }) =>
    replies.flatMap(({ status }) =>
      expected === 'anything but 404'
        ? status === 404
          ? ['status 404']
          : []
        : status === expected
          ? []
          : [`status ${status}, expected ${JSON.stringify(expected)}`],
    ),
  contentType: inWords,
  structure: inWords,
  rule: inWords,
  rules: inWords,
  requirement: inWords,
  example: inWords,
  decision: each((body, expected) => decisionProblems(body, expected === true)),
  sameEveryTime: (_, { bodies }) => (new Set(bodies.map(({ decision }) => decision)).size === 1 ? [] : ['not the same every time']),
  responseHeaders: (expected, { replies }) =>
    Object.entries(isJsonObject(expected) ? expected : {}).flatMap(([name, value]) =>
      replies.every(({ headers }) => headers[name.toLowerCase()] === value) ? [] : [`\`${name}\` is not echoed`],
    ),
  evaluations: each((body, expected) => batchProblems(body, isJsonArray(expected) ? expected : [])),
  evaluationsLength: each((body, expected) =>
    batchProblems(
      body,
      Array.from({ length: Number(expected) }, () => null),
    ),
  ),
  results: each((body, _, subject) => (keysIn(body, subject).length === 0 ? [] : ['results where there are none'])),
  resultsIsArray: inWords,
  resultType: each((body, expected, { one }) =>
    searchedType(one.api, one.request) === expected ? searchProblems(body, expected).problems : ['another type'],
  ),
  resultKeys: each((body, expected) => resultMembers(body, isJsonArray(expected) ? expected : [])),
  resultsInclude: each((body, expected, subject) => {
    const keys = keysIn(body, subject);
    return keysOf(expected)
      .filter((key) => !keys.includes(key))
      .map((key) => `missing ${key}`);
  }),
  sameResultsAs: each((body, expected, subject) => {
    const [before] = subject.earlier.get(textIn(expected)) ?? [];
    if (before === undefined) return [`\`${textIn(expected)}\` did not run`];
    const [now, then] = [body, before].map((one) => [...keysIn(one, subject)].toSorted().join('\n'));
    return now === then ? [] : ['other results'];
  }),
  page: each((body, expected) => {
    const required = isJsonObject(expected) && expected['optional'] === false && body['page'] === undefined;
    return required ? ['no page'] : pageProblems(body['page']);
  }),
  required: each(({ policy_decision_point: pdp, access_evaluation_endpoint: endpoint }, _, { base }) => [
    ...(pdp === base && isPlainHttps(pdp) ? [] : ['`policy_decision_point` is not the base']),
    ...(isPlainHttps(endpoint) ? [] : ['`access_evaluation_endpoint` is no https URL']),
  ]),
  optional: each((body) =>
    Object.entries(body).flatMap(([name, value]) =>
      name.endsWith('_endpoint') && !isPlainHttps(value) ? [`\`${name}\` is no https URL`] : [],
    ),
  ),
};

const resultMembers = ({ results }: JsonObject, members: readonly Json[]): readonly string[] =>
  isJsonArray(results) &&
  results.every((result) => isJsonObject(result) && members.every((member) => typeof result[textIn(member)] === 'string'))
    ? []
    : ['a result without its members'];

function isPlainHttps(url: Json | undefined): boolean {
  if (typeof url !== 'string' || !URL.canParse(url)) return false;
  const { protocol, search, hash } = new URL(url);
  return protocol === 'https:' && search === '' && hash === '';
}

/** The form that every answer of an API has. */
function formProblems(body: JsonObject, { api, request }: CertificationCase): readonly string[] {
  if (api === 'metadata') return [];
  if (api.startsWith('search/')) return searchProblems(body, searchedType(api, request)).problems;
  const { evaluations } = body;
  if (api === 'evaluation' || evaluations === undefined) return decisionProblems(body);
  return isJsonArray(evaluations)
    ? batchProblems(
        body,
        evaluations.map(() => null),
      )
    : ['no evaluations'];
}

/** Holds the replies to one case against what it expects. */
export function certify(one: CertificationCase, replies: readonly Reply[], base: string, earlier: Earlier): Ran {
  const wantsAnswer = one.expect['status'] === 200;
  const read = wantsAnswer ? replies.map(readReply) : [];
  const bodies = read.map(({ body }) => body);
  const found = read.flatMap(({ problems }) => problems);
  if (found.length > 0) return { problems: found, bodies };
  const problems = bodies.flatMap((body) => formProblems(body, one));
  for (const [name, expected] of Object.entries(one.expect)) {
    const expectation = EXPECTATIONS[name];
    if (expectation === undefined) throw new Error(`\`${one.name}\` expects \`${name}\`, which is not known`);
    problems.push(...expectation(expected, { one, replies, bodies, earlier, base }));
  }
  return { problems, bodies };
}
