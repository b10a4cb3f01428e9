// What is wrong with the request itself: its method, its form, its grant, what it asks for.
import { formOf, TYPE } from '../support/oauth-bed.ts';
import { type Case, exchanging, under } from './case.ts';

const with_ =
  (body: string | ((form: string) => string), headers = {}): Case['ask'] =>
  (world) => ({
    form: {},
    as: world.runs.caller,
    body: typeof body === 'string' ? body : body(formOf(world.exchange())),
    headers,
  });

const grant =
  (grant_type: string): Case['ask'] =>
  (world) => ({ form: { grant_type }, as: world.runs.caller });

const ENTRY = { type: 'cordon_task', actions: ['tools/call'], locations: ['tool:bench/*'] };

export const REQUEST_CASES: readonly Case[] = [
  ...under('RFC 6749 §3.2', [
    ['PATCH', 'invalid_request', 9011, (world) => ({ form: {}, as: world.runs.caller, method: 'PATCH' }), 405],
    ['GET', 'invalid_request', 9011, (world) => ({ form: {}, as: world.runs.caller, method: 'GET' }), 405],
    ['PUT', 'invalid_request', 9011, (world) => ({ form: {}, as: world.runs.caller, method: 'PUT' }), 405],
    ['JSON in place of a form', 'invalid_request', 9011, with_('{}', { 'content-type': 'application/json' })],
    ['a form that says it is text', 'invalid_request', 9011, with_((form) => form, { 'content-type': 'text/plain' })],
    [
      'another character set',
      'invalid_request',
      9011,
      with_((form) => form, { 'content-type': 'application/x-www-form-urlencoded; charset=latin1' }),
    ],
    ['nothing', 'invalid_request', 9011, with_('')],
    ['a parameter twice', 'invalid_request', 9011, with_((form) => `${form}&grant_type=client_credentials`)],
    ['a parameter twice, the first without a value', 'invalid_request', 9011, with_((form) => `scope=&${form}&scope=cordon`)],
    ['the subject token twice', 'invalid_request', 9011, with_((form) => `${form}&subject_token=x`)],
    ['a name that is escaped to hide a second', 'invalid_request', 9011, with_((form) => `${form}&grant%5Ftype=client_credentials`)],
    ['an escape that is none', 'invalid_request', 9011, with_((form) => `${form}&scope=%zz`)],
    ['half an escape', 'invalid_request', 9011, with_((form) => `${form}&scope=%4`)],
    ['bytes that are no UTF-8', 'invalid_request', 9011, with_((form) => `${form}&scope=%ff%fe`)],
    ['an overlong encoding', 'invalid_request', 9011, with_((form) => `${form}&scope=%c0%af`)],
    ['a zero byte', 'invalid_request', 9011, with_((form) => `${form}&scope=a%00b`)],
    [
      'more parameters than there can be',
      'invalid_request',
      9011,
      with_((form) => form + '&a=1'.repeat(1) + Array.from({ length: 70 }, (_, at) => `&p${at}=1`).join('')),
    ],
    ['more bytes than there can be', 'invalid_request', 9011, with_((form) => `${form}&scope=${'x'.repeat(70_000)}`)],
  ]),
  ...under('RFC 6749 §5.2', [
    ['no grant', 'invalid_request', 9011, (world) => ({ form: { subject_token: world.alice }, as: world.runs.caller })],
    ['the password grant', 'unsupported_grant_type', 9011, grant('password')],
    ['a code', 'unsupported_grant_type', 9011, grant('authorization_code')],
    ['a refresh token', 'unsupported_grant_type', 9011, grant('refresh_token')],
    ['a grant in capitals', 'unsupported_grant_type', 9011, grant('CLIENT_CREDENTIALS')],
    ['a name of every object', 'unsupported_grant_type', 9011, grant('constructor')],
    ['a scope that is not there', 'invalid_scope', 2003, exchanging({ scope: 'admin' })],
    ['a scope of bytes that no scope has', 'invalid_scope', 9011, exchanging({ scope: 'cordon "admin"' })],
  ]),
  ...under('RFC 8693 §2.1', [
    ['no subject token', 'invalid_request', 9011, exchanging({ subject_token: undefined })],
    ['a subject token without a value', 'invalid_request', 9011, exchanging({ subject_token: '' })],
    ['no type of it', 'invalid_request', 9011, exchanging({ subject_token_type: undefined })],
    ['a type that is not known', 'invalid_request', 1009, exchanging({ subject_token_type: 'urn:example:token' })],
    ['a SAML assertion', 'invalid_request', 1009, exchanging({ subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' })],
    [
      'a refresh token as subject',
      'invalid_request',
      1009,
      exchanging({ subject_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }),
    ],
    [
      'a refresh token in return',
      'invalid_request',
      9011,
      exchanging({ requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }),
    ],
    ['an ID token in return', 'invalid_request', 9011, exchanging({ requested_token_type: TYPE.id })],
    ['an actor token without its type', 'invalid_request', 9011, exchanging((world) => ({ actor_token: world.assertions.caller }))],
    ['the type of an actor token without one', 'invalid_request', 9011, exchanging({ actor_token_type: TYPE.jwt })],
    [
      'an actor token of another type',
      'invalid_request',
      9011,
      exchanging((world) => ({ actor_token: world.assertions.caller, actor_token_type: TYPE.access })),
    ],
    [
      'an actor token that another signed',
      'invalid_request',
      1009,
      exchanging((world) => ({ actor_token: `${world.assertions.caller.slice(0, -8)}AAAAAAAA`, actor_token_type: TYPE.jwt })),
    ],
    [
      'an actor that is not the client',
      'unauthorized_client',
      2005,
      exchanging((world) => ({ actor_token: world.assertions.callee, actor_token_type: TYPE.jwt })),
    ],
  ]),
  ...under('RFC 8707 §2', [
    ['two resources', 'invalid_target', 2010, exchanging((world) => ({ resource: [world.gateway, `${world.gateway}/mcp/bench`] }))],
    ['a resource and another audience', 'invalid_target', 2010, exchanging((world) => ({ audience: `${world.gateway}/mcp/bench` }))],
    ['a resource of somebody else', 'invalid_target', 2010, exchanging({ resource: 'https://ledger.example' })],
    ['a server that is not registered', 'invalid_target', 2010, exchanging((world) => ({ resource: `${world.gateway}/mcp/unknown` }))],
    ['a resource with a fragment', 'invalid_target', 2010, exchanging((world) => ({ resource: `${world.gateway}#` }))],
    [
      'a path that leaves its route',
      'invalid_target',
      2010,
      exchanging((world) => ({ resource: `${world.gateway}/mcp/bench/../unknown` })),
    ],
    [
      'the gateway in another letter case',
      'invalid_target',
      2010,
      exchanging((world) => ({ resource: world.gateway.replace('https', 'HTTPS') })),
    ],
    ['the gateway with a slash', 'invalid_target', 2010, exchanging((world) => ({ resource: `${world.gateway}/` }))],
    ['no URI', 'invalid_target', 2010, exchanging({ resource: 'bench' })],
    ['the token service itself', 'invalid_target', 2010, exchanging((world) => ({ resource: world.issuer }))],
  ]),
  ...under('RFC 9396 §5', [
    ['no JSON', 'invalid_authorization_details', 9011, exchanging({ authorization_details: '{' })],
    ['no list', 'invalid_authorization_details', 9011, exchanging({ authorization_details: '{"type":"cordon_task"}' })],
    ['an empty list', 'invalid_authorization_details', 9011, exchanging({ authorization_details: '[]' })],
    ['a type that is not known', 'invalid_authorization_details', 9011, details({ type: 'payment_initiation' })],
    ['no type', 'invalid_authorization_details', 9011, details({ type: undefined })],
    ['a member that is not known', 'invalid_authorization_details', 9011, details({ privileges: ['admin'] })],
    [
      'a member twice',
      'invalid_authorization_details',
      9011,
      exchanging({ authorization_details: '[{"type":"cordon_task","actions":["ping"],"actions":["*"],"locations":["*"]}]' }),
    ],
    ['no actions', 'invalid_authorization_details', 9011, details({ actions: [] })],
    ['a location that is none', 'invalid_authorization_details', 9011, details({ locations: ['tool:*/pay'] })],
    ['a constraint that is not known', 'invalid_authorization_details', 9011, details({ arguments: { amount: { regex: '.*' } } })],
    ['a budget that is no number', 'invalid_authorization_details', 9011, details({ budget: { calls: '3' } })],
    [
      'more entries than there can be',
      'invalid_authorization_details',
      9011,
      exchanging({ authorization_details: JSON.stringify(Array.from({ length: 40 }, () => ENTRY)) }),
    ],
    ['a mandate that has ended', 'invalid_request', 2002, details({ exp: 1_700_000_000 })],
  ]),
];

function details(over: object): Case['ask'] {
  return exchanging({ authorization_details: JSON.stringify([{ ...ENTRY, ...over }]) });
}
